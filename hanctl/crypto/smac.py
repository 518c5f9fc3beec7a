"""The two authentication codes by which partners show each other that they have the key.

Source: comms_hub.md §5.6. Identities are EUI64s, most significant byte first; points are compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanctl.crypto.mmo import mmo_hmac

SIZE = 16
_INITIATOR, _RESPONDER = b"\x02", b"\x03"


@dataclass(frozen=True, slots=True)
class Party:
    """One side of an exchange as its codes cover it."""

    identity: bytes
    ephemeral: bytes


def initiator_smac(mac_key: bytes, initiator: Party, responder: Party) -> bytes:
    """Return the code that the initiator sends and the responder checks (MACU)."""
    return _smac(mac_key, _INITIATOR, initiator, responder)


def responder_smac(mac_key: bytes, initiator: Party, responder: Party) -> bytes:
    """Return the code that the responder sends and the initiator checks (MACV)."""
    return _smac(mac_key, _RESPONDER, responder, initiator)


def _smac(mac_key: bytes, tag: bytes, sender: Party, receiver: Party) -> bytes:
    return mmo_hmac(mac_key, tag + sender.identity + receiver.identity + sender.ephemeral + receiver.ephemeral)
