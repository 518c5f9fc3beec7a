"""The exchange, from both ends: as published, and with wrong certificates, points and codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from trust_bench import (
    DISPLAY,
    HUB,
    ISSUED_AT,
    Wire,
    authority,
    bench_wire,
    issued,
    published,
    published_value,
    published_wire,
    stranger_authority,
)

from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import SUITE_1, SUITE_2, SUITES, Suite
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.exchange import Failed, Reason, Role, Send, Stage
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import (
    Confirm,
    Ephemeral,
    EstablishmentCommand,
    Initiate,
    Terminate,
    TerminateStatus,
)
from hanctl.trust.jobs import Refusal

BAD_MESSAGE = TerminateStatus.BAD_MESSAGE
FLOW = ["INITIATE", "EPHEMERAL", "CONFIRM"]


def failure(failed: list[Failed]) -> Failed:
    (only,) = failed
    return only


def own_certificate(credentials: Credentials, display: Eui64 = DISPLAY) -> Wire:
    """A display with these credentials, on air as ``display``."""
    return Wire(KeyEstablishmentEngine([issued(HUB)]), KeyEstablishmentEngine([credentials]), (HUB, display))


def forged(credentials: Credentials, **changes: int) -> Credentials:
    """Credentials whose certificate has bytes changed, as credentials_of would refuse them."""
    raw = bytearray(credentials.certificate.raw)
    for name, value in changes.items():
        raw[int(name[1:])] = value
    return replace(credentials, certificate=replace(credentials.certificate, raw=bytes(raw)))


class TestAsPublished:
    @pytest.mark.parametrize("suite", SUITES, ids=str)
    def test_both_sides_send_the_published_values_and_get_the_published_key(self, suite: Suite) -> None:
        wire = published_wire(suite)
        wire.start(suite)
        for side, name in ((wire.display, "U"), (wire.hub, "V")):
            initiate, ephemeral, confirm = (send.message for send in side.sent)
            assert isinstance(initiate, Initiate)
            assert initiate.certificate == published_value(suite, f"cert{name}")
            assert ephemeral == Ephemeral(published_value(suite, f"Qe{name}"))
            assert confirm == Confirm(published_value(suite, f"mac{name}"))
            assert side.key == published_value(suite, "key_data")
            assert not side.failed

    @pytest.mark.parametrize("suite", SUITES, ids=str)
    def test_the_hub_can_initiate_too(self, suite: Suite) -> None:
        wire = Wire(
            KeyEstablishmentEngine([published(suite, "V")]),
            KeyEstablishmentEngine([published(suite, "U")]),
            (published(suite, "V").subject, published(suite, "U").subject),
        )
        wire.put(wire.hub, wire.hub.engine.start(wire.display.eui64, suite, wire.now))
        wire.pump()
        assert wire.hub.key == wire.display.key != published_value(suite, "key_data")
        assert [send.from_server for send in wire.hub.sent] == [False] * 3
        assert (wire.hub.established[0].role, wire.display.established[0].role) == (Role.INITIATOR, Role.RESPONDER)

    def test_answers_carry_their_requests_sequence_number(self) -> None:
        wire = bench_wire()
        wire.start()
        assert [send.tsn for send in wire.hub.sent] == [1, 2, 3]
        assert [send.tsn for send in wire.display.sent] == [None] * 3

    def test_every_exchange_has_a_key_of_its_own(self) -> None:
        keys, ephemerals = set(), set()
        wire = bench_wire()
        for _ in range(3):
            wire.start()
            wire.pass_time(6)
            keys.add(wire.hub.established[-1].key)
            ephemerals |= {send.payload for send in wire.hub.sent if send.command is EstablishmentCommand.EPHEMERAL}
        assert len(keys) == len(ephemerals) == 3
        assert wire.hub.engine.deadline is None

    def test_nothing_secret_is_shown(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        wire.finish_jobs(wire.hub)
        wire.finish_jobs(wire.display)
        run = wire.hub.jobs[0]
        result = run.job()
        wire.hold_jobs = False
        wire.finish_jobs(wire.hub)
        shown = repr([run, result, run.job, wire.hub.sent, wire.hub.established, issued(HUB), issued(DISPLAY)])
        for secret in (wire.hub.key, *(c.private_key.to_bytes(36, "big") for c in (issued(HUB), issued(DISPLAY)))):
            assert secret.hex() not in shown
            assert repr(secret) not in shown
            assert str(int.from_bytes(secret, "big")) not in shown


class TestCertificates:
    def test_another_root_with_its_own_name(self) -> None:
        wire = own_certificate(stranger_authority(False).issue(DISPLAY, valid_from=ISSUED_AT))
        wire.start()
        assert wire.hub.terminates == [TerminateStatus.UNKNOWN_ISSUER]
        assert failure(wire.hub.failed).stage is Stage.STARTED
        wire.pass_time(10)
        assert failure(wire.display.failed).status == TerminateStatus.UNKNOWN_ISSUER
        assert stranger_authority(False).issuer in failure(wire.hub.failed).detail

    def test_another_root_under_the_same_name_shows_at_the_confirmation(self) -> None:
        wire = own_certificate(stranger_authority(True).issue(DISPLAY, valid_from=ISSUED_AT))
        wire.start()
        assert wire.hub.terminates == [TerminateStatus.BAD_KEY_CONFIRM]
        assert failure(wire.hub.failed).stage is Stage.AGREED
        assert failure(wire.hub.failed).reason is Reason.REFUSED
        wire.pass_time(13)
        assert failure(wire.display.failed).reason is Reason.TERMINATED
        assert not wire.hub.established and not wire.display.established

    def test_anothers_certificate(self) -> None:
        wire = own_certificate(issued(Eui64("00:db:12:34:56:78:00:a2")))
        wire.start()
        assert wire.hub.terminates == [BAD_MESSAGE]
        assert "00:db:12:34:56:78:00:a2" in failure(wire.hub.failed).detail

    @pytest.mark.parametrize("change", [{"b0": 1}, {"b9": 0x0C}, {"b10": 0x09}, {"b36": 0x80}, {"b36": 0x00}])
    def test_a_certificate_for_something_else(self, change: dict[str, int]) -> None:
        wire = own_certificate(forged(issued(DISPLAY), **change))
        wire.start()
        assert wire.hub.terminates == [TerminateStatus.INVALID_CERTIFICATE]

    def test_the_issuer_is_checked_before_the_subject_and_that_before_the_fields(self) -> None:
        bad_fields = {"b0": 1}
        other = Eui64("00:db:12:34:56:78:00:a3")
        for credentials, status in (
            (forged(stranger_authority(False).issue(other, valid_from=ISSUED_AT), **bad_fields), 1),
            (forged(issued(other), **bad_fields), 3),
            (forged(issued(DISPLAY), **bad_fields), 6),
        ):
            wire = own_certificate(credentials)
            wire.start()
            assert wire.hub.terminates == [status]

    @pytest.mark.parametrize(
        "point",
        ["02" + "00" * 36, "02" + "00" * 35 + "01", "02" + "00" * 35 + "03", "02ff" + "00" * 35, "05" + "11" * 36],
        ids=["order-two", "order-four", "off-curve", "too-long", "no-form"],
    )
    def test_a_certificate_without_a_proper_point(self, point: str) -> None:
        raw = issued(DISPLAY).certificate.raw[:37] + bytes.fromhex(point)
        certificate = replace(issued(DISPLAY).certificate, raw=raw)
        wire = own_certificate(replace(issued(DISPLAY), certificate=certificate))
        wire.start()
        assert wire.hub.terminates == [TerminateStatus.INVALID_CERTIFICATE]

    def test_the_display_checks_the_hub_too(self) -> None:
        impostor = stranger_authority(True).issue(HUB, valid_from=ISSUED_AT)
        wire = Wire(KeyEstablishmentEngine([impostor]), KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.start()
        assert not wire.hub.established and not wire.display.established
        wire = Wire(KeyEstablishmentEngine([issued(DISPLAY)]), KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.start()
        assert wire.display.terminates == [BAD_MESSAGE]

    def test_a_device_that_may_not_have_a_key(self) -> None:
        unknown = Refusal(BAD_MESSAGE, "it is not in the device log")
        wire = bench_wire(admission=lambda eui64: unknown if eui64 == DISPLAY else None)
        wire.start()
        assert wire.hub.terminates == [BAD_MESSAGE]
        assert failure(wire.hub.failed).detail == "it is not in the device log"
        full = Refusal(TerminateStatus.NO_RESOURCES, "the key table is full")
        wire = bench_wire(admission=lambda eui64: full)
        wire.start()
        assert wire.hub.terminates == [TerminateStatus.NO_RESOURCES]

    def test_a_suite_that_the_hub_has_no_certificate_for(self) -> None:
        device = published(SUITE_1, "U")
        wire = Wire(KeyEstablishmentEngine([issued(HUB)]), KeyEstablishmentEngine([device]), (HUB, device.subject))
        wire.start(SUITE_1)
        assert wire.hub.terminates == [TerminateStatus.UNSUPPORTED_SUITE]
        terminate = wire.hub.sent[0].message
        assert isinstance(terminate, Terminate)
        assert terminate.suites == SUITE_2.bit

    @pytest.mark.parametrize("bits", [0x0000, 0x0003, 0x0004, 0x8002])
    def test_an_initiate_for_no_suite_or_several(self, bits: int) -> None:
        wire = bench_wire()
        wire.inject(wire.hub, 0, bits.to_bytes(2, "little") + bytes(76))
        assert wire.hub.terminates == [TerminateStatus.UNSUPPORTED_SUITE]


class TestEphemeralKeys:
    @pytest.mark.parametrize(
        "point",
        ["02" + "00" * 36, "02" + "00" * 35 + "01", "02" + "00" * 35 + "03", "04" + "11" * 36, "02" * 22, ""],
        ids=["order-two", "order-four", "off-curve", "no-form", "suite-1-size", "empty"],
    )
    def test_bad_points_are_refused(self, point: str) -> None:
        wire = bench_wire()

        def tamper(send: Send) -> Iterable[Send]:
            if isinstance(send.message, Ephemeral):
                return (replace(send, message=Ephemeral(bytes.fromhex(point))),)
            return (send,)

        wire.display.tamper = tamper
        wire.start()
        assert wire.hub.terminates == [BAD_MESSAGE]
        assert failure(wire.hub.failed).stage is Stage.IDENTIFIED
        assert not wire.hub.established and not wire.display.established

    def test_the_display_refuses_them_too(self) -> None:
        wire = bench_wire()
        wire.hub.tamper = lambda send: (
            (replace(send, message=Ephemeral(b"\x02" + bytes(36))),) if isinstance(send.message, Ephemeral) else (send,)
        )
        wire.start()
        assert wire.display.terminates == [BAD_MESSAGE]
        assert not wire.hub.established


class TestConfirmation:
    @pytest.mark.parametrize("spoiled", ["hub", "display"])
    def test_a_wrong_code(self, spoiled: str) -> None:
        wire = bench_wire()
        sender = wire.hub if spoiled == "hub" else wire.display
        sender.tamper = lambda send: (
            (replace(send, message=Confirm(bytes(16))),) if isinstance(send.message, Confirm) else (send,)
        )
        wire.start()
        wire.pass_time(13)
        assert wire.other(sender).terminates == [TerminateStatus.BAD_KEY_CONFIRM]
        assert not wire.other(sender).established

    def test_the_partners_own_code_sent_back_is_wrong(self) -> None:
        wire = bench_wire()
        confirms: list[Send] = []
        wire.display.tamper = lambda send: confirms.append(send) or (send,)  # type: ignore[func-returns-value]
        wire.hub.tamper = lambda send: (
            (replace(send, message=confirms[-1].message),) if isinstance(send.message, Confirm) else (send,)
        )
        wire.start()
        wire.pass_time(13)
        assert wire.display.terminates == [TerminateStatus.BAD_KEY_CONFIRM]

    def test_no_key_before_the_last_message_has_arrived(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: (send,)
        wire.hub.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
        outputs = []
        original = wire.hub.engine.delivered

        def undelivered(partner: Eui64, ticket: int, success: bool, now: float) -> list[object]:
            lost = wire.hub.sent[-1].command is EstablishmentCommand.CONFIRM
            result = original(partner, ticket, success and not lost, now)
            outputs.extend(result)
            return list(result)

        wire.hub.engine.delivered = undelivered  # type: ignore[method-assign, assignment]
        wire.start()
        wire.pass_time(10)
        assert not wire.hub.established
        assert failure(wire.hub.failed).reason is Reason.UNDELIVERED
        assert failure(wire.hub.failed).stage is Stage.CONFIRMED
        assert wire.hub.terminates == []

    def test_a_default_response_to_the_last_message_will_do(self) -> None:
        wire = bench_wire()
        wire.hub.engine.delivered = lambda *_: []  # type: ignore[method-assign]
        wire.start()
        assert wire.display.established and not wire.hub.established
        for success in (True, True):
            outputs = wire.hub.engine.default_response(DISPLAY, EstablishmentCommand.CONFIRM, success, wire.now)
            wire.put(wire.hub, outputs)
        wire.pump()
        assert wire.hub.key == wire.display.key

    def test_a_failing_default_response_ends_it(self) -> None:
        wire = bench_wire()
        wire.hub.engine.delivered = lambda *_: []  # type: ignore[method-assign]
        wire.start()
        wire.put(wire.hub, wire.hub.engine.default_response(DISPLAY, EstablishmentCommand.CONFIRM, False, wire.now))
        wire.pump()
        assert not wire.hub.failed
        wire.pass_time(10)
        assert failure(wire.hub.failed).reason is Reason.TERMINATED
        assert not wire.hub.established

    @pytest.mark.parametrize("status", sorted(TerminateStatus))
    def test_a_terminate_after_the_end_changes_nothing(self, status: int) -> None:
        wire = bench_wire()
        wire.start()
        wire.inject(wire.hub, 3, bytes((status, 30)) + b"\x02\x00")
        wire.pass_time(30)
        assert wire.hub.established and not wire.hub.failed

    @pytest.mark.parametrize("initiator", ["display", "hub"])
    @pytest.mark.parametrize("command", ["INITIATE", "EPHEMERAL", "CONFIRM"])
    @pytest.mark.parametrize("status", [TerminateStatus.BAD_KEY_CONFIRM, TerminateStatus.NO_RESOURCES])
    def test_a_terminate_in_the_partners_name_does_not_keep_it_from_its_key(
        self, initiator: str, command: str, status: int
    ) -> None:
        """Before each message that the hub gets, and after each that it sends."""
        wire = bench_wire()

        def terminated(send: Send) -> tuple[Send]:
            if send.command.name == command:
                payload = bytes((status, 30)) + b"\x02\x00"
                assert (
                    wire.hub.engine.receive(DISPLAY, 3, payload, from_server=initiator == "hub", tsn=9, now=wire.now)
                    == []
                )
                assert wire.hub.engine.default_response(DISPLAY, EstablishmentCommand[command], False, wire.now) == []
            return (send,)

        wire.hub.tamper = wire.display.tamper = terminated
        if initiator == "display":
            wire.start()
        else:
            wire.put(wire.hub, wire.hub.engine.start(DISPLAY, SUITE_2, wire.now))
            wire.pump()
        assert wire.hub.key == wire.display.key
        assert not wire.hub.failed

    @pytest.mark.parametrize("initiator", ["display", "hub"])
    def test_once_the_code_is_out_nothing_else_ends_or_begins_it_anew(self, initiator: str) -> None:
        """The partner may have the key by then: all that a stranger can say, and then its own last word."""
        wire = bench_wire()
        held: list[Send] = []
        wire.hub.engine.delivered = lambda *_: []  # type: ignore[method-assign]
        if initiator == "display":
            wire.start()
            assert wire.hub.engine.stage(DISPLAY) is Stage.CONFIRMED
        else:

            def hold(send: Send) -> tuple[Send, ...]:
                if not isinstance(send.message, Confirm):
                    return (send,)
                held.append(send)
                return ()

            wire.display.tamper = hold
            wire.put(wire.hub, wire.hub.engine.start(DISPLAY, SUITE_2, wire.now))
            wire.pump()
            assert wire.hub.engine.stage(DISPLAY) is Stage.AGREED
        assert wire.display.established and not wire.hub.established
        said = [send.payload for send in wire.display.sent]
        other = issued(HUB).certificate.raw[37:]
        for command, payload in [
            (0, said[0]),
            (1, other),
            (2, bytes(16)),
            (2, b""),
            (0, b""),
            (3, b"\x02\x1e\x02\x00"),
        ]:
            answers = wire.hub.engine.receive(
                DISPLAY, command, payload, from_server=initiator == "hub", tsn=9, now=wire.now
            )
            assert all(isinstance(each, Send) and not isinstance(each.message, Terminate) for each in answers)
        if initiator == "display":
            wire.put(wire.hub, wire.hub.engine.default_response(DISPLAY, EstablishmentCommand.CONFIRM, True, wire.now))
            wire.pump()
        else:
            wire.inject(wire.hub, held[0].command, held[0].payload, from_server=True)
        assert wire.hub.key == wire.display.key
        assert not wire.hub.failed


def test_the_authority_is_one() -> None:
    assert issued(HUB).certificate.issuer == issued(DISPLAY).certificate.issuer == authority().issuer
