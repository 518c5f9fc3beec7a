"""Verify the supplier's signature on a GB manufacturer image: ECDSA, P-256, SHA-256, r and s of 32 bytes each.

Source: gbcs.md §4.1. A certificate is believed because it is configured: its own issuer, its dates and its revocation
are not looked at, as nothing at hand says how a hub should (the published test certificates ran out in 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from hanctl.trust.certificate import CertificateError
from hanctl.trust.keyfile import read_bytes

_PEM = b"-----BEGIN CERTIFICATE-----"


class SupplierCertificateUnusable(CertificateError):
    """The file holds no X.509 certificate that can verify a supplier's signature."""

    code = "supplier-certificate-unusable"


@dataclass(frozen=True, slots=True)
class SupplierCertificate:
    """A supplier's digital signature certificate: ``name`` is its subject."""

    name: str
    public_key: ec.EllipticCurvePublicKey = field(repr=False)

    def signed(self, manufacturer_image: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` (r and s, 64 bytes) is this supplier's over the manufacturer image."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            self.public_key.verify(encode_dss_signature(r, s), manufacturer_image, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def load_supplier_certificates(path: Path) -> list[SupplierCertificate]:
    """Load the certificates of a file: PEM, one or several, or one as DER.

    Raises NotFound, KeyFileError, SupplierCertificateUnusable.
    """
    data = read_bytes(path)
    try:
        pem = _PEM in data
        certificates = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise SupplierCertificateUnusable(
            f"{path} is no X.509 certificate", "give the supplier's certificate as PEM or DER"
        ) from error
    return [_usable(path, certificate) for certificate in certificates]


def _usable(path: Path, certificate: x509.Certificate) -> SupplierCertificate:
    name = certificate.subject.rfc4514_string()
    try:
        key = certificate.public_key()
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        usage = True
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise SupplierCertificateUnusable(
            f"the certificate of {name} in {path} cannot be read: {error}", "get it again from its supplier"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SupplierCertificateUnusable(
            f"the certificate of {name} in {path} has no P-256 key", "give the supplier's own: its key is on P-256"
        )
    if not usage:
        raise SupplierCertificateUnusable(
            f"the certificate of {name} in {path} is not for digital signatures",
            "suppliers have another for key agreement: give that for digital signature",
        )
    return SupplierCertificate(name, key)
