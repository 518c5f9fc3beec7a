"""Reads what an OTA server says."""

from __future__ import annotations

from typing import Any

from hanctl.han.smart_energy.ota_upgrade import OtaUpgrade

RESPONSES: dict[int, Any] = {int(each.id): each.schema for each in OtaUpgrade.ClientCommandDefs}


def decode_response(command: int, payload: bytes) -> Any:
    """The frame of a server's command; ``payload`` excludes the ZCL header."""
    frame, rest = RESPONSES[command].deserialize(payload)
    assert rest == b""
    return frame
