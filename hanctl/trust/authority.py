"""Certificate authority for a bench, suite 2: issues certificates for the hub and for development devices.

Retail devices know another authority, and refuse what this one issues.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hanctl.base.errors import InvalidInput, Refused
from hanctl.base.eui64 import Eui64, from_bytes, parse_eui64
from hanctl.crypto.curve import Point
from hanctl.crypto.ecqv import issue
from hanctl.crypto.suites import SUITE_2
from hanctl.trust.certificate import (
    FOR_EVER,
    KEY_AGREEMENT,
    SUITE_2_CURVE,
    SUITE_2_HASH,
    SUITE_2_TYPE,
    Suite2Fields,
    assemble_suite_2,
)
from hanctl.trust.credentials import Credentials, credentials_of
from hanctl.trust.keyfile import KeyFileError, read_key_file, write_key_file

KIND = "hanctl certificate authority"
_CURVE = SUITE_2.curve

Below = Callable[[int], int]
"""``below(n)`` gives a random number from 0 to n - 1; ``secrets.randbelow`` but in tests."""


@dataclass(frozen=True, slots=True)
class BenchAuthority:
    """An issuer name and a key pair."""

    issuer: Eui64
    private_key: int = field(repr=False)

    @classmethod
    def create(cls, issuer: Eui64 | None = None, *, below: Below = secrets.randbelow) -> BenchAuthority:
        """Create an authority; without ``issuer`` its name is random, so that two benches do not share one."""
        name = issuer or from_bytes(below(1 << 64).to_bytes(8, "little"))
        return cls(name, _CURVE.random_scalar(below))

    @classmethod
    def init(cls, path: Path, issuer: Eui64 | None = None, *, below: Below = secrets.randbelow) -> BenchAuthority:
        """Create an authority and save it. Raises Refused if the file exists, KeyFileError."""
        if path.exists():
            raise Refused(
                f"there is an authority already: {path}",
                "a new one would orphan every certificate of the old: move that file away first",
            )
        authority = cls.create(issuer, below=below)
        authority.save(path)
        return authority

    @classmethod
    def load(cls, path: Path) -> BenchAuthority:
        """Load an authority from its file. Raises NotFound, KeyFileError."""
        fields = read_key_file(path, KIND)
        try:
            issuer, private_key = parse_eui64(fields["issuer"]), int(fields["private_key"], 16)
        except (KeyError, TypeError, ValueError, InvalidInput):
            issuer, private_key = None, 0
        if issuer is None or not 0 < private_key < _CURVE.order:
            raise KeyFileError(f"{path} does not hold a certificate authority", "restore it from a backup")
        return cls(issuer, private_key)

    def save(self, path: Path) -> None:
        """Write the authority to a file with mode 0600. Raises KeyFileError."""
        private_key = self.private_key.to_bytes(SUITE_2.private_key_size, "big").hex()
        write_key_file(path, KIND, {"issuer": self.issuer, "private_key": private_key})

    @property
    def public_key(self) -> Point:
        return _CURVE.multiply_generator(self.private_key)

    def issue(
        self,
        subject: Eui64,
        *,
        valid_from: int,
        lifetime: int = FOR_EVER,
        usage: int = KEY_AGREEMENT,
        below: Below = secrets.randbelow,
    ) -> Credentials:
        """Issue certificate and key for one device, or for a signer of images (``usage`` DIGITAL_SIGNATURE).

        ``valid_from`` in Unix seconds, ``lifetime`` in seconds.
        """
        fields = Suite2Fields(
            type=SUITE_2_TYPE,
            serial=below(1 << 64),
            curve=SUITE_2_CURVE,
            hash=SUITE_2_HASH,
            valid_from=valid_from,
            lifetime=lifetime,
            key_usage=usage,
        )
        issued = issue(
            _CURVE, self.private_key, lambda point: assemble_suite_2(subject, self.issuer, fields, point), below
        )
        return credentials_of(
            issued.certificate,
            issued.private_key.to_bytes(SUITE_2.private_key_size, "big"),
            _CURVE.compress(self.public_key),
            usage=usage,
        )

    def show(self) -> dict[str, str]:
        """Return name and public key, which a development device needs; nothing secret."""
        return {"suite": str(SUITE_2), "issuer": self.issuer, "public key": _CURVE.compress(self.public_key).hex()}
