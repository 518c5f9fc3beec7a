"""Make reads that only the device itself can answer: add 5 random attribute ids to those that are wanted.

The request is encrypted to the device, so nobody else can know the ids; a device answers a read id by id, also for
attributes that it does not have (Zigbee Cluster Library, Read Attributes Response). Source: identity.md, "What is
sound"; that real devices repeat unknown ids is asked of silicon in the hardware checklist.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from hanctl.han import zcl
from hanctl.han.errors import MalformedZcl
from hanctl.han.zcl import Foundation, ZclFrame

IDS = range(0x5000, 0xF000)
"""Ids that no standard attribute has."""
COUNT = 5
"""Ids in one secret: 40960^5 possibilities, 76 bits."""

_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Secret:
    """Random attribute ids for one request, never used again."""

    ids: tuple[int, ...]

    @classmethod
    def draw(cls) -> Secret:
        """Draw a new secret."""
        return cls(tuple(_random.sample(IDS, COUNT)))

    def repeated_by(self, response: ZclFrame) -> bool:
        """Tell whether a response repeats every id of the secret."""
        if response.cluster_specific or response.command != Foundation.READ_ATTRIBUTES_RESPONSE:
            return False
        try:
            return set(self.ids) <= zcl.parse_read_attributes_response(response.payload).keys()
        except MalformedZcl:
            return False
