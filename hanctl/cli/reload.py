"""``hanctl reload``."""

from __future__ import annotations

from hanctl.cli.options import ConfigFile, Json, Socket, connect, examples
from hanctl.cli.output import print_json

EPILOG = examples("hanctl reload", "systemctl reload hanctl")


def reload(socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Make the hub read its configuration again, without leaving its network.

    If the new configuration is not valid, the old one stays in force. Keys that need a restart are listed.
    """
    outcome = connect(socket, config).post("/reload")
    if json:
        print_json(outcome)
        return
    for key in outcome["applied"]:
        print(f"{key}: in force now")
    for key in outcome["restart"]:
        print(f"{key}: changed, but not in force before the hub is started anew")
    if not outcome["applied"] and not outcome["restart"]:
        print("nothing has changed")
