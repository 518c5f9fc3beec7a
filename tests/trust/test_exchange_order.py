"""The exchange among repetition, disorder, silence, failures and other exchanges."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trust_bench import DISPLAY, HUB, Wire, bench_wire, issued, published

from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import SUITE_1, SUITE_2
from hanctl.trust.establishment.exchange import Failed, Reason, Settings, Stage
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import Confirm, Ephemeral, EstablishmentCommand, Terminate, TerminateStatus

BAD_MESSAGE = TerminateStatus.BAD_MESSAGE
FLOW = ["INITIATE", "EPHEMERAL", "CONFIRM"]


def failure(failed: list[Failed]) -> Failed:
    (only,) = failed
    return only


class TestRepetition:
    @pytest.mark.parametrize("which", FLOW)
    @pytest.mark.parametrize("sender", ["hub", "display", "both"])
    def test_every_message_may_come_twice(self, which: str, sender: str) -> None:
        wire = bench_wire()
        for side in (wire.hub, wire.display):
            if sender in ("both", "hub" if side is wire.hub else "display"):
                side.tamper = lambda send: (send, send) if send.command.name == which else (send,)
        runs = count_jobs(wire)
        wire.start()
        assert wire.hub.key == wire.display.key
        assert not wire.hub.failed and not wire.display.failed
        assert runs == {HUB: 2, DISPLAY: 2}

    def test_every_message_of_both_twice(self) -> None:
        wire = bench_wire()
        wire.hub.tamper = wire.display.tamper = lambda send: (send, send)
        wire.start()
        assert wire.hub.key == wire.display.key
        assert not wire.hub.failed and not wire.display.failed

    @pytest.mark.parametrize("index", [0, 1, 2])
    def test_a_repeated_request_is_answered_alike_even_after_the_end(self, index: int) -> None:
        """By whomever it was repeated: the display, which has done with it, will call the answer out of order."""
        wire = bench_wire()
        wire.start()
        asked, answer = wire.display.sent[index], wire.hub.sent[index]
        wire.display.engine.cancel(HUB, wire.now)
        wire.hub.sent.clear()
        wire.inject(wire.hub, asked.command, asked.payload, tsn=99)
        assert [(send.command, send.payload, send.tsn) for send in wire.hub.sent[:1]] == [
            (answer.command, answer.payload, 99)
        ]
        assert len(wire.hub.established) == 1
        assert not wire.hub.failed

    def test_repeated_while_the_answer_is_computed_it_is_answered_once_to_the_last(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        initiate = wire.display.sent[0]
        wire.inject(wire.hub, 0, initiate.payload, tsn=55)
        wire.finish_jobs(wire.hub)
        assert [(send.command, send.tsn) for send in wire.hub.sent] == [(EstablishmentCommand.INITIATE, 55)]

    def test_long_after_the_end_a_repeated_request_is_out_of_order(self) -> None:
        wire = bench_wire()
        wire.start()
        wire.pass_time(6)
        wire.inject(wire.hub, 2, wire.display.sent[2].payload)
        assert wire.hub.terminates == [BAD_MESSAGE]
        assert len(wire.hub.established) == 1
        assert failure(wire.hub.failed).stage is Stage.NONE

    def test_a_whole_exchange_replayed_gets_no_key(self) -> None:
        wire = bench_wire()
        wire.start()
        wire.pass_time(6)
        wire.display.engine.cancel(HUB, wire.now)
        old = list(wire.display.sent)
        wire.display.tamper = lambda send: ()
        for send in old:
            wire.inject(wire.hub, send.command, send.payload)
        assert len(wire.hub.established) == 1
        assert wire.hub.terminates[0] == TerminateStatus.BAD_KEY_CONFIRM

    def test_another_code_after_the_end_undoes_nothing(self) -> None:
        wire = bench_wire()
        wire.start()
        wire.inject(wire.hub, 2, bytes(16))
        wire.inject(wire.hub, 1, wire.hub.sent[1].payload)
        # Whoever sent it: the partner may be at work on its key yet, and is not to be told that there is none.
        assert wire.hub.terminates == []
        assert not wire.hub.failed

    def test_a_device_that_lost_its_memory_may_begin_again(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
        wire.start()
        assert wire.hub.engine.stage(DISPLAY) is Stage.AGREED
        wire.display = type(wire.display)(DISPLAY, KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.pass_time(2)
        wire.start()
        assert wire.hub.key == wire.display.key
        assert not wire.hub.failed
        sent = [send.payload for send in wire.hub.sent if send.command is EstablishmentCommand.EPHEMERAL]
        assert len(sent) == len(set(sent)) == 2

    def test_another_ephemeral_key_without_beginning_again_is_out_of_order(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
        wire.start()
        wire.inject(wire.hub, 1, wire.hub.sent[1].payload)
        assert wire.hub.terminates == [BAD_MESSAGE]
        assert failure(wire.hub.failed).stage is Stage.AGREED


def count_jobs(wire: Wire) -> dict[Eui64, int]:
    runs: dict[Eui64, int] = {}
    for side in (wire.hub, wire.display):
        original = side.engine.finished

        def counted(*arguments: object, _side: object = side, _original: object = original) -> object:
            name = _side.eui64  # type: ignore[attr-defined]
            runs[name] = runs.get(name, 0) + 1
            return _original(*arguments)  # type: ignore[operator]

        side.engine.finished = counted  # type: ignore[method-assign, assignment]
    return runs


class TestOrder:
    @pytest.mark.parametrize("command", [1, 2])
    @pytest.mark.parametrize("side", ["hub", "display"])
    def test_a_message_without_an_exchange(self, command: int, side: str) -> None:
        wire = bench_wire()
        target = wire.hub if side == "hub" else wire.display
        wire.inject(target, command, bytes(37 if command == 1 else 16))
        assert target.terminates == [BAD_MESSAGE]
        assert failure(target.failed).stage is Stage.NONE

    def test_confirm_before_ephemeral(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        wire.inject(wire.hub, 2, bytes(16))
        assert wire.hub.terminates == [BAD_MESSAGE]
        wire.pass_time(13)
        assert failure(wire.display.failed).reason is Reason.TERMINATED

    def test_ephemeral_before_the_answer_to_initiate(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        wire.inject(wire.hub, 1, issued(HUB).certificate.raw[37:])
        assert wire.hub.terminates == [BAD_MESSAGE]
        wire.finish_jobs(wire.hub)
        assert wire.hub.commands == ["TERMINATE"]

    def test_an_initiate_with_other_contents_in_the_middle(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        changed = bytearray(wire.display.sent[0].payload)
        changed[2] += 1
        wire.inject(wire.hub, 0, bytes(changed))
        assert wire.hub.terminates == [BAD_MESSAGE]

    def test_the_display_refuses_answers_out_of_order(self) -> None:
        for command, payload in ((1, issued(HUB).certificate.raw[37:]), (2, bytes(16))):
            wire = bench_wire()
            wire.hub.tamper = lambda send: ()
            wire.start()
            wire.inject(wire.display, command, payload)
            assert wire.display.terminates == [BAD_MESSAGE]

    def test_a_terminate_is_never_answered(self) -> None:
        wire = bench_wire()
        for payload in (b"\x03\x1e\x02\x00", b"\xff\x00\x00\x00", b"", bytes(5)):
            wire.inject(wire.hub, 3, payload)
        assert wire.hub.sent == [] and wire.hub.failed == []

    def test_an_unknown_command_is_left_to_others(self) -> None:
        wire = bench_wire()
        wire.inject(wire.hub, 4, b"")
        assert wire.hub.sent == []

    @pytest.mark.parametrize("status", [*TerminateStatus, 0x42])
    def test_every_status_received_is_named_where_nothing_more_comes(self, status: int) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        wire.inject(wire.hub, 3, bytes((status, 40)) + b"\x02\x00")
        assert not wire.hub.failed
        wire.pass_time(13)
        failed = failure(wire.hub.failed)
        assert (failed.reason, failed.status, failed.wait) == (Reason.TERMINATED, status, 40)
        assert failed.stage is Stage.IDENTIFIED
        assert str(int(status)) in failed.detail
        assert wire.hub.terminates == []
        assert wire.hub.engine.deadline is None


class TestTime:
    def silent_after(self, name: str) -> Wire:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if send.command.name == name else (send,)
        wire.start()
        return wire

    @pytest.mark.parametrize(
        ("missing", "stage", "seconds"),
        [("EPHEMERAL", Stage.IDENTIFIED, 10 + 3), ("CONFIRM", Stage.AGREED, 10 + 3)],
    )
    def test_silence_after_a_message_ends_in_time_and_without_a_terminate(
        self, missing: str, stage: Stage, seconds: int
    ) -> None:
        wire = self.silent_after(missing)
        wire.pass_time(seconds - 0.1)
        assert not wire.hub.failed
        wire.pass_time(0.2)
        assert (failure(wire.hub.failed).reason, failure(wire.hub.failed).stage) == (Reason.TIMED_OUT, stage)
        assert wire.hub.terminates == []
        assert wire.hub.engine.deadline is None

    def test_what_the_partner_advertises_is_added(self) -> None:
        slow = Settings(ephemeral_seconds=100, confirm_seconds=50)
        wire = Wire(KeyEstablishmentEngine([issued(HUB)]), KeyEstablishmentEngine([issued(DISPLAY)], settings=slow))
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        assert wire.hub.engine.deadline == wire.now + 110
        wire = Wire(KeyEstablishmentEngine([issued(HUB)]), KeyEstablishmentEngine([issued(DISPLAY)], settings=slow))
        wire.display.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
        wire.start()
        assert wire.hub.engine.deadline == wire.now + 60
        wire = Wire(KeyEstablishmentEngine([issued(HUB)], settings=slow), KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.hub.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        assert wire.display.engine.deadline == wire.now + 110
        wire = Wire(KeyEstablishmentEngine([issued(HUB)], settings=slow), KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.hub.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
        wire.start()
        assert wire.display.engine.deadline == wire.now + 60

    def test_a_hub_that_never_answers(self) -> None:
        wire = bench_wire()
        wire.hub.tamper = lambda send: ()
        wire.start()
        wire.pass_time(10)
        assert (failure(wire.display.failed).reason, failure(wire.display.failed).stage) == (
            Reason.TIMED_OUT,
            Stage.STARTED,
        )

    def test_repeating_a_message_does_not_gain_time(self) -> None:
        wire = self.silent_after("EPHEMERAL")
        deadline = wire.hub.engine.deadline
        wire.now += 5
        wire.inject(wire.hub, 0, wire.display.sent[0].payload)
        assert wire.hub.engine.deadline == deadline

    def test_a_computation_that_takes_for_ever(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        wire.pass_time(13)
        assert failure(wire.hub.failed).reason is Reason.STALLED
        wire.finish_jobs(wire.hub)
        assert wire.hub.sent == []

    def test_a_computation_that_breaks(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        run = wire.hub.jobs.pop()
        wire.put(wire.hub, wire.hub.engine.finished(DISPLAY, run.ticket, None, wire.now))
        wire.pump()
        assert wire.hub.terminates == [TerminateStatus.NO_RESOURCES]

    def test_an_undeliverable_message(self) -> None:
        wire = bench_wire()
        wire.deliver = False
        wire.start()
        assert failure(wire.display.failed).reason is Reason.UNDELIVERED


class TestBackOff:
    def refused_wire(self) -> Wire:
        wire = bench_wire()
        wire.display.tamper = lambda send: (
            (replace(send, message=Confirm(bytes(16))),) if isinstance(send.message, Confirm) else (send,)
        )
        wire.start()
        wire.display = type(wire.display)(DISPLAY, KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.hub.sent.clear()
        return wire

    def test_who_sent_something_wrong_waits(self) -> None:
        wire = self.refused_wire()
        wire.pass_time(4)
        wire.start()
        (terminate,) = (send.message for send in wire.hub.sent)
        assert terminate == Terminate(TerminateStatus.NO_RESOURCES, 6, SUITE_2.bit)
        assert not wire.hub.established

    def test_and_is_served_afterwards(self) -> None:
        wire = self.refused_wire()
        wire.pass_time(10)
        wire.start()
        assert wire.hub.key == wire.display.key

    def test_who_fell_silent_is_served_at_once(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        wire.pass_time(20)
        wire.display = type(wire.display)(DISPLAY, KeyEstablishmentEngine([issued(DISPLAY)]))
        wire.start()
        assert wire.hub.key == wire.display.key

    def test_nothing_is_started_until_the_wait_asked_for_is_over(self) -> None:
        wire = self.refused_wire()
        wire.pass_time(11)
        wire = bench_wire()
        wire.display.tamper = lambda send: (
            (replace(send, message=Confirm(bytes(16))),) if isinstance(send.message, Confirm) else (send,)
        )
        wire.start()
        # It is told to wait when it has waited for the right code in vain.
        wire.pass_time(13)
        wire.pass_time(29)
        with pytest.raises(Refused, match="just failed"):
            wire.start()
        wire.pass_time(1)
        wire.display.tamper = lambda send: (send,)
        wire.start()
        assert wire.hub.key == wire.display.key

    def test_a_removed_device_starts_afresh(self) -> None:
        wire = self.refused_wire()
        assert wire.hub.engine.cancel(DISPLAY, wire.now) == []
        wire.start()
        assert wire.hub.key == wire.display.key

    def test_removal_in_the_middle(self) -> None:
        wire = bench_wire()
        wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        wire.start()
        (failed,) = wire.hub.engine.cancel(DISPLAY, wire.now)
        assert isinstance(failed, Failed)
        assert failed.reason is Reason.CANCELLED


class TestSeveral:
    def displays(self, count: int) -> list[Eui64]:
        return [Eui64(f"00:db:12:34:56:79:00:{index:02x}") for index in range(count)]

    def test_many_at_once_each_get_their_own_key(self) -> None:
        hub = KeyEstablishmentEngine([issued(HUB)])
        wires = [Wire(hub, KeyEstablishmentEngine([issued(each)]), (HUB, each)) for each in self.displays(6)]
        for wire in wires:
            wire.hold_jobs = True
            wire.start()
        for wire in wires:
            wire.hold_jobs = False
            wire.finish_jobs(wire.hub)
        assert all(wire.hub.key == wire.display.key for wire in wires)
        assert len({wire.hub.key for wire in wires}) == 6

    def test_a_silent_one_does_not_hinder_the_others(self) -> None:
        hub = KeyEstablishmentEngine([issued(HUB)])
        silent, good = (Wire(hub, KeyEstablishmentEngine([issued(each)]), (HUB, each)) for each in self.displays(2))
        silent.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
        silent.start()
        good.start()
        assert good.hub.key == good.display.key

    def test_one_too_many_gets_a_clear_refusal(self) -> None:
        hub = KeyEstablishmentEngine([issued(HUB)], settings=Settings(capacity=2))
        wires = [Wire(hub, KeyEstablishmentEngine([issued(each)]), (HUB, each)) for each in self.displays(3)]
        for wire in wires:
            wire.hold_jobs = True
            wire.start()
        assert wires[2].hub.terminates == [TerminateStatus.NO_RESOURCES]
        assert "2 exchanges" in failure(wires[2].hub.failed).detail
        for wire in wires[:2]:
            wire.hold_jobs = False
            wire.finish_jobs(wire.hub)
        assert all(wire.hub.established for wire in wires[:2])

    def test_one_exchange_for_each_partner(self) -> None:
        wire = bench_wire()
        wire.hold_jobs = True
        wire.start()
        with pytest.raises(Refused, match="being established"):
            wire.hub.engine.start(DISPLAY, SUITE_2, wire.now)

    def test_both_sides_asking_at_once_leaves_neither_stuck(self) -> None:
        wire = bench_wire()
        asked = wire.hub.engine.start(DISPLAY, SUITE_2, wire.now)
        wire.put(wire.display, wire.display.engine.start(HUB, SUITE_2, wire.now))
        wire.put(wire.hub, asked)
        wire.pump()
        assert TerminateStatus.NO_RESOURCES in wire.hub.terminates + wire.display.terminates
        wire.pass_time(13)
        assert wire.hub.engine.deadline is None or len(wire.hub.established) == 1

    def test_without_a_certificate_nothing_is_started(self) -> None:
        with pytest.raises(Refused, match="no certificate"):
            KeyEstablishmentEngine([issued(HUB)]).start(DISPLAY, SUITE_1, 0)

    def test_the_best_suite_in_common_is_chosen(self) -> None:
        both = KeyEstablishmentEngine([published(SUITE_1, "V"), published(SUITE_2, "V")])
        assert both.suites == 3
        assert [both.choose_suite(bits) for bits in (0, 1, 2, 3, 4)] == [SUITE_1, SUITE_1, SUITE_2, SUITE_2, None]
        assert KeyEstablishmentEngine([issued(HUB)]).choose_suite(0) is None
