"""A whole hub in virtual time over a radio that delivers to displays which have an engine of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from trust_bench import HUB, issued

from hanctl.base import virtual
from hanctl.base.clock import LoopClock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.config.sections import Config
from hanctl.hub.daemon import Daemon
from hanctl.ledger.ledger import Recorded
from hanctl.model.records import Device
from hanctl.radio.errors import DeliveryFailed, DongleGone, KeyTableFull
from hanctl.radio.frames import IncomingFrame, NetworkState, OutgoingFrame, RadioListener
from hanctl.trust.credentials import Credentials, save_credentials
from hanctl.trust.establishment.exchange import Established, Failed, Output, RunJob, Send
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine

CODE = "83FED3407A939723A5C639B26916D505C3B5"
SUITE_2 = 0x0002


@dataclass
class Display:
    """A device that answers the interview, and whose engine is the initiator. ``mutes``: commands it never sends."""

    radio: Radio
    credentials: Credentials
    nwk: int
    mutes: frozenset[int] = frozenset()
    flaws: Callable[[Send], bytes] = lambda send: send.payload
    key: bytes | None = None
    failures: list[Failed] = field(default_factory=list)
    heard: list[OutgoingFrame] = field(default_factory=list)
    answers_in_cipher: bool = True
    _tsn: int = 0

    def __post_init__(self) -> None:
        self.engine = KeyEstablishmentEngine([self.credentials])
        self.radio.displays[self.nwk] = self

    @property
    def eui64(self) -> Eui64:
        return self.credentials.subject

    def join(self) -> None:
        listener = self.radio.listening
        listener.device_joined(self.eui64, self.nwk)
        announce = b"\x01" + self.nwk.to_bytes(2, "little") + to_bytes(self.eui64) + b"\x8e"
        self.say(0x0013, announce, endpoint=0, broadcast=True)

    def ask_for_a_key(self) -> None:
        self.carry_out(self.engine.start(HUB, self.credentials.suite, self.now))

    def carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(command=command, from_server=from_server, tsn=tsn) if command not in self.mutes:
                    self._tsn += 1
                    head = bytes((0x01 | 0x08 * from_server, self._tsn if tsn is None else tsn, command))
                    self.say(0x0800, head + self.flaws(output))
                    self.carry_out(self.engine.delivered(HUB, output.ticket, True, self.now))
                case RunJob(ticket=ticket, job=job):
                    self.carry_out(self.engine.finished(HUB, ticket, job(), self.now))
                case Established(key=key):
                    self.key = key
                case Failed():
                    self.failures.append(output)

    def say(
        self, cluster: int, payload: bytes, *, endpoint: int = 1, encrypted: bool = False, broadcast: bool = False
    ) -> None:
        self.radio.listening.frame_received(
            IncomingFrame(
                source_nwk=self.nwk,
                source_endpoint=endpoint,
                destination_endpoint=endpoint,
                profile=0x0109 if endpoint else 0x0000,
                cluster=cluster,
                payload=payload,
                aps_counter=0,
                aps_encrypted=encrypted,
                broadcast=broadcast,
            )
        )

    def hear(self, frame: OutgoingFrame) -> None:
        self.heard.append(frame)
        if frame.cluster == 0x0800 and frame.payload[0] & 0x01:
            received = self.engine.receive(
                HUB, frame.payload[2], frame.payload[3:], from_server=True, tsn=frame.payload[1], now=self.now
            )
            self.carry_out(received)
        elif frame.aps_encrypted and not self.answers_in_cipher:
            return
        elif (answer := self._answer(frame)) is not None:
            cluster, payload = answer
            endpoint = 1 if frame.destination_endpoint else 0
            self.say(cluster, payload, endpoint=endpoint, encrypted=frame.aps_encrypted)

    def _answer(self, frame: OutgoingFrame) -> tuple[int, bytes] | None:
        head = frame.payload[:1] + b"\x00"
        nwk = self.nwk.to_bytes(2, "little")
        match frame.destination_endpoint, frame.cluster:
            case 0, 0x0001:
                return 0x8001, head + to_bytes(self.eui64) + nwk
            case 0, 0x0002:
                return 0x8002, head + nwk + bytes.fromhex("01 40 8e 5f11 52 5200 002c 5200 00")
            case 0, 0x0005:
                return 0x8005, head + nwk + b"\x01\x01"
            case 0, 0x0004:
                body = bytes.fromhex("01 0901 0205 01 01 0000 02 1900 0008")
                return 0x8004, head + nwk + bytes((len(body),)) + body
            case 1, 0x0000 | 0x0019 if frame.payload[2] == 0x00:
                control = 0x18 ^ (frame.payload[0] & 0x08)
                # It has none of the attributes, and says so id by id.
                asked = (frame.payload[at : at + 2] for at in range(3, len(frame.payload), 2))
                return frame.cluster, bytes((control, frame.payload[1], 0x01)) + b"".join(
                    each + b"\x86" for each in asked
                )
        return None

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()


class Radio:
    """Implements hanctl's Radio."""

    def __init__(self, capacity: int = 12) -> None:
        self.capacity = capacity
        self.listener: RadioListener | None = None
        self.displays: dict[int, Display] = {}
        self.keys: dict[Eui64, bytes] = {}
        self.gone = False
        self.left: list[Eui64] = []
        self.sent: list[OutgoingFrame] = []
        self.posts: set[asyncio.Future[None]] = set()
        self.opened: list[Eui64] = []
        self.backups = 0
        self.refuses_keys = False

    @property
    def listening(self) -> RadioListener:
        assert self.listener is not None
        return self.listener

    async def start(self, listener: RadioListener) -> NetworkState:
        self.listener, self.gone = listener, False
        return NetworkState(HUB, "ezsp", "none", 15, 0x1A62, "aa" * 8, False, self.capacity)

    async def stop(self) -> None: ...

    async def send(self, frame: OutgoingFrame) -> None:
        self._check()
        self.sent.append(frame)
        display = self.displays.get(frame.destination_nwk)
        if display is None:
            raise DeliveryFailed("nobody there")
        await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_soon(display.hear, frame)

    def post(self, frame: OutgoingFrame) -> None:
        task = asyncio.ensure_future(self._posted(frame))
        self.posts.add(task)
        task.add_done_callback(self.posts.discard)

    async def _posted(self, frame: OutgoingFrame) -> None:
        with suppress(HanctlError):
            await self.send(frame)

    async def address_of(self, eui64: Eui64) -> int | None:
        return next((nwk for nwk, each in self.displays.items() if each.eui64 == eui64), None)

    async def repair_address(self, eui64: Eui64, nwk: int) -> None: ...

    async def key_counter(self, eui64: Eui64) -> int | None:
        return None

    def backlog(self) -> float:
        return 0.0

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        self._check()
        self.opened.append(eui64)

    async def close_join(self) -> None: ...

    async def remove(self, eui64: Eui64, nwk: int) -> None:
        self._check()
        self.left.append(eui64)

    async def install_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> None:
        self._check()
        if self.refuses_keys or (eui64 not in self.keys and len(self.keys) >= self.capacity):
            raise KeyTableFull("the dongle's table of link keys is full")
        self.keys[eui64] = key

    async def remove_link_key(self, eui64: Eui64) -> None:
        self._check()
        self.keys.pop(eui64, None)

    async def backup(self) -> dict[str, Any]:
        self._check()
        self.backups += 1
        return {
            "devices": [
                {"ieee_address": each.replace(":", ""), "link_key": {"key": key.hex()}}
                for each, key in self.keys.items()
            ]
        }

    def lose(self) -> None:
        self.gone = True
        self.listening.dongle_lost("pulled")

    def _check(self) -> None:
        if self.gone:
            raise DongleGone("pulled")


class HubBench:
    def __init__(self, directory: Path, radio: Radio, trust: dict[str, Any]) -> None:
        self.radio = radio
        self.directory = directory
        save_credentials(directory / "hub.json", issued(HUB))
        self.clock = LoopClock(asyncio.get_running_loop(), datetime(2026, 7, 1, tzinfo=UTC))
        self.config = Config.model_validate(
            {
                "hub": {"state_dir": str(directory / "state"), "socket": str(directory / "socket")},
                "dongle": {"path": "/dev/none", "radio": "ezsp"},
                "trust": {"certificate": str(directory / "hub.json")} | trust,
            }
        )
        self.hub = self._new_hub()

    def _new_hub(self) -> Daemon:
        return Daemon(self.config, self.clock, lambda _: self.radio, serve=False)

    async def restart(self) -> None:
        await self.hub.stop("restarting")
        self.hub = self._new_hub()
        await self.hub.start()

    async def display(self, number: int = 1, *, credentials: Credentials | None = None, **options: Any) -> Display:
        """A display on the network, with whom no key is established yet."""
        own = credentials or issued(Eui64(f"00:db:12:34:56:78:00:{number:02x}"))
        display = Display(self.radio, own, 0x1000 + number, **options)
        await self.hub.join(display.eui64, CODE)
        display.join()
        return display

    def device(self, eui64: Eui64) -> Device:
        found = self.hub.ledger.devices.get(eui64)
        assert found is not None
        return found

    def events(self, kind: str) -> list[Any]:
        recorded: list[Recorded] = self.hub.ledger.events(type=kind)
        return [each.event for each in recorded]


def on_a_hub(
    capacity: int = 12, **trust: Any
) -> Callable[[Callable[[HubBench], Coroutine[Any, Any, None]]], Callable[[Path], None]]:
    """Run a test of a started hub in virtual time."""

    def decorate(test: Callable[[HubBench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
        async def started(directory: Path) -> None:
            bench = HubBench(directory, Radio(capacity), trust)
            await bench.hub.start()
            try:
                await test(bench)
            finally:
                await bench.hub.stop("the test is over")

        @wraps(test)
        def run(tmp_path: Path) -> None:
            virtual.run(started(tmp_path))

        del run.__wrapped__
        return run

    return decorate
