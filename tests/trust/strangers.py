"""Those who speak in another's name: with the network's key alone (NK), or with a link key of their own (K)."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from dongle_lab import Lab, address

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.hub.daemon import Daemon
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.network.frames import ApsFrame, Link

SMART_ENERGY = 0x0109
CLUSTERS = (0x0000, 0x000A, 0x0019, 0x0025, 0x0700, 0x0702, 0x0703, 0x0705, 0x0707, 0x0708, 0x0709, 0x0800)
WELL_KNOWN = b"ZigBeeAlliance09"


class Stranger:
    """A node that joined nothing. It has the network's key, hears what is in clear, and sends what it likes."""

    sleepy = False

    def __init__(self, lab: Lab, eui64: str = "66:66:66:66:66:66:66:66", nwk: int | None = 0x6666) -> None:
        self.eui64 = Eui64(eui64)
        self.nwk = nwk
        self.powered = True
        self.link = Link(0.004, 0.0)
        self.heard: list[ApsFrame] = []
        self.answer: Callable[[ApsFrame], None] = lambda _: None
        self._medium = lab.world.medium
        self._counter = 0
        self._medium.attach(self)

    def takes(self, frame: ApsFrame) -> bool:
        return not frame.encrypted

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)
        self.answer(frame)

    def say(self, cluster: int, payload: bytes, **different: Any) -> None:
        """Send a frame in clear, or as ``different`` says."""
        self._counter = (self._counter + 1) & 0xFF
        speak(self, cluster, payload, counter=self._counter, **different)


def speak(
    node: Any,
    cluster: int,
    payload: bytes,
    *,
    counter: int,
    source: int | None = None,
    destination: int = 0,
    profile: int = SMART_ENERGY,
    ends: tuple[int, int] = (1, 1),
    key: bytes | None = None,
    **more: Any,
) -> None:
    """Put a frame on the air, under any source address; encrypted where a key is given."""
    medium = node._medium if isinstance(node, Stranger) else node.medium
    frame = ApsFrame(
        node.nwk if source is None else source,
        destination,
        profile,
        cluster,
        *ends,
        counter,
        payload,
        encrypted=key is not None,
        link_key=key,
        **more,
    )
    medium.to_coordinator(node, frame, lambda _: None)


def zdo(cluster: int) -> dict[str, Any]:
    """How a frame of ZDO goes."""
    return {"profile": 0, "ends": (0, 0), "destination": 0xFFFD if cluster == 0x0013 else 0}


def announcement(eui64: Eui64, nwk: int, capability: int = 0x8E) -> bytes:
    return b"\x01" + struct.pack("<H", nwk) + to_bytes(eui64) + bytes([capability])


def address_response(tsn: int, eui64: Eui64, nwk: int) -> bytes:
    return bytes([tsn, 0]) + to_bytes(eui64) + struct.pack("<H", nwk)


def command(
    number: int, payload: bytes = b"", *, tsn: int = 1, specific: bool = True, from_server: bool = False
) -> bytes:
    return bytes([specific | 0x08 * from_server, tsn, number]) + payload


class Noise:
    """Random frames in other devices' names: of every cluster that matters, with what attackers would put in them.

    ``victims`` are spoken for; ``keyed`` speaks too, under its own key.
    """

    def __init__(self, lab: Lab, seed: int, victims: list[SimulatedDevice], keyed: SimulatedDevice) -> None:
        self.random = random.Random(seed)
        self.stranger = Stranger(lab)
        self.victims = victims
        self.keyed = keyed

    def one(self) -> None:
        """Say one thing."""
        rng = self.random
        victim = rng.choice(self.victims)
        at = victim.nwk or 0x1234
        kind = rng.randrange(10)
        source = rng.choice([at, at, at, self.keyed.nwk or 1, rng.randrange(1, 0xFFF8)])
        if kind == 0:
            nwk = rng.choice([at, self.keyed.nwk or 1, 0x6666, rng.randrange(0x10000), 0, 0xFFFD])
            self._clear(0x0013, announcement(victim.eui64, nwk), source=rng.choice([nwk, source]), **zdo(0x0013))
        elif kind == 1:
            cluster = rng.choice([0x8000, 0x8001])
            nwk = rng.choice([0x6666, self.keyed.nwk or 1, rng.randrange(1, 0xFFF8)])
            payload = address_response(rng.randrange(256), victim.eui64, nwk)
            self._clear(cluster, payload, source=rng.choice([nwk, source]), **zdo(cluster))
        elif kind == 2:
            self._clear(rng.choice(CLUSTERS), self._payload(), source=source, ends=(1, rng.choice([1, 2, 255])))
        elif kind == 3:
            # A Default Response: to what it was told, or to anything.
            body = bytes([rng.choice([0, 1, 2, 3, 5, 7, 9]), rng.choice([0, 1, 0x7E, 0x85, 0x87, 0x89])])
            payload = command(0x0B, body, tsn=rng.randrange(256), specific=False)
            self._either(rng.choice(CLUSTERS), payload, source)
        elif kind == 4:
            event = struct.pack("<BHIBB", 0, 0x06C0 + rng.randrange(8), rng.choice([0, rng.randrange(1 << 32)]), 0, 0)
            self._either(
                0x0709, command(0, event, tsn=rng.randrange(256), from_server=True), source, rng.choice([1, 2])
            )
        elif kind in (5, 6):
            self._either(0x0019, self._ota(), source)
        elif kind == 7:
            # A response to a read that may be waited for.
            attributes = struct.pack("<HBBI", 0x0002, 0, 0x23, rng.choice([1, 2, 3])) + struct.pack(
                "<HBBB", 6, 0, 0x30, 0
            )
            self._either(
                rng.choice([0x0019, 0x0000]), command(1, attributes, tsn=rng.randrange(256), specific=False), source
            )
        elif kind == 8:
            self._encrypted(rng.choice(CLUSTERS), self._payload(), source, rng.choice([1, 2]))
        else:
            writes = struct.pack("<HB", rng.randrange(0x300), 0x20) + b"\x00" + rng.randbytes(rng.randrange(8))
            reporting = struct.pack("<BHBHH", 0, 0x0000, 0x25, 1, rng.choice([5, 0xFFFF])) + bytes(6)
            choice = rng.choice([(2, writes), (3, writes), (5, writes), (6, reporting), (6, reporting)])
            payload = command(choice[0], choice[1], tsn=rng.randrange(256), specific=False)
            self._either(rng.choice([0x0702, 0x0700, 0x0705, 0x0708]), payload, source, rng.choice([1, 2]))

    def _payload(self) -> bytes:
        rng = self.random
        body = rng.choice([b"", b"\x00" * 4, rng.randbytes(rng.randrange(40))])
        return command(
            rng.randrange(16), body, tsn=rng.randrange(256), specific=rng.random() < 0.6, from_server=rng.random() < 0.4
        )

    def _ota(self) -> bytes:
        rng = self.random
        image = struct.pack("<HHI", 0x1234, 1, rng.choice([1, 2, 2, 2, 3]))
        number, body = rng.choice(
            [
                (1, b"\x00" + image),
                (3, b"\x00" + image + struct.pack("<IB", rng.choice([0, rng.randrange(6000), 5990]), 50)),
                (4, b"\x00" + image + struct.pack("<IBHH", rng.randrange(6000), 50, 500, 0)),
                (6, bytes([rng.choice([0, 0, 0x95, 0x96, 0x99])]) + image),
            ]
        )
        return command(number, body, tsn=rng.randrange(256))

    def _either(self, cluster: int, payload: bytes, source: int, endpoint: int = 1) -> None:
        if self.random.random() < 0.5:
            self._clear(cluster, payload, source=source, ends=(1, endpoint))
        else:
            self._encrypted(cluster, payload, source, endpoint)

    def _clear(self, cluster: int, payload: bytes, **how: Any) -> None:
        self.stranger.say(cluster, payload, **how)

    def _encrypted(self, cluster: int, payload: bytes, source: int, endpoint: int = 1) -> None:
        """Under the key of the one that has one; or under the one that every Zigbee device knows."""
        rng, counter = self.random, self.random.randrange(256)
        if rng.random() < 0.1:
            speak(self.stranger, cluster, payload, counter=counter, source=source, ends=(1, endpoint), key=WELL_KNOWN)
        else:
            key = self.keyed.link_key
            extended = rng.choice([None, True, False])
            speak(
                self.keyed,
                cluster,
                payload,
                counter=counter,
                source=source,
                ends=(1, endpoint),
                key=key,
                extended_nonce=extended,
            )


def standing(hub: Daemon, number: int) -> dict[str, Any]:
    """All that the hub has of a device, but when it was last heard and what it waits for."""
    device = hub.ledger.devices.get(address(number))
    assert device is not None
    fields = {name: getattr(device, name) for name in device.__slots__ if name not in {"last_seen"}}
    updates = [
        {name: getattr(update, name) for name in update.__slots__}
        for update in hub.ledger.updates.all(device=device.eui64)
    ]
    evidence = [
        (each.change, each.kind, each.fuel, each.what, each.status)
        for change in hub.ledger.changes.all()
        for each in hub.ledger.changes.evidence(change.id, device.eui64)
        if each.proof not in {"address", "hub"}
    ]
    verdicts = [
        hub.tenancy.records.judge(change.id, device.eui64).verdict
        for change in hub.ledger.changes.all()
        if change.done_at
    ]
    reporting = hub.ledger.reporting.all(device.eui64)
    return {"device": fields, "updates": updates, "evidence": evidence, "verdicts": verdicts, "reporting": reporting}
