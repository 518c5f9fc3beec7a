"""Check the dongle: ask it on its port, or ask the hub that has it open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from hanctl.base.errors import DongleError
from hanctl.doctor.finding import Finding, fail, failed, ok, warn
from hanctl.ledger.files.inspection import LedgerFacts
from hanctl.radio.errors import NotADongle
from hanctl.radio.finding.looking import Look, look_at
from hanctl.radio.settings import DongleSettings, RadioKind

LOOK_S = 10.0
TRY_S = 4.0
USUAL_BAUD_RATES = (115_200, 460_800, 230_400, 57_600)

_OTHER: dict[RadioKind, RadioKind] = {"ezsp": "znp", "znp": "ezsp"}

Looker = Callable[[DongleSettings, float], Awaitable[Look]]


@dataclass(frozen=True, slots=True)
class DongleAnswer:
    """Result of asking: a look, or an error with the settings that the dongle does answer to, if found."""

    asked: DongleSettings
    look: Look | None = None
    error: DongleError | None = None
    answers_to: DongleSettings | None = None


async def ask(settings: DongleSettings, look: Looker = look_at) -> DongleAnswer:
    """Ask a dongle with its configured settings, and if it does not answer as such, with the other usual ones."""
    try:
        return DongleAnswer(settings, look=await look(settings, LOOK_S))
    except NotADongle as error:
        for other in other_ways(settings):
            try:
                await look(other, TRY_S)
            except DongleError:
                continue
            return DongleAnswer(settings, error=error, answers_to=other)
        return DongleAnswer(settings, error=error)
    except DongleError as error:
        return DongleAnswer(settings, error=error)


def other_ways(settings: DongleSettings) -> Iterator[DongleSettings]:
    """Return the settings with the other radio, and on a serial port with the other usual baud rates."""
    other = replace(settings, radio=_OTHER[settings.radio])
    yield other
    if "://" in settings.path:
        return
    for baudrate in USUAL_BAUD_RATES:
        if baudrate != settings.baudrate:
            yield replace(settings, baudrate=baudrate)
            yield replace(other, baudrate=baudrate)


def judge_answer(answer: DongleAnswer) -> Finding:
    """Judge whether the dongle answers as configured."""
    asked, found = answer.asked, answer.answers_to
    if answer.look is not None:
        rate = "" if "://" in asked.path else f" at {asked.baudrate} baud"
        return ok("dongle", f"{answer.look.eui64} answers as {asked.radio.upper()}{rate}")
    if found is not None:
        wrong = [f'radio = "{found.radio}"'] if found.radio != asked.radio else []
        wrong += [f"baudrate = {found.baudrate}"] if found.baudrate != asked.baudrate else []
        return fail(
            "dongle",
            f"it does not answer as {asked.radio.upper()} at {asked.baudrate} baud, "
            f"but as {found.radio.upper()} at {found.baudrate}",
            f"set {' and '.join(wrong)} ([dongle])",
        )
    assert answer.error is not None
    return failed("dongle", answer.error)


def judge_network(look: Look, ledger: LedgerFacts | None, channel: int) -> Finding:
    """Judge the network in the dongle against that of the hub's ledger; ``channel``: as configured."""
    known = ledger is not None and ledger.dongle is not None
    if ledger is not None and ledger.dongle not in (None, look.eui64):
        return fail(
            "network",
            f"the ledger tells of the dongle {ledger.dongle}, and this one is {look.eui64}",
            f"plug in {ledger.dongle}, or give this one its network: hanctl backup restore",
        )
    if look.foreign:
        return fail(
            "network",
            "the dongle belongs to somebody else's network, and not as its coordinator",
            "use another dongle, or erase this one's network with its own tool first",
        )
    if look.network is None:
        if known:
            return fail(
                "network",
                "the dongle holds no network any more, though the ledger tells of one",
                "give it back: hanctl backup restore",
            )
        return ok("network", f"none yet: the hub will form one on channel {channel}")
    held = look.network
    if known and ledger is not None and ledger.extended_pan_id not in (None, held.extended_pan_id):
        return fail(
            "network",
            f"the dongle holds the network {held.extended_pan_id}, and the ledger tells of {ledger.extended_pan_id}",
            "give it the ledger's back: hanctl backup restore; or begin anew with another state directory",
        )
    told = f"channel {held.channel}, PAN 0x{held.pan_id:04x}"
    if held.channel != channel:
        return warn(
            "network",
            f"{told}: the network stays on channel {held.channel}, though channel {channel} is configured",
            f"set channel = {held.channel} ([network]); it counts only where a network is formed",
        )
    return ok("network", told + (", as in the ledger" if known else "; the ledger does not know it yet"))
