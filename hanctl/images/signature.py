"""Find the signature of an image, and verify it.

gb form: gbcs.md §4.1. Zigbee form: comms_hub.md §1.2 (the elements) and §1.3 (what a device checks).

Where these sources are silent or unsure, and what is done:

- The signing certificate of suite 2 says what its key is for, and until when (§5.3). §1.3 does not check either, so
  neither is checked: a certificate without the bit for signatures verifies.
- Several certificate elements of the signature's suite: which of them counts is not said, so the signature is invalid.
  One of the other suite is passed over.
- Suite 1 is proven by a published sample of another implementation. For suite 2 there is §1.3 alone.
- The two bytes before a supplier's signature are 00 40 in the one published image that has one. Whether these are a
  number of two bytes, or something else and a number of one, is not known. A body that happens to end so is taken for
  signed (image.has_signature_trailer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.crypto import ecdsa
from hanctl.crypto.curve import PointError
from hanctl.crypto.mmo import mmo_hash
from hanctl.crypto.suites import SUITE_1, SUITE_2, Suite
from hanctl.images.image import SIGNATURE_TRAILER_SIZE, Element, OtaImage
from hanctl.images.supplier import SupplierCertificate
from hanctl.trust.certificate import Certificate, parse_certificate
from hanctl.trust.roots import Root

Status = Literal["verified", "unsigned", "unchecked", "invalid"]
SIGNER_SIZE = 8


@dataclass(frozen=True, slots=True)
class ElementTags:
    """The tags of the two elements of a suite's signature."""

    signature: int
    certificate: int


TAGS: dict[Suite, ElementTags] = {SUITE_1: ElementTags(0x0001, 0x0002), SUITE_2: ElementTags(0x0005, 0x0006)}
_SUITES = {tags.signature: suite for suite, tags in TAGS.items()}


@dataclass(frozen=True, slots=True)
class SignatureTrust:
    """Trusted signers. ``signers``: only these of all that a root certifies; empty: all of them."""

    roots: tuple[Root, ...] = ()
    signers: frozenset[Eui64] = frozenset()
    suppliers: tuple[SupplierCertificate, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.roots or self.suppliers)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on the signature of an image.

    ``status``: "verified"; "unsigned"; "unchecked": it may be right, but there is nothing to check it with, or nobody
    looked; "invalid": it breaks a rule, or is not by whom it should be. ``scheme``: "suite 1", "suite 2" or
    "supplier". ``signer``: an EUI64, or the subject of the supplier's certificate; believed only where verified.
    ``issuer``: the authority that certifies the signer. ``reason``: why it is not verified, one line.
    """

    status: Status
    scheme: str | None = None
    signer: str | None = None
    issuer: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        verified = self.status == "verified"
        by = f", {'' if verified else 'said to be '}signed by {self.signer} ({self.scheme})" if self.signer else ""
        certified = f", certified by {self.issuer}" if self.issuer and verified else ""
        return self.status + by + certified + (f": {self.reason}" if self.reason else "")


class _Wrong(Exception):
    """The signature breaks a rule."""


def check(data: bytes, image: OtaImage, trust: SignatureTrust) -> Verdict:
    """Judge the signature of a file that was parsed; it takes most of a second for each megabyte that is signed."""
    if image.form == "gb":
        return _check_supplier(data, image, trust)
    signatures = [element for element in image.elements if element.tag in _SUITES]
    if not signatures:
        return Verdict("unsigned", reason="there is no signature element")
    if len(signatures) > 1:
        return Verdict("invalid", reason=f"there are {len(signatures)} signature elements, and there must be one alone")
    (element,) = signatures
    suite = _SUITES[element.tag]
    scheme, size = f"suite {suite.number}", SIGNER_SIZE + suite.signature_size
    if element.length != size:
        reason = f"the signature element has {element.length} bytes, and must have {size}"
        return Verdict("invalid", scheme, reason=reason)
    signer = from_bytes(data[element.offset : element.offset + SIGNER_SIZE])
    try:
        certificate = _certificate(data, image, suite)
        signature = _signature(image, element, certificate, data, signer, trust)
        if not any(root.suite is suite for root in trust.roots):
            return Verdict("unchecked", scheme, signer, certificate.issuer, f"no root of {suite} is configured")
        _verify(data[: image.header.total_image_size - len(signature)], signature, certificate, trust)
    except _Wrong as wrong:
        return Verdict("invalid", scheme, signer, reason=str(wrong))
    return Verdict("verified", scheme, signer, certificate.issuer)


def _certificate(data: bytes, image: OtaImage, suite: Suite) -> Certificate:
    tag = TAGS[suite].certificate
    found = [element for element in image.elements if element.tag == tag]
    if len(found) != 1:
        raise _Wrong(
            f"there are {len(found)} certificate elements of its suite (tag 0x{tag:04x}), and there must be one"
        )
    (element,) = found
    if element.length != suite.certificate_size:
        raise _Wrong(f"its certificate has {element.length} bytes, and must have {suite.certificate_size}")
    return parse_certificate(data[element.offset : element.offset + element.length], suite)


def _signature(
    image: OtaImage, element: Element, certificate: Certificate, data: bytes, signer: Eui64, trust: SignatureTrust
) -> bytes:
    """Return r and s, if no rule is broken that can be checked without an authority."""
    if trust.signers and signer not in trust.signers:
        raise _Wrong("its signer is not among those allowed")
    if certificate.subject != signer:
        raise _Wrong(f"its certificate is that of {certificate.subject}")
    if image.elements[-1] != element:
        raise _Wrong("elements follow the signature, which does not cover them: it must be the last")
    signature = data[element.offset + SIGNER_SIZE : element.offset + element.length]
    if not ecdsa.in_range(certificate.suite.curve, signature):
        raise _Wrong("r or s is out of range: it is no signature at all")
    return signature


def _verify(signed: bytes, signature: bytes, certificate: Certificate, trust: SignatureTrust) -> None:
    """Raise _Wrong unless the signer's key, computed from certificate and authority, made the signature."""
    suite = certificate.suite
    roots = [root for root in trust.roots if root.suite is suite and root.issuer == certificate.issuer]
    if not roots:
        raise _Wrong(f"its signer is certified by {certificate.issuer}, which is no configured root")
    try:
        keys = [certificate.public_key(root.public_key) for root in roots]
    except PointError as error:
        raise _Wrong(f"its certificate holds no proper point: {error}") from error
    digest = mmo_hash(signed)
    if not any(ecdsa.verify(suite.curve, key, digest, signature) for key in keys):
        raise _Wrong("image, certificate and signature do not belong together: one of them was altered or is false")


def _check_supplier(data: bytes, image: OtaImage, trust: SignatureTrust) -> Verdict:
    if not image.signature_trailer:
        return Verdict("unsigned", reason="the manufacturer image ends in no signature")
    if not trust.suppliers:
        return Verdict("unchecked", "supplier", reason="no supplier's certificate is configured")
    body = data[image.header.header_length : image.header.total_image_size]
    manufacturer_image, signature = body[:-SIGNATURE_TRAILER_SIZE], body[-SIGNATURE_TRAILER_SIZE:][2:]
    for supplier in trust.suppliers:
        if supplier.signed(manufacturer_image, signature):
            return Verdict("verified", "supplier", supplier.name)
    return Verdict("invalid", "supplier", reason="it is of none of the suppliers whose certificates are configured")
