"""The control bitmap of Change of Tenancy and Change of Supplier: bits by name, named masks, the contactor rule. Pure.

ProposedTenancyChangeControl and ProviderChangeControl are the same bitmap32. Source: comms_hub.md §2.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

from hanctl.base.errors import InvalidInput

ChangeKind = Literal["tenancy", "supplier"]


class Control(IntFlag):
    """The bits that ask for one thing each; bits 11 and 12 are one value (``CONTACTORS``), the others are reserved.

    ``ProposedChangeControl`` (han/smart_energy/enumerations.py) declares the same bits for frames, and names what each
    clears in data/classes.py. It is zigpy's, which a command that lists these bits need not load.
    """

    PRE_SNAPSHOTS = 0x0001
    POST_SNAPSHOTS = 0x0002
    RESET_CREDIT_REGISTER = 0x0004
    RESET_DEBIT_REGISTER = 0x0008
    RESET_BILLING_PERIOD = 0x0010
    CLEAR_TARIFF_PLAN = 0x0020
    CLEAR_STANDING_CHARGE = 0x0040
    BLOCK_HISTORICAL_LOAD_PROFILE = 0x0080
    CLEAR_HISTORICAL_LOAD_PROFILE = 0x0100
    CLEAR_IHD_DATA_CONSUMER = 0x0200
    CLEAR_IHD_DATA_SUPPLIER = 0x0400
    CLEAR_TRANSACTION_LOG = 0x2000
    CLEAR_PREPAYMENT_LOG = 0x4000


CONTACTOR_MASK = 0x1800
SUPPLY_OFF = 0x0000
CONTACTORS = {"supply-off-armed": 0x0800, "supply-on": 0x1000, "supply-unchanged": 0x1800}
"""The contactor's state afterwards. 00, supply OFF, has no name: it is never asked for by what nobody said."""

BITS = {bit.name.lower().replace("_", "-"): int(bit) for bit in Control if bit.name is not None}
_DEFINED = CONTACTOR_MASK | sum(BITS.values())

MASKS = {
    "tenancy-default": 0x00007B9C,
    "supplier-default": 0x00001C60,
    "display-consumer-only": 0x00001A00,
}
"""Named masks, the composition of this project: everything of a consumer; everything of a supplier; and only what
displays show of a consumer. All leave the contactor as it is."""

DEFAULTS: dict[ChangeKind, int] = {
    "tenancy": MASKS["tenancy-default"],
    "supplier": MASKS["supplier-default"],
}
"""What a change means that says nothing of its control, and has no cut-off of its own."""

NOTHING = CONTACTORS["supply-unchanged"]
"""What a change of tenancy means that says nothing of its control but from when on: what is dated before is hidden, and
nothing else is asked for. So it is with ECS12, which is a date alone."""

CONTACTOR_NOTE = "bits 11-12 were 00, which would be supply OFF: they are published as 11, the contactor stays as it is"


TOLD_NOTE = (
    "the change asks for no control bit: devices are told clear-ihd-data-consumer, as none is known to go by dates"
)


def default(kind: ChangeKind, *, dated: bool) -> int:
    """Return the control of a change that names none. ``dated``: a cut-off was given."""
    return NOTHING if dated and kind == "tenancy" else DEFAULTS[kind]


def told(kind: ChangeKind, control: int) -> int:
    """Return the control sent to devices. Assumption: a display should clear what the hub hides by date."""
    asks = control & ~CONTACTOR_MASK
    return control if asks or kind == "supplier" else control | Control.CLEAR_IHD_DATA_CONSUMER


@dataclass(frozen=True, slots=True)
class Wanted:
    """A control as it is published. ``contactor_corrected``: it was given with supply OFF and is not published so."""

    control: int
    contactor_corrected: bool = False


def publishable(control: int) -> Wanted:
    """Apply the contactor rule. Raises InvalidInput where reserved bits are set."""
    reserved = control & ~_DEFINED
    if reserved or control < 0:
        raise InvalidInput(
            f"control 0x{control & 0xFFFFFFFF:08x} has reserved bits (0x{reserved & 0xFFFFFFFF:08x})",
            "bits 0 to 14 have a meaning; see: hanctl tenancy bits",
        )
    if control & CONTACTOR_MASK == SUPPLY_OFF:
        return Wanted(control | CONTACTOR_MASK, contactor_corrected=True)
    return Wanted(control)


def parse_control(words: Iterable[str]) -> Wanted:
    """Combine names of bits, masks and contactor states, and numbers (0x…), into one control.

    Names say nothing of the contactor unless one of its states is among them: then it stays as it is, and nothing is
    corrected. A number alone means what it says. Raises InvalidInput.
    """
    control = 0
    contactor: int | None = None
    literal = False
    for word in words:
        name = word.strip().lower()
        if name in CONTACTORS:
            if contactor not in {None, CONTACTORS[name]}:
                raise InvalidInput("two states of the contactor were given", "give one, or none to leave it as it is")
            contactor = CONTACTORS[name]
        elif name in BITS:
            control |= BITS[name]
        elif name in MASKS:
            control |= MASKS[name]
        else:
            control |= _number(word)
            literal = True
    if contactor is not None:
        return publishable((control & ~CONTACTOR_MASK) | contactor)
    return publishable(control) if literal else publishable(control | CONTACTOR_MASK)


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        raise InvalidInput(
            "one of the words is no control bit",
            "give a name (hanctl tenancy bits lists them) or a mask such as 0x00001a00",
        ) from None


def names(control: int) -> tuple[str, ...]:
    """Return the names of a control's bits, in order, with the contactor's state."""
    found = [(value, name) for name, value in BITS.items() if control & value]
    state = control & CONTACTOR_MASK
    found.append((0x0800, next((name for name, value in CONTACTORS.items() if value == state), "supply-off")))
    return tuple(name for _, name in sorted(found))
