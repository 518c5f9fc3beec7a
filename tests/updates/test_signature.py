"""Verdicts on signatures: files that others signed are verified, and every rule is broken in turn."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_files import (
    BY_OPENSSL,
    PUBLISHED_SUPPLIER,
    SAMPLE,
    SAMPLE_DIGEST,
    SAMPLE_ROOT,
    SAMPLE_SIGNER,
    SUITE_1_FILE,
    SUITE_2_FILE,
    Signed,
    certificate,
    element,
    file,
    supplier_trailer,
)

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import parse_eui64, to_bytes
from hanctl.crypto.mmo import mmo_hash
from hanctl.crypto.suites import SUITE_1, SUITE_2
from hanctl.images.build import Fields, build_signed
from hanctl.images.image import FormChoice, parse
from hanctl.images.image_errors import ImageError
from hanctl.images.signature import SignatureTrust, Status, Verdict, check
from hanctl.images.supplier import SupplierCertificate, load_supplier_certificates
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.certificate import DIGITAL_SIGNATURE

IMAGES = Path(os.environ.get("HANCTL_IMAGES") or Path(__file__).parents[3] / "shared" / "images")
needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason=f"no folder {IMAGES}; set HANCTL_IMAGES to one of images")

BOTH = SignatureTrust(roots=(SUITE_1_FILE.root, SUITE_2_FILE.root))
"""Certicom's test authority, as it names itself in each suite's certificate."""
STRANGER = parse_eui64("00:11:22:33:44:55:66:77")


def judge(data: bytes, trust: SignatureTrust = BOTH, form: FormChoice = "auto") -> Verdict:
    return check(data, parse(data, form), trust)


# --- signed by others


def test_the_sample_of_another_implementation_is_verified() -> None:
    assert len(SAMPLE) == 182
    assert mmo_hash(SAMPLE[:-42]) == SAMPLE_DIGEST
    trust = SignatureTrust(roots=(SAMPLE_ROOT,), signers=frozenset({SAMPLE_SIGNER}))
    assert judge(SAMPLE, trust) == Verdict("verified", "suite 1", SAMPLE_SIGNER, SAMPLE_ROOT.issuer)


def test_no_altered_byte_of_that_sample_is_verified() -> None:
    """Each byte once: header, elements, certificate, signer, r and s."""
    source, trust = random.Random(0), SignatureTrust(roots=(SAMPLE_ROOT,))
    for index in range(len(SAMPLE)):
        changed = bytearray(SAMPLE)
        changed[index] ^= 1 << source.randrange(8)
        try:
            assert judge(bytes(changed), trust).status != "verified", index
        except ImageError:
            continue


@pytest.mark.parametrize("signed", BY_OPENSSL, ids=lambda signed: f"{signed.suite} over {signed.size} bytes")
def test_what_openssl_signed_is_verified(signed: Signed) -> None:
    assert judge(signed.file) == Verdict("verified", f"suite {signed.suite.number}", signed.signer, signed.issuer)


def test_trailing_bytes_are_not_signed_and_do_not_matter() -> None:
    assert judge(SUITE_2_FILE.file + b"after the image").status == "verified"


# --- the rules of comms_hub.md §1.3, broken in turn


def other_certificate(signed: Signed, **changes: bytes) -> bytes:
    """The certificate element with its subject or issuer replaced."""
    raw = bytearray(bytes.fromhex(signed.certificate))
    places = {SUITE_1: {"subject": 22, "issuer": 30}, SUITE_2: {"subject": 28, "issuer": 11}}[signed.suite]
    for name, value in changes.items():
        raw[places[name] : places[name] + 8] = value
    return element(signed.tags[1], bytes(raw))


def with_value(signed: Signed, value: bytes) -> bytes:
    return file(signed.image, signed.certificate_element, element(signed.tags[0], signed.subject[::-1] + value))


def rewritten(signed: Signed) -> list[tuple[str, bytes, str]]:
    image, cert, sig = signed.image, signed.certificate_element, signed.signature_element
    signature_tag, certificate_tag = signed.tags
    order, size = signed.suite.curve.order, signed.suite.private_key_size
    value = bytes.fromhex(signed.signature)
    raw = bytes.fromhex(signed.certificate)
    foreign = SUITE_2_FILE if signed.suite is SUITE_1 else SUITE_1_FILE
    point = 0 if signed.suite is SUITE_1 else 37
    no_point = raw[:point] + b"\x04" + raw[point + 1 :]
    return [
        ("the same signature twice", file(image, cert, sig, sig), "2 signature elements"),
        ("signed in both suites", file(image, cert, foreign.signature_element, sig), "2 signature elements"),
        ("a short signature", file(image, cert, element(signature_tag, bytes(8) + value[:-1])), "and must have"),
        ("an empty signature", file(image, cert, element(signature_tag, b"")), "has 0 bytes, and must have"),
        ("no certificate", file(image, sig), "0 certificate elements"),
        ("a certificate of the other suite", file(image, foreign.certificate_element, sig), "0 certificate elements"),
        ("two certificates", file(image, cert, cert, sig), "2 certificate elements"),
        ("a long certificate", file(image, element(certificate_tag, raw + b"\0"), sig), "its certificate has"),
        (
            "another subject",
            file(image, other_certificate(signed, subject=bytes.fromhex("0011223344556677")), sig),
            "its certificate is that of 00:11:22:33:44:55:66:77",
        ),
        (
            "the signer in the certificate's byte order",
            file(image, cert, element(signature_tag, signed.subject + value)),
            "its certificate is that of",
        ),
        ("an element after the signature", file(image, cert, sig, element(0xF000, b"x")), "must be the last"),
        ("the certificate after the signature", file(image, sig, cert), "must be the last"),
        ("r of nought", with_value(signed, bytes(size) + value[size:]), "out of range"),
        ("s of the order", with_value(signed, value[:size] + order.to_bytes(size, "big")), "out of range"),
        (
            "another issuer",
            file(image, other_certificate(signed, issuer=bytes.fromhex("0011223344556677")), sig),
            "certified by 00:11:22:33:44:55:66:77, which is no configured root",
        ),
        ("no point in the certificate", file(image, element(certificate_tag, no_point), sig), "no proper point"),
        ("another image", file(element(0, b"other"), cert, sig), "do not belong together"),
        ("an altered certificate", file(image, element(certificate_tag, altered(signed)), sig), "belong together"),
        ("r and s the other way round", with_value(signed, value[size:] + value[:size]), "belong together"),
    ]


def altered(signed: Signed) -> bytes:
    """The certificate with a bit flipped that names nobody: of the profile's data, or of the serial number."""
    raw = bytearray(bytes.fromhex(signed.certificate))
    raw[40 if signed.suite is SUITE_1 else 5] ^= 1
    return bytes(raw)


BROKEN = [
    pytest.param(data, signed, reason, id=f"{signed.suite}: {what}")
    for signed in (SUITE_1_FILE, SUITE_2_FILE)
    for what, data, reason in rewritten(signed)
]


@pytest.mark.parametrize(("data", "signed", "reason"), BROKEN)
def test_every_broken_rule_is_named(data: bytes, signed: Signed, reason: str) -> None:
    verdict = judge(data)
    assert verdict.status == "invalid"
    assert reason in verdict.reason and "\n" not in str(verdict)


@pytest.mark.parametrize("signed", [SUITE_1_FILE, SUITE_2_FILE], ids=lambda signed: str(signed.suite))
def test_whose_signature_counts(signed: Signed) -> None:
    other = replace(signed.root, public_key=signed.suite.curve.multiply_generator(4711))
    # An authority of the same name with another key.
    verdict = judge(signed.file, SignatureTrust(roots=(other,)))
    assert verdict.status == "invalid" and "do not belong together" in verdict.reason
    # Both of them under one name: it is enough that one of them fits.
    assert judge(signed.file, SignatureTrust(roots=(other, signed.root))).status == "verified"
    # The right key under another name: an image of a test authority on a hub that believes a production one.
    stranger = replace(signed.root, issuer=STRANGER)
    assert "no configured root" in judge(signed.file, SignatureTrust(roots=(stranger,))).reason
    assert judge(signed.file, replace(BOTH, signers=frozenset({STRANGER, signed.signer}))).status == "verified"
    verdict = judge(signed.file, replace(BOTH, signers=frozenset({STRANGER})))
    assert (verdict.status, verdict.signer) == (
        "invalid",
        signed.signer,
    ) and "not among those allowed" in verdict.reason


def test_without_a_root_of_its_suite_a_signature_is_unchecked_unless_a_rule_is_broken() -> None:
    for trust in (SignatureTrust(), SignatureTrust(roots=(SUITE_1_FILE.root,))):
        verdict = judge(SUITE_2_FILE.file, trust)
        assert (verdict.status, verdict.signer) == ("unchecked", SUITE_2_FILE.signer)
        assert "no root of suite 2" in verdict.reason
    twice = file(SUITE_2_FILE.image, SUITE_2_FILE.signature_element, SUITE_2_FILE.signature_element)
    assert judge(twice, SignatureTrust()).status == "invalid"


def test_an_image_without_a_signature_is_unsigned() -> None:
    for elements in ((SUITE_1_FILE.image,), (SUITE_1_FILE.image, SUITE_1_FILE.certificate_element)):
        assert judge(file(*elements)) == Verdict("unsigned", reason="there is no signature element")


@settings(max_examples=200, deadline=None)
@given(
    elements=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 3, 5, 6, 0xF000]),
            st.one_of(
                st.binary(max_size=90),
                st.sampled_from([bytes.fromhex(each.certificate) for each in (SUITE_1_FILE, SUITE_2_FILE)]),
                st.binary(min_size=50, max_size=50),
                st.binary(min_size=80, max_size=80),
                st.sampled_from([each.signature_element[6:] for each in (SUITE_1_FILE, SUITE_2_FILE)]),
            ),
        ),
        max_size=5,
    ),
    after=st.binary(max_size=4),
)
def test_any_sequence_of_elements_has_a_verdict(elements: list[tuple[int, bytes]], after: bytes) -> None:
    data = file(element(0, b"image"), *(element(tag, content) for tag, content in elements), after=after)
    try:
        verdict = judge(data)
    except ImageError:
        return
    assert verdict.status in ("unsigned", "invalid")


# --- signed by the bench's own authority


def test_what_the_bench_signs_is_verified_with_its_root_alone() -> None:
    authority = BenchAuthority.create()
    signer = authority.issue(SAMPLE_SIGNER, valid_from=0, usage=DIGITAL_SIGNATURE)
    fields = Fields(manufacturer_code=0x1234, image_type=1, file_version=3, hardware_min=1, hardware_max=2)
    data = build_signed(b"new firmware" * 1000, fields, signer, elements=[(0xF000, b"extra")])
    image = parse(data)
    assert image.tags == (0, 0xF000, 6, 5)
    assert image.header.total_image_size == len(data)
    root = replace(SUITE_2_FILE.root, issuer=authority.issuer, public_key=authority.public_key)
    assert judge(data, SignatureTrust(roots=(root,))) == Verdict("verified", "suite 2", SAMPLE_SIGNER, authority.issuer)
    assert judge(data).status == "invalid"
    assert to_bytes(SAMPLE_SIGNER) in data[-80:-72]


# --- the supplier's signature


def supplier(key: ec.EllipticCurvePublicKey, name: str = "CN=supplier") -> SupplierCertificate:
    return SupplierCertificate(name, key)


def test_a_suppliers_signature_covers_the_manufacturer_image_and_nothing_else() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    image = b"a manufacturer's own format"
    data = file(image + supplier_trailer(key, image))
    trust = SignatureTrust(suppliers=(supplier(other.public_key(), "CN=other"), supplier(key.public_key())))
    assert judge(data, trust, "gb") == Verdict("verified", "supplier", "CN=supplier")
    assert judge(data + b"after", trust, "gb").status == "verified"
    forged = supplier_trailer(other, image)
    # The header is not signed: gbcs.md §4.1.
    assert judge(data[:14] + b"\x03" + data[15:], trust, "gb").status == "verified"
    for changed in (
        file(image[:-1] + b"T" + supplier_trailer(key, image)),
        file(image + supplier_trailer(key, b"another image")),
        file(image + forged[:-1] + bytes((forged[-1] ^ 1,))),
    ):
        verdict = judge(changed, trust, "gb")
        assert verdict.status == "invalid" and "none of the suppliers" in verdict.reason
    assert judge(data, SignatureTrust(suppliers=trust.suppliers[:1]), "gb").status == "invalid"
    assert judge(data, BOTH, "gb").status == "unchecked"
    assert judge(file(image), trust, "gb").status == "unsigned"


def test_supplier_certificates_are_read_from_files(tmp_path: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2)]
    certificates = [certificate(key, f"supplier {n}") for n, key in enumerate(keys)]
    pem, der = tmp_path / "two.pem", tmp_path / "one.der"
    pem.write_bytes(b"two of them\n" + b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    der.write_bytes(certificates[0].public_bytes(Encoding.DER))
    assert [each.name for each in load_supplier_certificates(pem)] == ["CN=supplier 0", "CN=supplier 1"]
    (loaded,) = load_supplier_certificates(der)
    assert loaded.public_key.public_numbers() == keys[0].public_numbers()
    der.write_bytes(certificate(keys[0], usages=None).public_bytes(Encoding.DER))
    assert len(load_supplier_certificates(der)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no X.509 certificate"),
        (b"-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----\n", "is no X.509 certificate"),
        (
            certificate(ec.generate_private_key(ec.SECP384R1()).public_key()).public_bytes(Encoding.PEM),
            "has no P-256 key",
        ),
        (
            certificate(ec.generate_private_key(ec.SECP256R1()).public_key(), usages=["key_agreement"]).public_bytes(
                Encoding.PEM
            ),
            "is not for digital signatures",
        ),
        (None, "does not exist"),
    ],
)
def test_a_file_that_is_no_suppliers_certificate_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "supplier.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HanctlError, match=message) as caught:
        load_supplier_certificates(path)
    assert caught.value.hint


# --- as found in the field


FIELD: list[tuple[str, Status, str | None]] = [
    ("plain.zigbee", "unsigned", None),
    ("integrity-code.zigbee", "unsigned", None),
    ("hardware-range.zigbee", "unsigned", None),
    ("many-elements.ota", "unsigned", None),
    ("trailing-bytes.ota", "unsigned", None),
    ("opaque-body.ota", "unsigned", None),
    ("gb-ppmid-11.4.ota", "unsigned", None),
    ("gb-esme-11.1.ota", "verified", "CN=GITTESTSUPPLIER"),
]


def published_supplier() -> SignatureTrust:
    """The supplier's published key in a certificate, as a user would configure it."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(PUBLISHED_SUPPLIER))
    return SignatureTrust(roots=BOTH.roots, suppliers=(supplier(key, "CN=GITTESTSUPPLIER"),))


@needs_images
@pytest.mark.parametrize(("name", "status", "signer"), FIELD, ids=[name for name, _, _ in FIELD])
def test_files_of_the_field(name: str, status: Status, signer: str | None) -> None:
    verdict = judge((IMAGES / name).read_bytes(), published_supplier())
    assert (verdict.status, verdict.signer) == (status, signer)


@needs_images
def test_the_published_suppliers_signature_is_on_every_byte_of_its_manufacturer_image() -> None:
    data, trust = (IMAGES / "gb-esme-11.1.ota").read_bytes(), published_supplier()
    for index in range(60, 295):
        assert judge(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :], trust, "gb").status == "invalid"
    assert judge(data, BOTH).status == "unchecked"
    other = SignatureTrust(suppliers=(supplier(ec.generate_private_key(ec.SECP256R1()).public_key()),))
    assert judge(data, other).status == "invalid"


@needs_images
def test_what_is_no_image_has_no_verdict() -> None:
    listed = {name for name, _, _ in FIELD}
    rest = [path for path in IMAGES.glob("*.*") if path.name not in listed and path.suffix != ".md"]
    for path in rest:
        with pytest.raises(ImageError):
            parse(path.read_bytes())
