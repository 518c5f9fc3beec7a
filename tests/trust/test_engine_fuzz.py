"""Messages in any order and of any content: no exception, and no key that nobody confirmed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trust_bench import DISPLAY, HUB, issued, published, published_value

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import SUITE_1, SUITE_2
from hanctl.trust.establishment.exchange import Established, Failed, Output, RunJob, Send, Stage
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import EstablishmentCommand, Initiate, encode
from hanctl.trust.jobs import Agreed

OTHER = Eui64("00:db:12:34:56:78:00:a9")


class Watched:
    """A hub's engine whose every output is looked at."""

    def __init__(self, engine: KeyEstablishmentEngine) -> None:
        self.engine = engine
        self.now = 0.0
        self.runs: list[RunJob] = []
        self.sends: list[Send] = []
        self.agreed: dict[Eui64, list[Agreed]] = {}
        self.received: set[bytes] = set()
        self.keys: list[bytes] = []

    def receive(self, partner: Eui64, command: int, payload: bytes, from_server: bool, tsn: int | None) -> None:
        self.received.add(payload)
        self.take(self.engine.receive(partner, command, payload, from_server=from_server, tsn=tsn, now=self.now))

    def run_one(self, index: int) -> None:
        if not self.runs:
            return
        run = self.runs.pop(index % len(self.runs))
        result = run.job()
        if isinstance(result, Agreed):
            self.agreed.setdefault(run.partner, []).append(result)
        self.take(self.engine.finished(run.partner, run.ticket, result, self.now))

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, RunJob):
                self.runs.append(output)
            elif isinstance(output, Send):
                assert len(output.payload) in (4, 16, 22, 37, 52, 78)
                self.sends.append(output)
            elif isinstance(output, Established):
                self.check(output)
            else:
                assert isinstance(output, Failed)
                assert output.detail
        assert self.engine.deadline is None or self.engine.deadline > self.now - 1000

    def check(self, established: Established) -> None:
        assert established.key not in self.keys, "a key is reported once"
        self.keys.append(established.key)
        (agreed,) = (each for each in self.agreed[established.partner] if each.key == established.key)
        assert {agreed.initiator_smac, agreed.responder_smac} & self.received, "the partner has shown that it has it"


def act(hub: Watched, data: st.DataObject, payloads: list[bytes]) -> None:
    """One random thing happens to the hub."""
    partner = data.draw(st.sampled_from([DISPLAY, DISPLAY, DISPLAY, OTHER]))
    action = data.draw(
        st.sampled_from(["message"] * 6 + ["job"] * 4 + ["time", "delivered", "answer", "start", "stop"])
    )
    if action == "message":
        payload = data.draw(st.sampled_from(payloads) | st.binary(max_size=80))
        fitting = {78: 0, 52: 0, 37: 1, 22: 1, 16: 2, 4: 3}.get(len(payload), 0)
        command = data.draw(st.sampled_from([fitting, fitting, fitting, 0, 1, 2, 3, 9]))
        hub.receive(partner, command, payload, data.draw(st.booleans()), data.draw(st.none() | st.integers(0, 255)))
    elif action == "job":
        hub.run_one(data.draw(st.integers(0, 3)))
    elif action == "time":
        hub.now += data.draw(st.floats(0, 40))
        hub.take(hub.engine.tick(hub.now))
    elif action == "delivered" and hub.sends:
        send = data.draw(st.sampled_from(hub.sends))
        hub.take(hub.engine.delivered(send.partner, send.ticket, data.draw(st.booleans()), hub.now))
    elif action == "answer":
        command, success = data.draw(st.integers(0, 4)), data.draw(st.booleans())
        hub.take(hub.engine.default_response(partner, command, success, hub.now))
    elif action == "start":
        try:
            hub.take(hub.engine.start(partner, data.draw(st.sampled_from([SUITE_1, SUITE_2])), hub.now))
        except HanctlError:
            return
    elif action == "stop":
        hub.take(hub.engine.cancel(partner, hub.now))


def genuine_initiate(seconds: int = 3) -> bytes:
    return encode(Initiate(SUITE_2, seconds, seconds, issued(DISPLAY).certificate.raw))


@pytest.mark.timeout(300)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nobody_without_the_private_key_gets_a_key(data: st.DataObject) -> None:
    """All that can be known without it: certificates, proper points, old codes."""
    hub = Watched(KeyEstablishmentEngine([issued(HUB), published(SUITE_1, "V")]))
    payloads = [
        genuine_initiate(),
        genuine_initiate(0),
        encode(Initiate(SUITE_2, 3, 3, issued(HUB).certificate.raw)),
        encode(Initiate(SUITE_1, 3, 3, published_value(SUITE_1, "certU"))),
        *(published_value(SUITE_2, name) for name in ("QeU", "QeV", "QU", "macU", "macV")),
        published_value(SUITE_1, "QeU"),
        b"\x02" + bytes(36),
        b"\x03\x1e\x02\x00",
        bytes(16),
    ]
    for _ in range(data.draw(st.integers(5, 30))):
        act(hub, data, payloads + [send.payload for send in hub.sends[-6:]])
    assert hub.keys == []


@pytest.mark.timeout(300)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_among_any_disturbance_a_key_is_always_one_that_was_confirmed(data: st.DataObject) -> None:
    """A genuine display takes part, whose messages are delivered, repeated, withheld and mixed with others."""
    hub, display = Watched(KeyEstablishmentEngine([issued(HUB)])), Watched(KeyEstablishmentEngine([issued(DISPLAY)]))
    display.take(display.engine.start(HUB, SUITE_2, 0))
    carried = {True: 0, False: 0}
    for _ in range(data.draw(st.integers(8, 40))):
        kind = data.draw(st.sampled_from(["carry"] * 6 + ["repeat"] * 2 + ["disturb"]))
        if kind == "disturb":
            known = [send.payload for side in (hub, display) for send in side.sends] + [bytes(16)]
            act(hub, data, known)
            continue
        carry(hub, display, carried, kind == "repeat" and data.draw(st.integers(0, 5)))
    for key in display.keys:
        assert any(key == agreed.key for agreed in hub.agreed.get(DISPLAY, []))


def carry(hub: Watched, display: Watched, carried: dict[bool, int], back: Any) -> None:
    """Do all jobs, and carry what is next (or again what was ``back`` messages ago) both ways."""
    for side, other, partner in ((display, hub, DISPLAY), (hub, display, HUB)):
        side.run_one(0)
        to_display = side is hub
        wanted = [send for send in side.sends if send.partner in (HUB, DISPLAY)]
        index = carried[to_display] - (back if back is not False else 0)
        if not 0 <= index < len(wanted):
            continue
        send = wanted[index]
        other.now = side.now = max(side.now, other.now)
        other.receive(partner, send.command, send.payload, send.from_server, send.tsn or 5)
        side.take(side.engine.delivered(send.partner, send.ticket, True, side.now))
        if back is False:
            carried[to_display] += 1


def test_undisturbed_the_fuzz_does_get_a_key() -> None:
    """Else the tests above would prove nothing."""
    hub, display = Watched(KeyEstablishmentEngine([issued(HUB)])), Watched(KeyEstablishmentEngine([issued(DISPLAY)]))
    display.take(display.engine.start(HUB, SUITE_2, 0))
    carried = {True: 0, False: 0}
    for _ in range(8):
        carry(hub, display, carried, False)
    assert hub.keys == display.keys != []
    assert hub.engine.stage(DISPLAY) is Stage.ESTABLISHED
    assert [send.command for send in hub.sends] == [
        EstablishmentCommand.INITIATE,
        EstablishmentCommand.EPHEMERAL,
        EstablishmentCommand.CONFIRM,
    ]
