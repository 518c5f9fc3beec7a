"""The two cryptographic suites of key establishment and of image signatures.

Source: comms_hub.md §5.2, §5.3, §5.6; signatures: §1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanctl.crypto.curve import SECT163K1, SECT283K1, Curve


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite. ``bit`` stands for it wherever suites are listed or chosen; all sizes are in bytes."""

    number: int
    bit: int
    curve: Curve
    certificate_size: int

    @property
    def private_key_size(self) -> int:
        return self.curve.scalar_size

    @property
    def public_key_size(self) -> int:
        """The size of any compressed point: public and ephemeral keys, and what a certificate holds."""
        return self.curve.point_size

    @property
    def secret_size(self) -> int:
        """The size of the shared secret Z, an x coordinate."""
        return self.curve.field.size

    @property
    def signature_size(self) -> int:
        """The size of an ECDSA signature: r and s, each as long as a private key."""
        return 2 * self.curve.scalar_size

    @property
    def associate_bits(self) -> int:
        """How many low bits of an x coordinate enter its associate value: half of the order's, rounded up."""
        return (self.curve.order.bit_length() + 1) // 2

    def __str__(self) -> str:
        return f"suite {self.number} ({self.curve.name})"


SUITE_1 = Suite(number=1, bit=0x0001, curve=SECT163K1, certificate_size=48)
SUITE_2 = Suite(number=2, bit=0x0002, curve=SECT283K1, certificate_size=74)
SUITES = (SUITE_1, SUITE_2)


def suite_of_bit(bit: int) -> Suite | None:
    """Return the suite that exactly this value stands for, if any."""
    return next((suite for suite in SUITES if suite.bit == bit), None)
