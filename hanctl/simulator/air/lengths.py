"""Compute the lengths of frames on air: MAC frames in bytes, with check sequence. Source: as ``simulator/sniffer``."""

from __future__ import annotations

from hanctl.simulator.network.fragmentation import ENCRYPTION_OVERHEAD
from hanctl.simulator.network.medium import ApsFrame

DATA_REQUEST = 12
_MAC = 9 + 2
"""Header with two short addresses, check sequence."""
_NWK = 8 + 14 + 4
"""Header, auxiliary header with the source's long address, integrity code."""
_APS = 8
_GROUP = 1
"""A group's address takes so much more than an endpoint."""
_BLOCK, _BLOCK_ACKNOWLEDGEMENT = 2, 3
"""Extended headers."""


def data(frame: ApsFrame) -> int:
    """Return the length of an APS data frame."""
    return (
        _MAC
        + _NWK
        + _APS
        + (_GROUP if frame.group is not None else 0)
        + (_BLOCK if frame.block is not None else 0)
        + (ENCRYPTION_OVERHEAD if frame.secured else 0)
        + len(frame.payload)
    )


def acknowledgement(frame: ApsFrame) -> int:
    """Return the length of the APS acknowledgement of a data frame, under the same security."""
    return (
        _MAC
        + _NWK
        + _APS
        + (_BLOCK_ACKNOWLEDGEMENT if frame.block is not None else 0)
        + (ENCRYPTION_OVERHEAD if frame.secured else 0)
    )
