"""Credentials of one side of key establishment: certificate, private key and the issuer's public key.

Credentials are made by ``credentials_of`` alone, which checks that the three belong together. Implicit certificates
carry no signature: unchecked, a wrong key would show only as a device's refusal to confirm a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from hanctl.base.eui64 import Eui64
from hanctl.crypto.curve import Point, PointError
from hanctl.crypto.suites import SUITES, Suite
from hanctl.trust.certificate import (
    KEY_AGREEMENT,
    Certificate,
    CertificateError,
    CertificateMalformed,
    parse_certificate,
)
from hanctl.trust.keyfile import read_bytes, read_key_file, write_key_file

KIND = "hanctl credentials"

TEST_AUTHORITIES = frozenset(
    bytes.fromhex(key)
    for key in (
        "0200fde8a7f3d1084224962a4e7c54e69ac3f04da6b8",
        "0207a445022d9f39f49bdc38380026a27a9e0a1799313ab28c5c1a1c6b605154db1dff6752",
    )
)
"""Public keys of Certicom's test authority, suites 1 and 2. Source: comms_hub.md §7.1, §7.2."""

_LABELS = {
    "ca pub key": "ca",
    "ca public key": "ca",
    "device implicit cert": "certificate",
    "device implicit certificate": "certificate",
    "private key reconstruction data": "private",
    "device private key": "private",
    "device public key": "public",
}
_HEX_LINE = re.compile(r"[0-9a-f]+")
_SPACES = re.compile(r"\s+")


class CredentialsIncomplete(CertificateError):
    """The text lacks one of certificate, private key and authority's key, or has one twice."""

    code = "credentials-incomplete"


class KeyMismatch(CertificateError):
    """Certificate, private key and authority's public key do not belong together."""

    code = "certificate-key-mismatch"


class PrivateKeyMismatch(KeyMismatch):
    """The private key is another certificate's."""

    code = "private-key-mismatch"


class AuthorityKeyMismatch(KeyMismatch):
    """The private key is right, but this authority did not issue this certificate, or it was altered."""

    code = "authority-key-mismatch"


class PublicKeyMismatch(KeyMismatch):
    """Everything fits except the public key that was given too."""

    code = "public-key-mismatch"


@dataclass(frozen=True, slots=True)
class Credentials:
    """``authority_key`` is the issuer's public key, which also the partners' certificates are read with."""

    certificate: Certificate
    authority_key: Point
    private_key: int = field(repr=False)

    @property
    def suite(self) -> Suite:
        return self.certificate.suite

    @property
    def subject(self) -> Eui64:
        return self.certificate.subject

    def describe(self) -> dict[str, str]:
        """Describe the credentials for people; nothing secret."""
        compressed = self.suite.curve.compress(self.authority_key)
        who = "Certicom's test authority" if compressed in TEST_AUTHORITIES else "another authority"
        return self.certificate.describe() | {"authority": f"{who} ({compressed.hex()})"}


def credentials_of(
    certificate: bytes,
    private_key: bytes,
    authority_key: bytes,
    public_key: bytes | None = None,
    *,
    usage: int = KEY_AGREEMENT,
) -> Credentials:
    """Make credentials from raw octets, points compressed; ``usage``: what the certificate must be for.

    ``public_key`` is the subject's, where it was given: with it the error can name which of the others is wrong.
    Raises CertificateMalformed, CertificateUnusable, KeyMismatch or one of its kinds, and CertificateError.
    """
    parsed = parse_certificate(certificate)
    parsed.check_fields(usage)
    suite = parsed.suite
    scalar = int.from_bytes(private_key, "big")
    if len(private_key) != suite.private_key_size or not 0 < scalar < suite.curve.order:
        raise CertificateMalformed(
            f"the private key given with the certificate of {parsed.subject} is not one of {suite}",
            f"it must have {suite.private_key_size} bytes, and be less than the curve's order",
        )
    try:
        authority = suite.curve.decompress(authority_key)
        reconstructed = parsed.public_key(authority)
    except PointError as error:
        raise CertificateError(
            f"the certificate of {parsed.subject}, or its authority's key, holds no proper point: {error}",
            "it was altered, or is of another suite: get it again from its issuer",
        ) from error
    _check_keys(parsed, suite.curve.multiply_generator(scalar), reconstructed, public_key)
    return Credentials(parsed, authority, scalar)


def _check_keys(certificate: Certificate, own: Point, reconstructed: Point, given: bytes | None) -> None:
    """Raise a kind of KeyMismatch unless private key and certificate give the same public key, the one given."""
    curve, subject = certificate.suite.curve, certificate.subject
    own_octets, reconstructed_octets = curve.compress(own), curve.compress(reconstructed)
    if own_octets == reconstructed_octets:
        if given not in (None, own_octets):
            raise PublicKeyMismatch(
                f"the public key given with the certificate of {subject} is not its subject's",
                "private key and certificate belong together: leave the public key out",
            )
    elif given == reconstructed_octets:
        raise PrivateKeyMismatch(
            f"the private key is not that of the certificate of {subject}",
            "get the private key itself: reconstruction data that still lacks the requester's secret will not do",
        )
    elif given == own_octets:
        raise AuthorityKeyMismatch(
            f"the certificate of {subject} was altered, or not issued by the authority whose key was given",
            "the private key is right: get the certificate and the authority's public key again",
        )
    else:
        raise KeyMismatch(
            f"certificate of {subject}, private key and authority's public key do not belong together",
            "check that all three are from one file: any of them may be the wrong one",
        )


def parse_credentials(text: str) -> Credentials:
    """Read Certicom's text form: labels that end in a colon, each with hex behind it or on the lines below.

    Unknown labels are passed over. Raises CredentialsIncomplete, and what credentials_of raises. No error quotes the
    text.
    """
    found: dict[str, str] = {}
    current: str | None = None
    for line in text.splitlines():
        label, colon, rest = line.partition(":")
        if colon:
            current = _LABELS.get(_SPACES.sub(" ", label.strip().lower()))
            if current in found:
                raise CredentialsIncomplete(f"'{label.strip()}' occurs twice", "give one certificate at a time")
        digits = _SPACES.sub("", rest if colon else line).lower()
        if not digits:
            continue
        if current is None or (not colon and not _HEX_LINE.fullmatch(digits)):
            current = None
            continue
        found[current] = found.get(current, "") + digits
    missing = [label for label in ("certificate", "private", "ca") if not found.get(label)]
    if missing:
        names = {"certificate": "Device Implicit Cert", "private": "Device Private Key", "ca": "CA Pub Key"}
        raise CredentialsIncomplete(
            "the text has no " + ", no ".join(f"'{names[label]}:'" for label in missing),
            "give Certicom's text form with its labels, or the three raw files",
        )
    octets = {name: _octets(name, digits) for name, digits in found.items()}
    return credentials_of(octets["certificate"], octets["private"], octets["ca"], octets.get("public"))


def _octets(name: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise CertificateMalformed(f"what is given as {name} is not hexadecimal", "give pairs of hex digits") from None


def read_raw(path: Path, sizes: tuple[int, ...]) -> bytes:
    """Read a file of raw octets, or of hex, whichever has a length in ``sizes`` (bytes).

    Raises NotFound, KeyFileError, CertificateMalformed.
    """
    data = read_bytes(path)
    digits = _SPACES.sub("", data.decode("ascii", errors="replace")).lower()
    if _HEX_LINE.fullmatch(digits) and len(digits) // 2 in sizes and len(digits) % 2 == 0:
        return bytes.fromhex(digits)
    if len(data) in sizes:
        return data
    raise CertificateMalformed(
        f"{path} has {len(data)} bytes", f"it must have {' or '.join(map(str, sizes))} bytes, raw or in hex"
    )


def load_raw_files(certificate: Path, private_key: Path, authority_key: Path) -> Credentials:
    """Load credentials from three raw files. Raises what read_raw and credentials_of raise."""
    raw = read_raw(certificate, tuple(suite.certificate_size for suite in SUITES))
    suite = parse_certificate(raw).suite
    return credentials_of(
        raw,
        read_raw(private_key, (suite.private_key_size,)),
        read_raw(authority_key, (suite.public_key_size,)),
    )


def save_credentials(path: Path, credentials: Credentials, mode: int = 0o600) -> None:
    """Write credentials to a file. Raises KeyFileError."""
    suite = credentials.suite
    write_key_file(
        path,
        KIND,
        {
            "certificate": credentials.certificate.raw.hex(),
            "authority_key": suite.curve.compress(credentials.authority_key).hex(),
            "private_key": credentials.private_key.to_bytes(suite.private_key_size, "big").hex(),
        },
        mode,
    )


def load_credentials(path: Path, *, usage: int = KEY_AGREEMENT) -> Credentials:
    """Read a file of save_credentials, and check it again. Raises NotFound, KeyFileError, CertificateError."""
    fields = read_key_file(path, KIND)
    octets = {
        name: _octets(name, str(fields.get(name, ""))) for name in ("certificate", "private_key", "authority_key")
    }
    return credentials_of(octets["certificate"], octets["private_key"], octets["authority_key"], usage=usage)
