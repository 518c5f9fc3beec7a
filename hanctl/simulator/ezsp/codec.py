"""EZSP frames over bellows' command schemas, seen from the dongle: commands are parsed, replies and callbacks written.

Field names differ between protocol versions for the same thing; the dongle uses the names of version 13.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hanctl.base.errors import HanctlError
from hanctl.simulator.dongle import SimulatorError
from hanctl.simulator.ezsp.status import Outcome

PROTOCOL_VERSIONS = (13, 14, 16, 17, 18, 19)

RESPONSE = 0x80
# Bits 3 and 4 of the frame control say that the frame is an asynchronous callback.
CALLBACK = 0x90
EXTENDED = 0x01

_NAMES = {
    "message_type": "type",
    "aps_frame": "apsFrame",
    "message_tag": "messageTag",
    "message": "messageContents",
    "nwk": "indexOrDestination",
    "binding_index": "bindingIndex",
    "address_index": "addressIndex",
    "lqi": "lastHopLqi",
    "rssi": "lastHopRssi",
    "hops": "radius",
}
_NAMES_BY_FRAME = {
    ("incomingMessageHandler", "nwk"): "sender",
    ("getAddressTableInfo", "nwk"): "nodeId",
    ("setAddressTableInfo", "nwk"): "nodeId",
}

# Hosts differ on these last arguments: bellows sends them, zigbee-herdsman does not (or only to old versions).
_OPTIONAL = {("importTransientKey", "flags"): b"\0", ("leaveNetwork", "options"): b"\0"}


class FrameError(HanctlError):
    """A frame from the host that is no EZSP command. ``answer`` goes into an invalidCommand reply."""

    code = "ezsp-frame"

    def __init__(self, message: str, *, answer: Outcome, sequence: int = 0, name: str = "") -> None:
        super().__init__(message, "check which protocol version the host speaks")
        self.answer = answer
        self.sequence = sequence
        self.name = name


@dataclass(frozen=True, slots=True)
class HostCommand:
    """A command from the host, its arguments under their version 13 names."""

    sequence: int
    name: str
    arguments: Mapping[str, Any]
    legacy: bool = False


class Codec:
    """Codec of the frames of one protocol version. Raises SimulatorError for a version that is not spoken."""

    def __init__(self, version: int) -> None:
        if version not in PROTOCOL_VERSIONS:
            raise SimulatorError(
                f"EZSP protocol version {version} is not spoken",
                f"choose one of {', '.join(map(str, PROTOCOL_VERSIONS))}",
            )
        self.version = version
        module = importlib.import_module(f"bellows.ezsp.v{version}.commands")
        self._commands: dict[str, tuple[int, Any, Any]] = module.COMMANDS
        self._by_id = {identifier: name for name, (identifier, _, _) in self._commands.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._commands

    def decode(self, frame: bytes) -> HostCommand:
        """Parse a command. Raises FrameError."""
        if len(frame) < 3:
            raise FrameError(f"frame too short: {frame.hex()}", answer=Outcome.TRUNCATED)
        sequence = frame[0]
        if not frame[2] & 0x03:
            # Before the version is agreed on the header has three bytes: sequence, control, identifier.
            if frame[2] != 0 or len(frame) != 4:
                raise FrameError(
                    f"not a version command: {frame.hex()}", answer=Outcome.VERSION_NOT_SET, sequence=sequence
                )
            return HostCommand(sequence, "version", {"desiredProtocolVersion": frame[3]}, legacy=True)
        if len(frame) < 5:
            raise FrameError(f"frame too short: {frame.hex()}", answer=Outcome.TRUNCATED, sequence=sequence)
        if frame[1] & RESPONSE:
            raise FrameError(f"a response from the host: {frame.hex()}", answer=Outcome.FRAME_ID, sequence=sequence)
        (identifier,) = struct.unpack_from("<H", frame, 3)
        name = self._by_id.get(identifier)
        if name is None or name.endswith("Handler"):
            raise FrameError(
                f"unknown command 0x{identifier:04x}: {frame.hex()}", answer=Outcome.FRAME_ID, sequence=sequence
            )
        return HostCommand(sequence, name, self._arguments(name, frame, sequence))

    def _arguments(self, name: str, frame: bytes, sequence: int) -> Mapping[str, Any]:
        schema: Any = self._commands[name][1]
        rest = frame[5:]
        values: dict[str, Any] = {}
        try:
            for key, kind in dict(schema).items():
                values[_name(name, key)], rest = kind.deserialize(rest or _OPTIONAL.get((name, key), b""))
        except (ValueError, TypeError, IndexError) as error:
            raise FrameError(
                f"{name} is malformed: {frame.hex()}: {error}", answer=Outcome.TRUNCATED, sequence=sequence, name=name
            ) from error
        if rest:
            raise FrameError(
                f"{name} is {len(rest)} bytes too long: {frame.hex()}",
                answer=Outcome.TRUNCATED,
                sequence=sequence,
                name=name,
            )
        return values

    def reply(self, command: HostCommand, values: Mapping[str, Any], *, name: str | None = None) -> bytes:
        """Return the reply to a command; ``name`` where the reply is another frame (noCallbacks)."""
        if command.legacy:
            return bytes([command.sequence, RESPONSE, 0]) + self._values("version", values)
        return self._frame(command.sequence, RESPONSE, name or command.name, values)

    def refusal(self, sequence: int, answer: Outcome) -> bytes:
        """Return an invalidCommand reply."""
        return self._frame(sequence, RESPONSE, "invalidCommand", {"status": answer})

    def callback(self, sequence: int, name: str, values: Mapping[str, Any]) -> bytes:
        """Return a callback. ``sequence``: that of the last answered command (source: peers.md §3.1 requirement 2)."""
        return self._frame(sequence, CALLBACK, name, values)

    def _frame(self, sequence: int, control: int, name: str, values: Mapping[str, Any]) -> bytes:
        identifier = self._commands[name][0]
        return bytes([sequence, control, EXTENDED]) + struct.pack("<H", identifier) + self._values(name, values)

    def _values(self, name: str, values: Mapping[str, Any]) -> bytes:
        schema = self._commands[name][2]
        if isinstance(schema, type):
            fields = {f.name: f.type for f in schema.fields}  # type: ignore[attr-defined]
            present = {f: _as(kind, values[f]) for f, kind in fields.items() if f in values}
            return schema(**present).serialize()  # type: ignore[no-any-return]
        return b"".join(_as(kind, values[_name(name, key)]).serialize() for key, kind in dict(schema).items())


def _name(frame: str, key: str) -> str:
    return _NAMES_BY_FRAME.get((frame, key), _NAMES.get(key, key))


def _as(kind: Any, value: Any) -> Any:
    if isinstance(value, Outcome):
        return value.as_type(kind)
    return value if isinstance(value, kind) else kind(value)
