"""Parse and check implicit certificates of both suites.

Source: comms_hub.md §5.2 (suite 1, 48 bytes) and §5.3 (suite 2, 74 bytes). All fields are big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hanctl.base.errors import ExitCode, HanctlError
from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.crypto.curve import Point
from hanctl.crypto.ecqv import public_key
from hanctl.crypto.suites import SUITE_1, SUITE_2, SUITES, Suite

SUITE_2_TYPE = 0x00
SUITE_2_CURVE = 0x0D
"""sect283k1."""
SUITE_2_HASH = 0x08
"""AES-MMO."""
KEY_AGREEMENT = 0x08
"""Bit of the key usage that a certificate for key establishment must have."""
DIGITAL_SIGNATURE = 0x80
"""Bit of the key usage of those who sign firmware."""
_PURPOSES = {KEY_AGREEMENT: "key establishment", DIGITAL_SIGNATURE: "signing images"}
FOR_EVER = 0xFFFFFFFF
"""Lifetime of a certificate that does not expire."""


class CertificateError(HanctlError):
    """A certificate, or the keys beside it, that cannot be used."""

    code = "certificate-invalid"
    exit_code = ExitCode.REFUSED


class CertificateMalformed(CertificateError):
    """The bytes are not a certificate of the suite."""

    code = "certificate-malformed"


class CertificateUnusable(CertificateError):
    """The certificate is not for ``usage``; ``field`` names the first field that says so."""

    code = "certificate-unusable"

    def __init__(self, field: str, message: str, usage: int = KEY_AGREEMENT) -> None:
        needed = f"a suite 2 certificate: type 00, curve 0d, hash 08, usage {usage:02x}"
        super().__init__(message, f"{_PURPOSES[usage]} needs {needed}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Suite1Fields:
    """Further fields of a suite 1 certificate: 10 bytes for the profile's own use."""

    attributes: bytes


@dataclass(frozen=True, slots=True)
class Suite2Fields:
    """Further fields of a suite 2 certificate.

    ``valid_from`` is in Unix seconds, ``lifetime`` in seconds (FOR_EVER: it does not expire). Devices have no clock
    they trust when they join, so that neither is checked.
    """

    type: int
    serial: int
    curve: int
    hash: int
    valid_from: int
    lifetime: int
    key_usage: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """An implicit certificate: ``reconstruction`` is its compressed point, ``raw`` the whole as it is sent."""

    suite: Suite
    raw: bytes
    subject: Eui64
    issuer: Eui64
    reconstruction: bytes
    fields: Suite1Fields | Suite2Fields

    @property
    def subject_octets(self) -> bytes:
        """Return the subject as in the certificate: most significant byte first."""
        return to_bytes(self.subject)[::-1]

    def check_fields(self, usage: int = KEY_AGREEMENT) -> None:
        """Raise CertificateUnusable if a suite 2 certificate is not for ``usage``, a bit of its key usage."""
        if not isinstance(self.fields, Suite2Fields):
            return
        own = self.fields.key_usage
        for name, value, wanted, fits in (
            ("type", self.fields.type, SUITE_2_TYPE, self.fields.type == SUITE_2_TYPE),
            ("curve", self.fields.curve, SUITE_2_CURVE, self.fields.curve == SUITE_2_CURVE),
            ("hash", self.fields.hash, SUITE_2_HASH, self.fields.hash == SUITE_2_HASH),
            ("key usage", own, usage, bool(own & usage)),
        ):
            if not fits:
                raise CertificateUnusable(
                    name,
                    f"the certificate of {self.subject} has {name} {value:02x} where {wanted:02x} is needed",
                    usage,
                )

    def public_key(self, issuer_key: Point) -> Point:
        """Compute the subject's public key. Raises PointError if the certificate holds no valid point."""
        curve = self.suite.curve
        return public_key(curve, self.raw, curve.decompress(self.reconstruction), issuer_key)

    def describe(self) -> dict[str, str]:
        """Return the content of the certificate for people."""
        said = {"suite": str(self.suite), "subject": str(self.subject), "issuer": str(self.issuer)}
        if isinstance(self.fields, Suite1Fields):
            return said | {"attributes": self.fields.attributes.hex()}
        start = _as_date(self.fields.valid_from)
        expires = (
            "never" if self.fields.lifetime == FOR_EVER else _as_date(self.fields.valid_from, self.fields.lifetime)
        )
        usages = {KEY_AGREEMENT: "key agreement", DIGITAL_SIGNATURE: "digital signature"}
        named = [name for bit, name in usages.items() if self.fields.key_usage & bit]
        return said | {
            "serial": f"{self.fields.serial:016x}",
            "valid from": start,
            "expires": expires,
            "usage": ", ".join(named) or f"{self.fields.key_usage:02x}",
        }


def parse_certificate(data: bytes, suite: Suite | None = None) -> Certificate:
    """Parse a certificate; without ``suite`` its length tells the suite. Raises CertificateMalformed.

    Only the length is checked: Certificate.check_fields and the checks of the point are separate steps.
    """
    if suite is None:
        suite = next((each for each in SUITES if each.certificate_size == len(data)), None)
    if suite is None or len(data) != suite.certificate_size:
        sizes = " or ".join(f"{each.certificate_size} ({each})" for each in ((suite,) if suite else SUITES))
        raise CertificateMalformed(f"{len(data)} bytes are no implicit certificate", f"it must have {sizes} bytes")
    return _parse_suite_1(data) if suite is SUITE_1 else _parse_suite_2(data)


def _parse_suite_1(data: bytes) -> Certificate:
    return Certificate(
        suite=SUITE_1,
        raw=data,
        reconstruction=data[:22],
        subject=_eui64(data[22:30]),
        issuer=_eui64(data[30:38]),
        fields=Suite1Fields(attributes=data[38:]),
    )


def _parse_suite_2(data: bytes) -> Certificate:
    return Certificate(
        suite=SUITE_2,
        raw=data,
        reconstruction=data[37:],
        subject=_eui64(data[28:36]),
        issuer=_eui64(data[11:19]),
        fields=Suite2Fields(
            type=data[0],
            serial=int.from_bytes(data[1:9], "big"),
            curve=data[9],
            hash=data[10],
            valid_from=int.from_bytes(data[19:24], "big"),
            lifetime=int.from_bytes(data[24:28], "big"),
            key_usage=data[36],
        ),
    )


def assemble_suite_2(subject: Eui64, issuer: Eui64, fields: Suite2Fields, reconstruction: bytes) -> bytes:
    """Build the 74 bytes of a suite 2 certificate."""
    return b"".join(
        (
            bytes((fields.type,)),
            fields.serial.to_bytes(8, "big"),
            bytes((fields.curve, fields.hash)),
            to_bytes(issuer)[::-1],
            fields.valid_from.to_bytes(5, "big"),
            fields.lifetime.to_bytes(4, "big"),
            to_bytes(subject)[::-1],
            bytes((fields.key_usage,)),
            reconstruction,
        )
    )


def _eui64(big_endian: bytes) -> Eui64:
    return from_bytes(big_endian[::-1])


def _as_date(unix: int, later: int = 0) -> str:
    """Format as ISO 8601, or as the number if its year is past 9999."""
    try:
        return (datetime.fromtimestamp(unix, UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{unix + later} s after 1970"
