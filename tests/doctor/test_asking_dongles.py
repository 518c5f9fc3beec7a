"""The dongle: asked with the radio libraries themselves, on simulated dongles behind pseudo-terminals."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hanctl.base.errors import DongleError
from hanctl.base.eui64 import Eui64
from hanctl.doctor.dongle import TRY_S, DongleAnswer, ask, judge_answer, judge_network, other_ways
from hanctl.doctor.dongle_firmware import judge_firmware, release_date
from hanctl.ledger.files.inspection import LedgerFacts
from hanctl.radio import DongleSettings, open_radio
from hanctl.radio.errors import NotADongle, PortAbsent, PortBusy, PortForbidden
from hanctl.radio.finding.looking import HeldNetwork, Look, look_at
from hanctl.radio.settings import RadioKind
from hanctl.simulator.ports import PtyPort
from hanctl.simulator.world import World

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RADIOS: list[RadioKind] = ["ezsp", "znp"]
EZSP_FAST = ["ezsp", pytest.param("znp", marks=pytest.mark.slow)]
"""Z-Stack's library lets seconds of real time pass."""
OTHER: dict[RadioKind, RadioKind] = {"ezsp": "znp", "znp": "ezsp"}
PAN = "aa:bb:cc:dd:ee:ff:00:11"
DONGLE, ANOTHER = Eui64("00:0d:6f:00:0a:00:00:01"), Eui64("00:0d:6f:00:0a:00:00:02")
HELD = Look(DONGLE, "EmberZNet 9.0.0.0 build 0, EZSP 18", HeldNetwork(15, 0x1A62, PAN))
SETTINGS = DongleSettings("ezsp", "/dev/none")


class NoListener:
    def __getattr__(self, name: str) -> object:
        return lambda *_: None


@asynccontextmanager
async def dongle(radio: RadioKind) -> AsyncIterator[tuple[World, str]]:
    world = World.build((), kind=radio)
    world.plug()
    port = PtyPort(world.dongle)
    await port.open()
    try:
        yield world, port.url
    finally:
        await port.close()
        world.stop()


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_blank_dongle_is_looked_at_and_stays_blank(radio: RadioKind) -> None:
    async with dongle(radio) as (world, path):
        answer = await ask(DongleSettings(radio, path))
        assert answer.look is not None and answer.look.network is None and not answer.look.foreign
        assert answer.look.eui64 == world.stack.eui64
        assert judge_answer(answer).status == "ok"
        assert world.stack.network is None
        assert world.dongle.faults == {}


@pytest.mark.parametrize("radio", EZSP_FAST)
async def test_a_network_is_seen_and_goes_on_as_it_was(radio: RadioKind) -> None:
    async with dongle(radio) as (_, path):
        settings = DongleSettings(radio, path, channel=20)
        hub = open_radio(settings)
        formed = await hub.start(NoListener())  # type: ignore[arg-type]
        await hub.stop()

        look = await look_at(settings, 10)
        assert look.network == HeldNetwork(20, formed.pan_id, formed.extended_pan_id)
        assert look.firmware == formed.firmware

        again = open_radio(settings)
        resumed = await again.start(NoListener())  # type: ignore[arg-type]
        await again.stop()
        assert not resumed.formed
        assert resumed.extended_pan_id == formed.extended_pan_id


@pytest.mark.parametrize("radio", EZSP_FAST)
async def test_the_wrong_radio_is_found_out(radio: RadioKind) -> None:
    async with dongle(OTHER[radio]) as (_, path):
        answer = await ask(DongleSettings(radio, path), quickly)
        found = judge_answer(answer)
        assert found.status == "fail"
        assert found.hint == f'set radio = "{OTHER[radio]}" ([dongle])'


async def quickly(settings: DongleSettings, timeout_s: float) -> Look:
    """As ever, without the patience that silicon needs."""
    return await look_at(settings, 2.5)


async def test_a_wrong_baud_rate_is_found_out_and_each_way_is_tried_once() -> None:
    asked: list[tuple[str, int]] = []

    async def at_460800(settings: DongleSettings, timeout_s: float) -> Look:
        asked.append((settings.radio, settings.baudrate))
        if (settings.radio, settings.baudrate) != ("ezsp", 460_800):
            raise NotADongle("nothing answers", "x")
        return HELD

    found = judge_answer(await ask(SETTINGS, at_460800))
    assert found.status == "fail" and found.hint == "set baudrate = 460800 ([dongle])"
    assert asked == [("ezsp", 115_200), ("znp", 115_200), ("ezsp", 460_800)]


def test_a_network_dongle_has_no_baud_rate() -> None:
    ways = list(other_ways(DongleSettings("znp", "tcp://10.0.0.2:6638")))
    assert [(way.radio, way.baudrate) for way in ways] == [("ezsp", 115_200)]
    assert len(list(other_ways(SETTINGS))) == 7


@pytest.mark.parametrize("error", [NotADongle, PortAbsent, PortBusy, PortForbidden])
async def test_a_dongle_that_does_not_answer(error: type[DongleError]) -> None:
    tries = 0

    async def refuse(settings: DongleSettings, timeout_s: float) -> Look:
        nonlocal tries
        tries += 1
        raise error("why", "what to do")

    found = judge_answer(await ask(SETTINGS, refuse))
    assert (found.status, found.message, found.hint) == ("fail", "why", "what to do")
    # Other ways are tried only where something is there that may be spoken to.
    assert tries == (8 if error is NotADongle else 1)


async def test_a_port_that_another_program_has_locked() -> None:
    async with dongle("ezsp") as (_, path):
        locked = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = judge_answer(await ask(DongleSettings("ezsp", path)))
        finally:
            os.close(locked)
        assert found.status == "fail" and "in use by another program" in found.message


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("radio", RADIOS)
async def test_who_gives_up_waiting_leaves_the_port_closed_and_no_task(radio: RadioKind) -> None:
    async with dongle(OTHER[radio]) as (_, path):
        before = open_descriptors()
        asking = asyncio.create_task(look_at(DongleSettings(radio, path), TRY_S))
        await asyncio.sleep(0.3)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)
        assert open_descriptors() <= before
        assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_dongle_that_answers_is_named() -> None:
    found = judge_answer(DongleAnswer(SETTINGS, look=HELD))
    assert found.status == "ok" and DONGLE in found.message and "115200" in found.message


# --- its network


@pytest.mark.parametrize(
    ("look", "ledger", "channel", "status", "told"),
    [
        (HELD, LedgerFacts(dongle=DONGLE, extended_pan_id=PAN), 15, "ok", "as in the ledger"),
        (HELD, None, 15, "ok", "does not know it yet"),
        (HELD, LedgerFacts(dongle=DONGLE, extended_pan_id=PAN), 20, "warn", "stays on channel 15"),
        (HELD, LedgerFacts(dongle=ANOTHER), 15, "fail", f"the ledger tells of the dongle {ANOTHER}"),
        (HELD, LedgerFacts(dongle=DONGLE, extended_pan_id="00" * 8), 15, "fail", "and the ledger tells of"),
        (Look(DONGLE, "x"), None, 15, "ok", "will form one on channel 15"),
        (Look(DONGLE, "x"), LedgerFacts(dongle=DONGLE), 15, "fail", "holds no network any more"),
        (Look(DONGLE, "x", foreign=True), None, 15, "fail", "somebody else's network"),
    ],
)
def test_the_network_in_the_dongle_beside_the_ledgers(
    look: Look, ledger: LedgerFacts | None, channel: int, status: str, told: str
) -> None:
    found = judge_network(look, ledger, channel)
    assert found.status == status and told in found.message
    assert bool(found.hint) == (status != "ok")


# --- its firmware


@pytest.mark.parametrize(
    ("firmware", "status", "told"),
    [
        ("EmberZNet 9.0.0.0 build 0, EZSP 18", "ok", "2026-01-22"),
        ("EmberZNet 7.4.4.0 build 0, EZSP 13", "ok", "2024-08-14"),
        ("EmberZNet 7.4.0.0 build 0, EZSP 13", "warn", "2023-12-13"),
        ("EmberZNet 7.4.99.0 build 0, EZSP 13", "ok", "not known"),
        ("EmberZNet 6.7.3.0 build 0, EZSP 7", "warn", "older than any"),
        ("EmberZNet (unknown version), EZSP 14", "ok", "not known"),
        ("Z-Stack 20250321", "ok", "2025-03-21"),
        ("Z-Stack 20220219", "warn", "2022-02-19"),
        ("Z-Stack 0", "ok", "not known"),
        ("Z-Stack Home 1.2 20190608", "fail", "install codes"),
        ("Z-Stack 3.0.x 20201026", "fail", "install codes"),
    ],
)
def test_the_age_of_firmware(firmware: str, status: str, told: str) -> None:
    found = judge_firmware(firmware, NOW)
    assert found.status == status and told in found.message
    assert bool(found.hint) == (status != "ok")


@pytest.mark.parametrize("radio", RADIOS)
async def test_what_a_dongle_tells_of_its_firmware_is_understood(radio: RadioKind) -> None:
    async with dongle(radio) as (_, path):
        look = await look_at(DongleSettings(radio, path), 10)
        assert release_date(look.firmware) is not None
