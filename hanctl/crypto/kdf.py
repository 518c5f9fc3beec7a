"""The X9.63 key derivation function with AES-MMO and no shared information. Source: comms_hub.md §5.6."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanctl.crypto.mmo import mmo_hash


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """``mac_key`` confirms the exchange, ``key_data`` is its result: 16 bytes each."""

    mac_key: bytes = field(repr=False)
    key_data: bytes = field(repr=False)


def derive_keys(secret: bytes) -> DerivedKeys:
    """Derive both keys from a shared secret Z."""
    mac_key, key_data = (mmo_hash(secret + counter.to_bytes(4, "big")) for counter in (1, 2))
    return DerivedKeys(mac_key, key_data)
