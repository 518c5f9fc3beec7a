"""Two engines on a wire that can be bent, certificates for them, and the published exchanges as credentials."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import SUITE_1, SUITE_2, Suite
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.credentials import Credentials, credentials_of
from hanctl.trust.establishment.exchange import Established, Failed, Output, RunJob, Send
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import Terminate
from hanctl.trust.jobs import JobResult

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "cbke_vectors.json").read_text())
HUB = Eui64("00:0d:6f:00:0a:90:69:e7")
DISPLAY = Eui64("00:db:12:34:56:78:00:a1")
ISSUED_AT = 1_750_000_000


@cache
def authority() -> BenchAuthority:
    return BenchAuthority.create()


@cache
def stranger_authority(same_name: bool) -> BenchAuthority:
    """Another root: with a name of its own, or under the bench's."""
    return BenchAuthority.create(authority().issuer if same_name else None)


@cache
def issued(subject: Eui64) -> Credentials:
    return authority().issue(subject, valid_from=ISSUED_AT)


@cache
def published(suite: Suite, side: str) -> Credentials:
    """Side U or V of the published exchange."""
    values = {name: bytes.fromhex(value) for name, value in VECTORS["se1" if suite is SUITE_1 else "se2"].items()}
    return credentials_of(values[f"cert{side}"], values[f"d{side}"], values["ca"], values[f"Q{side}"])


def published_value(suite: Suite, name: str) -> bytes:
    return bytes.fromhex(VECTORS["se1" if suite is SUITE_1 else "se2"][name])


def always(private: bytes) -> Callable[[int], int]:
    """A source of randomness that makes this the ephemeral private key."""
    return lambda below: int.from_bytes(private, "big") - 1


Tamper = Callable[[Send], Iterable[Send]]


def as_it_is(send: Send) -> Iterable[Send]:
    return (send,)


@dataclass
class Side:
    eui64: Eui64
    engine: KeyEstablishmentEngine
    sent: list[Send] = field(default_factory=list)
    established: list[Established] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    jobs: list[RunJob] = field(default_factory=list)
    tamper: Tamper = as_it_is

    @property
    def terminates(self) -> list[int]:
        return [send.message.status for send in self.sent if isinstance(send.message, Terminate)]

    @property
    def commands(self) -> list[str]:
        return [send.command.name for send in self.sent]

    @property
    def key(self) -> bytes:
        (established,) = self.established
        return established.key


class Wire:
    """A hub and a display. Nothing happens but through ``pump``; jobs run at once unless ``hold_jobs``."""

    def __init__(
        self, hub: KeyEstablishmentEngine, display: KeyEstablishmentEngine, names: tuple[Eui64, Eui64] = (HUB, DISPLAY)
    ):
        self.hub, self.display = Side(names[0], hub), Side(names[1], display)
        self.now = 1000.0
        self.hold_jobs = False
        self.deliver = True
        self._tsn = 0
        self._queue: deque[tuple[Side, Output]] = deque()

    def other(self, side: Side) -> Side:
        return self.display if side is self.hub else self.hub

    def start(self, suite: Suite = SUITE_2) -> None:
        self.put(self.display, self.display.engine.start(self.hub.eui64, suite, self.now))
        self.pump()

    def put(self, side: Side, outputs: Iterable[Output]) -> None:
        self._queue.extend((side, output) for output in outputs)

    def inject(self, side: Side, command: int, payload: bytes, tsn: int = 77, from_server: bool | None = None) -> None:
        """A message to ``side`` out of the blue."""
        server = side is self.display if from_server is None else from_server
        partner = self.other(side).eui64
        self.put(side, side.engine.receive(partner, command, payload, from_server=server, tsn=tsn, now=self.now))
        self.pump()

    def finish_jobs(self, side: Side) -> None:
        """Run what was held, in order."""
        while side.jobs:
            self._finish(side, side.jobs.pop(0))
        self.pump()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for side in (self.hub, self.display):
            self.put(side, side.engine.tick(self.now))
        self.pump()

    def pump(self) -> None:
        while self._queue:
            side, output = self._queue.popleft()
            if isinstance(output, Established):
                side.established.append(output)
            elif isinstance(output, Failed):
                side.failed.append(output)
            elif isinstance(output, RunJob):
                side.jobs.append(output)
                if not self.hold_jobs:
                    self._finish(side, side.jobs.pop(0))
            else:
                self._carry(side, output)

    def _finish(self, side: Side, run: RunJob) -> None:
        result: JobResult = run.job()
        self.put(side, side.engine.finished(run.partner, run.ticket, result, self.now))

    def _carry(self, side: Side, send: Send) -> None:
        side.sent.append(send)
        other = self.other(side)
        if not self.deliver:
            self.put(side, side.engine.delivered(send.partner, send.ticket, False, self.now))
            return
        for each in side.tamper(send):
            if each.tsn is None:
                self._tsn += 1
            tsn = self._tsn if each.tsn is None else each.tsn
            outputs = other.engine.receive(
                side.eui64, each.command, each.payload, from_server=each.from_server, tsn=tsn, now=self.now
            )
            self.put(other, outputs)
        self.put(side, side.engine.delivered(send.partner, send.ticket, True, self.now))


def bench_wire(**hub_options: Any) -> Wire:
    """A hub and a display with certificates of one bench authority."""
    return Wire(KeyEstablishmentEngine([issued(HUB)], **hub_options), KeyEstablishmentEngine([issued(DISPLAY)]))


def published_wire(suite: Suite) -> Wire:
    """The published exchange: V is the hub, which responds."""
    hub, display = published(suite, "V"), published(suite, "U")
    return Wire(
        KeyEstablishmentEngine([hub], below=always(published_value(suite, "eV"))),
        KeyEstablishmentEngine([display], below=always(published_value(suite, "eU"))),
        (hub.subject, display.subject),
    )
