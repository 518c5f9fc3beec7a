"""Which clusters are spoken only under the link key. Source: comms_hub.md §6."""

from __future__ import annotations

ENCRYPTED_CLUSTERS = frozenset(
    {
        0x000A,  # Time
        0x0015,  # Commissioning
        0x0019,  # OTA Upgrade
        0x0025,  # Keep-Alive
        0x0600,  # Generic Tunnel
        *range(0x0700, 0x070C),  # Price to Sub-GHz
    }
)
"""In unicasts of profile 0x0109, both ways. Broadcasts (Image Notify) are exempt."""


def needs_encryption(cluster: int) -> bool:
    """Whether unicasts of this cluster are encrypted at the APS layer."""
    return cluster in ENCRYPTED_CLUSTERS
