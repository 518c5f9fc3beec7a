"""States of an update, and the only transitions between them; docs/updates.md has the same table.

``Updates.put`` checks every change of state against this table, and that an event tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

UpdateState = Literal[
    "ordered",
    "notified",
    "transferring",
    "verifying",
    "holding",
    "activating",
    "in_doubt",
    "confirmed",
    "failed",
    "refused",
    "cancelled",
    "superseded",
]

_BACK: frozenset[UpdateState] = frozenset({"ordered", "notified"})
"""The device gave up, or lost the image: it is asked anew."""
_UNTOLD: frozenset[UpdateState] = frozenset({"failed", "refused", "cancelled", "superseded"})
"""How an update ends that the device was not told to activate."""

TRANSITIONS: dict[UpdateState, frozenset[UpdateState]] = {
    "ordered": _UNTOLD | {"notified", "transferring", "verifying", "confirmed"},
    "notified": _UNTOLD | {"ordered", "transferring", "verifying", "confirmed"},
    "transferring": _UNTOLD | _BACK | {"verifying", "confirmed"},
    "verifying": _UNTOLD | _BACK | {"transferring", "holding", "activating", "confirmed"},
    "holding": _UNTOLD | _BACK | {"transferring", "activating", "in_doubt", "confirmed"},
    "activating": _BACK | {"transferring", "holding", "in_doubt", "confirmed", "failed"},
    "in_doubt": _BACK | {"transferring", "holding", "activating", "confirmed", "failed", "cancelled"},
    "confirmed": frozenset(),
    "failed": frozenset(),
    "refused": frozenset(),
    "cancelled": frozenset(),
    "superseded": frozenset(),
}
OPEN_STATES: frozenset[UpdateState] = frozenset(state for state, ways in TRANSITIONS.items() if ways)


class IllegalTransition(RuntimeError):
    """An update was about to make a transition that is not in the table: a fault of hanctl."""


def check(before: UpdateState, after: UpdateState) -> None:
    """Raise IllegalTransition unless the table has this transition."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"an update does not go from {before} to {after}")


def check_way(before: UpdateState, left: Sequence[UpdateState], after: UpdateState) -> None:
    """Raise IllegalTransition unless the events, which left the states ``left`` in this order, lead there."""
    way = [*left, after]
    if way[0] != before:
        raise IllegalTransition(f"an update went from {before} to {after}, and that was not told as such")
    for here, there in pairwise(way):
        check(here, there)
