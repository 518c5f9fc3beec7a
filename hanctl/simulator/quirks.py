"""Settings of how a dongle tells senders apart, where it is not yet proven on silicon what real ones do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from hanctl.base.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a dongle decides who sent a frame. Defaults are the worst case for the host that relies on it."""

    honours_nonce: bool = True
    """An encrypted frame with its sender's EUI64 in the APS header is read under the key of that EUI64, whatever its
    short address. False: the key is always that of the node which the dongle has at the short address."""
    compares_nonce: bool = False
    """Such a frame is dropped where the dongle has another node at its short address."""
    counters: Literal["live", "zero", "unsupported"] = "live"
    """What the host learns of a link key's incoming frame counter: itself, 0, or that there is no such command."""
    announcements_move: bool = True
    """A Device_annce moves the announced device in the dongle's map."""
    answers_move: bool = True
    """So does a NWK_addr_rsp or IEEE_addr_rsp, whether or not it was asked for."""
    forged_acks: bool = True
    """An APS acknowledgement in clear counts for an encrypted frame."""
    well_known_for_strangers: bool = True
    """Z-Stack: while no key exchange is required, a node without an entry is read under the well-known key."""
    map_survives_reset: bool = True
    """EmberZNet: after a reset the dongle still knows who was where. False: only what joins, announces itself or is
    written by the host."""
    conflict_moves_owner: bool = False
    """Devices whose short address is announced by another take a new one, as the network layer asks of them. The one
    setting that is off where it is worse: with it anybody can chase a device about, and no host can help that."""


_COUNTERS = ("live", "zero", "unsupported")
_SWITCHES = {"true": True, "false": False}


def quirks_of(settings: Iterable[str]) -> Quirks:
    """Return the defaults with these NAME=VALUE changes. Raises InvalidInput, which lists the names."""
    chosen: dict[str, Any] = {}
    names = [each.name for each in fields(Quirks)]
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise InvalidInput("a dongle has no such quirk", hint)
        allowed = _COUNTERS if name == "counters" else tuple(_SWITCHES)
        if value not in allowed:
            raise InvalidInput(f"this is no value of the quirk {name}", f"choose one of {', '.join(allowed)}")
        chosen[name] = _SWITCHES.get(value, value)
    return Quirks(**chosen)
