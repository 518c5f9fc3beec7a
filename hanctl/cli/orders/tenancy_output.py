"""Print changes, previews and reports for ``hanctl tenancy``."""

from __future__ import annotations

from typing import Any

from hanctl.cli.output import local_time, print_facts, print_table, size


def print_report(found: dict[str, Any]) -> None:
    """Print the whole evidence of a change."""
    print_change(found)
    change = found["change"]
    _print_sections(
        ("hidden by the cut-off", change["hidden"]),
        ("cleared, added by control bits", change["cleared"]),
        ("hidden, added by control bits", change["blocked"]),
        ("still held by the hub, and given to no device", change["held"]),
    )
    print_devices(found)
    for device in found["devices"]:
        print(f"\n{device['eui64']}:")
        for line in device["lines"]:
            print(f"  {local_time(line['at'])}  {line['what']}")
    print(f"\ncaptures and logs since {local_time(found['period_from'])} that a person has to deal with:")
    for each in found["leftovers"]:
        length = "" if each["size"] is None else f", {size(each['size'])}, written {local_time(each['changed_at'])}"
        print(f"  {each['kind']}: {each['path']}{length}")
    if not found["leftovers"]:
        print("  none was found")
    print("\nwhat stays, and why:")
    for each in found["kept"]:
        print(f"  {each['what']}: {each['count']} ({each['why']})")


def print_preview(found: dict[str, Any]) -> None:
    print(f"nothing was done; a change of {found['kind']} now, with control 0x{found['control']:08x}:")
    print(f"  {', '.join(found['control_names'])}")
    if found["contactor_corrected"]:
        from hanctl.tenancy.controls import CONTACTOR_NOTE

        print(f"note: {CONTACTOR_NOTE}")
    print(f"cut-off: {cut_off({**found, 'state': 'scheduled'})}")
    _print_sections(
        ("would be hidden by the cut-off", found["would_hide"]),
        ("would be cleared, added by control bits", found["would_clear"]),
        ("would be hidden, added by control bits", found["would_block"]),
        ("would be held by the hub, and given to no device", found["would_hold"]),
    )
    print("\nwould stay:")
    for each in found["kept"]:
        print(f"  {each['what']}: {each['count']} ({each['why']})")


def cut_off(change: dict[str, Any]) -> str:
    """Format the cut-off of a change for people."""
    if change["cut_off"] is not None:
        return local_time(change["cut_off"])
    return "its moment" if change["kind"] == "tenancy" and change["state"] == "scheduled" else "none"


def print_change(report: dict[str, Any]) -> None:
    change = report["change"]
    facts = [
        ("change", f"{change['id']} of {change['kind']}, {', '.join(part['fuel'] for part in report['parts'])}"),
        ("state", change["state"]),
        ("cut-off", cut_off(change)),
        ("moment", local_time(change["at"])),
        ("ordered", f"{local_time(change['ordered_at'])} by {change['source']}"),
        ("executed", local_time(change["done_at"])),
        ("control", f"0x{change['control']:08x}: {', '.join(report['control_names'])}"),
    ]
    for part in report["parts"]:
        facts.append(("provider", f"{part['fuel']}: 0x{part['provider_id']:08x} {part['provider_name']}".rstrip()))
    facts += [("note", note) for note in change["notes"]]
    print_facts(facts)


def print_devices(report: dict[str, Any]) -> None:
    print(f"\ndevices, {report['outstanding']} outstanding of {len(report['devices'])}:")
    rows = [
        (
            device["eui64"],
            device["device_type"],
            device["verdict"] + (", overdue" if device["overdue"] else ""),
            device["basis"],
            local_time(device["told_at"]),
        )
        for device in report["devices"]
    ]
    print_table(("device", "type", "verdict", "because", "told"), rows, "no device was concerned")


def _print_sections(*sections: tuple[str, list[list[Any]]]) -> None:
    for title, counts in sections:
        print(f"\n{title}:")
        for name, count in counts:
            print(f"  {name}: {count}")
        if not counts:
            print("  nothing")
