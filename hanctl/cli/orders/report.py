"""Print one update for people: its facts, or its whole report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hanctl.cli.output import ago, field, hexadecimal, local_time, print_facts, print_table, size, version

_TOLD_APART = {"id", "time", "type", "level", "device", "update", "was", "cause"}
_STAGES = ("ordered", "notified", "transfer_started", "transferred", "released", "activated", "ended")


def facts(update: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of ``update show``."""
    found = [
        ("update", str(update["id"])),
        ("device", update["device"]),
        ("version", f"{version(update['old_version'])} to {version(update['file_version'])}"),
        ("file_sha256", update["file_sha256"]),
        ("manufacturer_image_sha256", update["manufacturer_image_sha256"] or "-"),
        ("activation", _activation(update)),
        *_order(update),
        ("state", update["state"]),
        ("served", f"{size(update['offset'])} of {size(update['size'])}{_pace(update)}"),
    ]
    if update["ended_at"] is None:
        found += [("asked last", ago(update["last_heard"])), ("waits for", update["waits_for"] or "-")]
    found += [(name.replace("_", " "), local_time(update[f"{name}_at"])) for name in _STAGES]
    if update["reason"]:
        found.append(("reason", update["reason"]))
    if update["followed_by"] is not None:
        found.append(("followed by", f"update {update['followed_by']}"))
    return found


def print_report(report: dict[str, Any]) -> None:
    """Print order, image, device, events with causes, notices and evidence."""
    update, device, image = report["update"], report["device"], report["image"]
    print_facts(facts(update))
    if len(report["chain"]) > 1 or update["steps"]:
        ahead = f", then {len(update['steps'])} more" if update["steps"] else ""
        print(f"{'chain':<26} {' to '.join(f'update {number}' for number in report['chain'])}{ahead}")
    print("\nthe device")
    print_facts(
        [
            ("  type", device["device_type"]),
            ("  model", f"{device['manufacturer_name'] or '-'} {device['model'] or '-'}"),
            ("  runs", version(device["current_version"])),
            ("  power", device["power_source"] or "-"),
            ("  heard", ago(device["last_seen"])),
        ]
    )
    print("\nthe image")
    if image is None:
        print("  is not in the store any more")
    else:
        print_facts(
            [
                ("  name", image["name"]),
                ("  manufacturer", hexadecimal(image["manufacturer_code"])),
                ("  image type", hexadecimal(image["image_type"])),
                ("  size", size(image["size"])),
                ("  for running versions", " ".join(map(version, image["requires"])) or "any"),
            ]
        )
    print("\nwhat happened")
    if not any(event["type"] == "update.ordered" for event in report["events"]):
        print("  it is so long ago that the ledger keeps no more of it ([retention])")
    _print_events(report["events"])
    print("\nnotices")
    _print_notices(report["notices"])
    print("\nevidence")
    print(f"  {_evidence(report)}")


def _activation(update: dict[str, Any]) -> str:
    if update["activation"] == "at":
        return f"at {local_time(update['activate_at'])}"
    return str(update["activation"])


def _order(update: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the options of the order that differ from the defaults."""
    found = [
        ("window", update["window"]),
        ("transfer window", update["transfer_window"]),
        ("priority", None if update["priority"] == "normal" else update["priority"]),
        ("requires", " or ".join(map(version, update["requires"]))),
        ("follows", None if update["follows"] is None else f"update {update['follows']}"),
        (
            "allowed",
            ", ".join(
                name
                for name, flag in (
                    ("downgrade", "allow_downgrade"),
                    ("reinstallation", "allow_reinstall"),
                    ("low battery", "ignore_power"),
                )
                if update[flag]
            ),
        ),
    ]
    return [(name, text) for name, text in found if text]


def _pace(update: dict[str, Any]) -> str:
    if update["rate"] is None:
        return ""
    left = "" if not update["seconds_left"] else f", {clock(update['seconds_left'])} left"
    return f", {update['rate']:.0f} bytes/s{left}"


def clock(seconds: float) -> str:
    """Format a length of time as h:mm:ss or m:ss."""
    left = int(seconds)
    return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}" if left >= 3600 else f"{left // 60}:{left % 60:02}"


def _print_events(events: list[dict[str, Any]]) -> None:
    start = datetime.fromisoformat(events[0]["time"]) if events else None
    rows = []
    for event in events:
        assert start is not None
        since = (datetime.fromisoformat(event["time"]) - start).total_seconds()
        rest = [
            f"{name} {field(name, value)}"
            for name, value in event.items()
            if name not in _TOLD_APART and value is not None
        ]
        told = [event["cause"]] if event.get("cause") else []
        if not event["type"].endswith(".notice"):
            told += [", ".join(rest)] if rest else []
        rows.append(
            (local_time(event["time"]), f"+{since:.1f} s", event.get("was", ""), event["type"], "; ".join(told))
        )
    print_table(("time", "after", "was", "event", "cause and facts"), rows, "  nothing")


def _print_notices(notices: list[dict[str, Any]]) -> None:
    rows = []
    for notice in notices:
        event = notice["event"]
        outcome = event.get("outcome", "success")
        codes = [f"{event['alert_code']}, reason {event['reason_code']}"] if "alert_code" in event else []
        codes += [f"result {event['result_code']}"] if "result_code" in event else []
        taken = "-" if notice["delivered_at"] is None else local_time(notice["delivered_at"])
        reason = "" if outcome in ("success", "activated") else event.get("reason") or ""
        rows.append((event["type"], outcome, ", ".join(codes) or "-", reason, taken))
    print_table(("notice", "outcome", "codes", "reason", "webhook took it"), rows, "  none yet")


def _evidence(report: dict[str, Any]) -> str:
    update = report["update"]
    for notice in report["notices"]:
        event = notice["event"]
        if event["type"] == "activation.notice" and event["outcome"] == "activated":
            return f"{version(event['new_version'])}, {event['confirmed_by']}, {local_time(event['confirmed_at'])}"
    if update["state"] == "confirmed":
        return "it was confirmed before hanctl told how"
    return "none: the new version was not seen to run"
