"""A simulated EmberZNet dongle: EZSP over ASH, byte for byte, above the common simulated stack."""

from hanctl.simulator.ezsp.codec import PROTOCOL_VERSIONS
from hanctl.simulator.ezsp.ncp import EzspDongle

__all__ = ["PROTOCOL_VERSIONS", "EzspDongle"]
