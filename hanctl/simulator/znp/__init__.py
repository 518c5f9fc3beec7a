"""A Z-Stack 3.30+ coordinator (CC2652 family) on the far side of a serial line, speaking TI's MT protocol."""

from hanctl.simulator.znp.dongle import ZnpDongle

__all__ = ["ZnpDongle"]
