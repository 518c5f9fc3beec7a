"""A bare EZSP host for tests: it shares the ASH codec with the dongle, and bellows' schemas for the commands."""

from __future__ import annotations

import importlib
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bellows.types as t

from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.simulator.dongle import Flash
from hanctl.simulator.ezsp import EzspDongle
from hanctl.simulator.ezsp.ash_frames import FLAG, Ack, Data, Rst, decode, encode
from hanctl.simulator.network.medium import ApsFrame, Link, Medium
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY

DONGLE = parse_eui64("00:0d:6f:00:0a:90:69:e7")
NODE = parse_eui64("00:0d:6f:00:0b:00:00:07")
NETWORK_KEY = bytes(range(16))
BOOT_WAIT_S = 0.1


class TinyNode:
    """A device that joins, and remembers what it gets."""

    def __init__(self, medium: Medium, stack: Stack, eui64: Eui64 = NODE, *, sleepy: bool = False) -> None:
        self.eui64 = eui64
        self.nwk: int | None = None
        self.powered = True
        self.sleepy = sleepy
        self.link = Link()
        self.heard: list[ApsFrame] = []
        self._medium, self._stack = medium, stack
        medium.attach(self)

    def takes(self, frame: ApsFrame) -> bool:
        return frame.readable(self._stack.link_key(self.eui64))

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    def join(self, key: bytes = WELL_KNOWN_KEY) -> bool:
        self.nwk = self._stack.admit(self, key)
        return self.nwk is not None

    def say(self, payload: bytes, *, encrypted: bool = False, endpoint: int = 1, **fields: Any) -> None:
        assert self.nwk is not None
        basis: dict[str, Any] = {"profile": 0x0109, "cluster": 0x0019, "destination": 0} | fields
        frame = ApsFrame(
            self.nwk,
            basis["destination"],
            basis["profile"],
            basis["cluster"],
            1,
            endpoint,
            7,
            payload,
            encrypted=encrypted,
            link_key=self._stack.link_key(self.eui64) if encrypted else None,
        )
        self._medium.to_coordinator(self, frame, lambda _: None)


@dataclass
class Rig:
    """A dongle with its air, without a line."""

    medium: Medium
    stack: Stack
    dongle: EzspDongle


def rig(path: Path | None = None, *, version: int = 13, key_table_size: int = 12) -> Rig:
    """A dongle with power."""
    medium = Medium(random.Random(1))
    stack = Stack(DONGLE, medium, key_table_size=key_table_size)
    dongle = EzspDongle(stack, Flash(path), protocol_version=version)
    dongle.power_on()
    return Rig(medium, stack, dongle)


@dataclass
class BareHost:
    """Speaks ASH and EZSP to a dongle within one process; replies are there when ``call`` returns."""

    dongle: EzspDongle
    version: int = 13
    acknowledges: bool = True
    frames: list[Any] = field(default_factory=list)
    callbacks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sequences: list[tuple[int, bool]] = field(default_factory=list)
    _replies: list[tuple[str, Any]] = field(default_factory=list)
    _number: int = 0
    _expected: int = 0
    _sequence: int = 0
    _buffer: bytes = b""

    def __post_init__(self) -> None:
        commands = importlib.import_module(f"bellows.ezsp.v{self.version}.commands").COMMANDS
        self.commands: dict[str, tuple[int, Any, Any]] = commands
        self._by_id = {identifier: name for name, (identifier, _, _) in commands.items()}
        self.dongle.attach(self._received)

    def reset(self) -> None:
        """Send RST; the dongle answers once it has booted."""
        self._number = self._expected = 0
        self.dongle.data_received(b"\x1a" + encode(Rst()))

    def negotiate(self) -> None:
        self.send_frame(bytes([0, 0, 0, 4]))
        self.call("version", desiredProtocolVersion=self.version)

    def send_frame(self, payload: bytes) -> None:
        """One EZSP frame in one DATA frame."""
        frame = Data(self._number, self._expected, payload)
        self._number = (self._number + 1) % 8
        self.dongle.data_received(encode(frame))

    def call(self, name: str, **arguments: Any) -> Any:
        """The reply's fields, in order; ``invalidCommand`` raises LookupError."""
        identifier, schema, _ = self.commands[name]
        self._sequence = (self._sequence + 1) & 0xFF
        header = bytes([self._sequence, 0, 1]) + identifier.to_bytes(2, "little")
        self._replies.clear()
        self.send_frame(header + t.serialize_dict((), arguments, dict(schema)))  # type: ignore[no-untyped-call]
        (reply,) = self._replies
        if reply[0] != name:
            raise LookupError(reply)
        return reply[1]

    def take_callbacks(self, name: str) -> list[dict[str, Any]]:
        found = [values for n, values in self.callbacks if n == name]
        self.callbacks = [(n, v) for n, v in self.callbacks if n != name]
        return found

    def _received(self, data: bytes) -> None:
        self._buffer += data
        while FLAG in self._buffer:
            stuffed, _, self._buffer = self._buffer.partition(bytes([FLAG]))
            frame = decode(stuffed)
            self.frames.append(frame)
            if isinstance(frame, Data) and frame.number == self._expected:
                self._expected = (self._expected + 1) % 8
                if self.acknowledges:
                    self.dongle.data_received(encode(Ack(self._expected)))
                self._ezsp(frame.payload)

    def _ezsp(self, frame: bytes) -> None:
        callback = frame[1] & 0x18 == 0x10
        self.sequences.append((frame[0], callback))
        if not frame[2]:
            self._replies.append(("version", tuple(frame[3:])))
            return
        name = self._by_id[int.from_bytes(frame[3:5], "little")]
        schema = self.commands[name][2]
        if isinstance(schema, type):
            values, rest = schema.deserialize(frame[5:])  # type: ignore[attr-defined]
        else:
            values, rest = t.deserialize_dict(frame[5:], dict(schema))  # type: ignore[no-untyped-call]
        assert not rest
        if callback:
            self.callbacks.append((name, values))
        else:
            self._replies.append((name, values if isinstance(schema, type) else tuple(values.values())))


def form(host: BareHost) -> None:
    """Form a network as herdsman and bellows do, and register endpoint 1."""
    host.call(
        "addEndpoint",
        endpoint=1,
        profileId=0x0109,
        deviceId=0x0500,
        deviceVersion=0,
        inputClusterCount=1,
        outputClusterCount=1,
        inputClusterList=[0x0019],
        outputClusterList=[0x000A],
    )
    bits = t.EmberInitialSecurityBitmask
    state = t.EmberInitialSecurityState(
        bitmask=bits.HAVE_PRECONFIGURED_KEY | bits.HAVE_NETWORK_KEY | bits.TRUST_CENTER_USES_HASHED_LINK_KEY,
        preconfiguredKey=t.KeyData(bytes(reversed(range(16)))),
        networkKey=t.KeyData(NETWORK_KEY),
        networkKeySequenceNumber=0,
        preconfiguredTrustCenterEui64=t.EUI64(bytes(8)),
    )
    host.call("setInitialSecurityState", state=state)
    parameters = t.EmberNetworkParameters(
        extendedPanId=t.ExtendedPanId(bytes(range(1, 9))),
        panId=0x1A62,
        radioTxPower=8,
        radioChannel=15,
        joinMethod=t.EmberJoinMethod.USE_MAC_ASSOCIATION,
        nwkManagerId=0,
        nwkUpdateId=0,
        channels=t.Channels.ALL_CHANNELS,
    )
    (status,) = host.call("formNetwork", parameters=parameters)
    assert status == 0
