"""Signed files written by hand, and signatures on them that other programs made."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.crypto.suites import SUITE_1, SUITE_2, Suite
from hanctl.trust.roots import Root


def element(tag: int, data: bytes) -> bytes:
    return struct.pack("<HI", tag, len(data)) + data


def file(*elements: bytes, after: bytes = b"", field_control: int = 0, optional: bytes = b"") -> bytes:
    """An OTA file written by hand, so that nothing is checked against the project's own builder."""
    body = b"".join(elements)
    length = 56 + len(optional)
    head = b"\x1e\xf1\xee\x0b" + struct.pack("<HHHHHIH", 0x0100, length, field_control, 0x1234, 1, 2, 2)
    return (
        head + b"signed by another".ljust(32, b"\0") + struct.pack("<I", length + len(body)) + optional + body + after
    )


def payload(size: int) -> bytes:
    return bytes(n * 7 & 0xFF for n in range(size))


@dataclass(frozen=True)
class Signed:
    """A suite's signature on ``file``, made by OpenSSL with a published key of Certicom's test authority."""

    suite: Suite
    authority: str
    certificate: str
    size: int
    signature: str

    @property
    def root(self) -> Root:
        key = self.suite.curve.decompress(bytes.fromhex(self.authority))
        return Root(self.suite, self.issuer, key)

    @property
    def tags(self) -> tuple[int, int]:
        return (1, 2) if self.suite is SUITE_1 else (5, 6)

    @property
    def issuer(self) -> Eui64:
        start = 30 if self.suite is SUITE_1 else 11
        return parse_eui64(bytes.fromhex(self.certificate)[start : start + 8].hex())

    @property
    def signer(self) -> Eui64:
        return parse_eui64(self.subject.hex())

    @property
    def subject(self) -> bytes:
        start = 22 if self.suite is SUITE_1 else 28
        return bytes.fromhex(self.certificate)[start : start + 8]

    @property
    def image(self) -> bytes:
        return element(0, payload(self.size))

    @property
    def certificate_element(self) -> bytes:
        return element(self.tags[1], bytes.fromhex(self.certificate))

    @property
    def signature_element(self) -> bytes:
        return element(self.tags[0], self.subject[::-1] + bytes.fromhex(self.signature))

    @property
    def file(self) -> bytes:
        return file(self.image, self.certificate_element, self.signature_element)


# Authorities and certificates: comms_hub.md §7.1, §7.2.
_CA_1 = "0200fde8a7f3d1084224962a4e7c54e69ac3f04da6b8"
_CA_2 = "0207a445022d9f39f49bdc38380026a27a9e0a1799313ab28c5c1a1c6b605154db1dff6752"
_CERTIFICATE_1 = "02020882b1d7df05538f37cdd09a4f6b15368998642b002208000000000154455354534543410109108301234567890a"
_CERTIFICATE_2 = (
    "000b3ad5a312ab75d60d081112131415161718005b7ed230ffffffff002208000000000108"
    "0205bb3d1d1576197ff9ab6563915019a130437adb0ee7915432dc4a09c97dc595c5856800"
)

BY_OPENSSL = (
    Signed(
        SUITE_1,
        _CA_1,
        _CERTIFICATE_1,
        20,
        "03b1e5994c828d360359c2ac7b3361cbb08c1d3d9d031a14f4c712399489e87b48293ffcdd7982d7978f",
    ),
    Signed(
        SUITE_1,
        _CA_1,
        _CERTIFICATE_1,
        9000,
        "0087139ba3270ea3ca49b9e6302c1e92a3fe1b154302ef8465dd560d654e56c678aa1a2f1e0465f5e147",
    ),
    Signed(
        SUITE_2,
        _CA_2,
        _CERTIFICATE_2,
        20,
        "01d15ff246a69a6a423a742566617260931102d0c1a99090217d05c363d39ef8577d228e"
        "01cc1a2e59410693667618e76d70976c22b753639b4e450e783bd193d7ac4a7f164dd45e",
    ),
    Signed(
        SUITE_2,
        _CA_2,
        _CERTIFICATE_2,
        9000,
        "00482d92a0d8f5ac76df66d7db10d46ae5a46cabf17d904b0588aa2e5acca01e6c733547"
        "00cdb21be95bcfb39ac8a8f21bfadb880c815c603cae3fbf9ba718df2bd4ccedb16ae8d7",
    ),
)
"""The longer ones are over 8192 bytes, where the digest's padding changes (comms_hub.md §5.5)."""
SUITE_1_FILE, SUITE_2_FILE = BY_OPENSSL[0], BY_OPENSSL[2]

SAMPLE_DIGEST = bytes.fromhex("e26a886e8030458da084586f2dcb08a2")
SAMPLE_SIGNER = parse_eui64("000d6f0000198b36")
SAMPLE = (
    b"\x1e\xf1\xee\x0b"
    + struct.pack("<HHHHHIH", 0x0100, 56, 0, 0x1002, 0x5678, 5, 2)
    + b"The latest and greatest upgrade."
    + struct.pack("<I", 182)
    + element(0xF000, bytes(range(10)))
    + element(
        0x0002,
        bytes.fromhex("0307792947b3850a9585bf8e25c19d8e8678434f5836")
        + bytes.fromhex("000d6f0000198b36 5445535453454341 01090000000000000000"),
    )
    + element(
        0x0001,
        bytes.fromhex("368b1900006f0d00")
        + bytes.fromhex("01c2c31cb8c40064eabb3189ad8969eac25893183a023bd28d5fb2134d3e07b92e06a258e478d20c7acc"),
    )
)
"""The sample that Silicon Labs' image-builder signed with its test certificate of Certicom's test authority.

Its fields, signature and digest are published, in "Displaying OTA files" at
docs.silabs.com/zigbee/latest/zigbee-image-builder-instructions/03-displaying-ota-files.
"""
SAMPLE_ROOT = Root(SUITE_1, parse_eui64("5445535453454341"), SUITE_1.curve.decompress(bytes.fromhex(_CA_1)))

PUBLISHED_SUPPLIER = "0230c2ab5a0d131726ffbda80e79294cc37534432a3e424405b97a3aba0ffc79dc"
"""The public key for digital signatures of the test supplier 90B3D51F30010000, who signed the published GB image."""


def certificate(
    public_key: ec.EllipticCurvePublicKey, name: str = "supplier", usages: Sequence[str] | None = ("digital_signature",)
) -> x509.Certificate:
    """An X.509 certificate for a supplier's key; who issues it does not matter."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some authority")]))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(datetime(2015, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2025, 1, 1, tzinfo=UTC))
    )
    if usages is not None:
        names = (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
        builder = builder.add_extension(x509.KeyUsage(**{name: name in usages for name in names}), critical=True)
    return builder.sign(issuer, SHA256())


def supplier_trailer(key: ec.EllipticCurvePrivateKey, manufacturer_image: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(manufacturer_image, ec.ECDSA(SHA256())))
    return b"\x00\x40" + r.to_bytes(32, "big") + s.to_bytes(32, "big")
