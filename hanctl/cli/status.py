"""``hanctl status``."""

from __future__ import annotations

from typing import Any

from hanctl.cli.options import ConfigFile, Json, Socket, connect, examples
from hanctl.cli.output import ago, hexadecimal, local_time, print_facts, print_json

EPILOG = examples("hanctl status", "hanctl status --json | jq .dongle.state")


def status(socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show the state of the hub: dongle, network, devices and open updates."""
    found = connect(socket, config).get("/status")
    if json:
        print_json(found)
        return
    dongle, network = found["dongle"], found["network"]
    facts = [
        ("hanctl", f"{found['version']}, process {found['pid']}, started {ago(found['started_at'])}"),
        ("dongle", f"{dongle['radio']} on {dongle['path']}: {dongle['state']}"),
    ]
    if network is not None:
        facts += [
            ("", f"{dongle['eui64']}, firmware {dongle['firmware']}"),
            (
                "network",
                f"channel {network['channel']}, PAN {hexadecimal(network['pan_id'])}, {network['extended_pan_id']}",
            ),
        ]
    facts += [("trust", _trust(found["trust"]))]
    facts += [("open to", f"{join['eui64']}, for {join['seconds']:.0f} s more") for join in found["joins"]]
    facts += [
        ("devices", f"{found['devices']} on the network"),
        ("updates", f"{found['open_updates']} open"),
        ("notices", f"{found['pending_notices']} waiting for the webhook"),
        ("state", found["state_dir"] + _full(found["ledger_full_since"])),
        ("firmware", found["firmware_store"]),
    ]
    print_facts(facts)


def _full(since: str | None) -> str:
    return "" if since is None else f", whose disk is full since {local_time(since)}: updates wait until there is room"


def _trust(trust: dict[str, Any]) -> str:
    if not trust["certificates"]:
        return "no certificate: devices keep the keys of their install codes"
    suites = " and ".join(str(each["suite"]) for each in trust["certificates"])
    capacity = "" if trust["key_capacity"] is None else f" of {trust['key_capacity']}"
    required = "required" if trust["keys_required"] else "not required"
    return f"certificate of suite {suites}; keys are {required}; {trust['keyed_devices']}{capacity} devices have one"
