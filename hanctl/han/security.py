"""Define which clusters require a link key, and the answer to requests without one. Source: comms_hub.md §6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.han.cluster import Status

Fault = Literal["not encrypted", "no key established"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One cluster of profile 0x0109 that is for devices with an established key, in encrypted unicasts alone.

    A request in clear, or of a device without such a key, is answered under the security it came with, and not run.
    """

    name: str
    in_clear: Status = Status.FAILURE
    without_key: Status = Status.NOT_AUTHORIZED
    """No source tells of this case: devices' own stacks do not ask how a link key came to be."""


RULES: dict[int, Rule] = {
    0x000A: Rule("Time"),
    0x0015: Rule("Commissioning"),
    0x0019: Rule("OTA Upgrade"),
    0x0025: Rule("Keep-Alive"),
    0x0600: Rule("Generic Tunnel"),
    0x0700: Rule("Price"),
    0x0701: Rule("Demand Response and Load Control"),
    0x0702: Rule("Metering"),
    0x0703: Rule("Messaging"),
    0x0704: Rule("Tunneling"),
    0x0705: Rule("Prepayment"),
    0x0706: Rule("Energy Management"),
    0x0707: Rule("Calendar"),
    0x0708: Rule("Device Management"),
    0x0709: Rule("Events"),
    0x070A: Rule("MDU Pairing"),
    0x070B: Rule("Sub-GHz"),
}
"""Every other cluster is open: Basic, Identify, Key Establishment, Alarms. The hub's own broadcasts (Image Notify) are
exempt."""


@dataclass(frozen=True, slots=True)
class SecurityRefusal:
    """A refused request: the answer for its sender, and the reason for people."""

    status: Status
    fault: Fault


def needs_encryption(cluster: int) -> bool:
    """Tell whether unicasts of this cluster are encrypted at the APS layer."""
    return cluster in RULES


def refusal(cluster: int, *, encrypted: bool, keyed: bool) -> SecurityRefusal | None:
    """Return the refusal of a request, or None if it may be served; ``keyed``: its sender has the key it needs."""
    rule = RULES.get(cluster)
    if rule is None:
        return None
    if not encrypted:
        return SecurityRefusal(rule.in_clear, "not encrypted")
    return None if keyed else SecurityRefusal(rule.without_key, "no key established")
