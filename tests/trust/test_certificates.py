"""Certificates read, checked against their keys, described and kept."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_bench import DISPLAY, ISSUED_AT, VECTORS, authority, issued, published, stranger_authority

from hanctl.base.errors import HanctlError, NotFound
from hanctl.crypto.suites import SUITE_1, SUITE_2
from hanctl.trust.certificate import (
    CertificateError,
    CertificateMalformed,
    CertificateUnusable,
    Suite1Fields,
    Suite2Fields,
    parse_certificate,
)
from hanctl.trust.credentials import (
    AuthorityKeyMismatch,
    Credentials,
    CredentialsIncomplete,
    KeyMismatch,
    PrivateKeyMismatch,
    PublicKeyMismatch,
    credentials_of,
    load_credentials,
    load_raw_files,
    parse_credentials,
    save_credentials,
)
from hanctl.trust.keyfile import KeyFileError

DEVICES: list[dict[str, Any]] = VECTORS["test_devices"]
SUITE_2_DEVICE = DEVICES[2]


def octets(device: dict[str, Any]) -> dict[str, Any]:
    return {
        "certificate": bytes.fromhex(device["cert"]),
        "private_key": bytes.fromhex(device["private_key"]),
        "authority_key": bytes.fromhex(device["ca"]),
        **({"public_key": bytes.fromhex(device["public_key"])} if device["public_key"] else {}),
    }


def certicom_text(device: dict[str, Any]) -> str:
    """As Certicom's web form gives it: each value on the line below its label."""
    return (
        f"CA Pub Key:\n{device['ca']}\nDevice Implicit Cert:\n{device['cert']}\n"
        f"Private Key Reconstruction Data:\n{device['private_key']}\nDevice Public Key:\n{device['public_key']}\n"
    )


def flipped(data: bytes, index: int = -1, bit: int = 1) -> bytes:
    changed = bytearray(data)
    changed[index] ^= bit
    return bytes(changed)


def test_a_suite_2_certificate_field_by_field() -> None:
    certificate = parse_certificate(bytes.fromhex(SUITE_2_DEVICE["cert"]))
    assert certificate.suite is SUITE_2
    assert certificate.subject == "00:22:08:00:00:00:00:01"
    assert certificate.subject_octets == bytes.fromhex("0022080000000001")
    assert certificate.issuer == "11:12:13:14:15:16:17:18"
    assert certificate.reconstruction.hex().startswith("0205bb3d")
    assert certificate.fields == Suite2Fields(
        type=0, serial=0x0B3AD5A312AB75D6, curve=0x0D, hash=8, valid_from=0x5B7ED230, lifetime=2**32 - 1, key_usage=8
    )
    certificate.check_fields()


def test_a_suite_1_certificate_field_by_field() -> None:
    certificate = parse_certificate(bytes.fromhex(DEVICES[0]["cert"]))
    assert certificate.suite is SUITE_1
    assert certificate.subject == "00:22:08:00:00:00:00:01"
    assert certificate.issuer.replace(":", "") == b"TESTSECA".hex()
    assert certificate.reconstruction.hex() == DEVICES[0]["cert"][:44]
    assert certificate.fields == Suite1Fields(attributes=bytes.fromhex("0109108301234567890a"))
    certificate.check_fields()


@pytest.mark.parametrize(
    ("index", "value", "field"), [(0, 1, "type"), (9, 1, "curve"), (10, 1, "hash"), (36, 0x80, "key usage")]
)
def test_a_certificate_for_something_else_names_the_field(index: int, value: int, field: str) -> None:
    raw = bytearray.fromhex(SUITE_2_DEVICE["cert"])
    raw[index] = value
    with pytest.raises(CertificateUnusable) as caught:
        parse_certificate(bytes(raw)).check_fields()
    assert caught.value.field == field
    assert field in str(caught.value)


def test_further_usages_do_no_harm() -> None:
    raw = bytearray.fromhex(SUITE_2_DEVICE["cert"])
    raw[36] = 0x88
    parse_certificate(bytes(raw)).check_fields()


@pytest.mark.parametrize("size", [0, 1, 47, 49, 73, 75])
def test_other_lengths_are_no_certificate(size: int) -> None:
    with pytest.raises(CertificateMalformed):
        parse_certificate(bytes(size))


def test_a_length_of_the_other_suite_is_refused_where_the_suite_is_known() -> None:
    with pytest.raises(CertificateMalformed):
        parse_certificate(bytes(48), SUITE_2)


@given(st.binary(max_size=80) | st.binary(min_size=74, max_size=74) | st.binary(min_size=48, max_size=48))
def test_any_bytes_are_a_certificate_or_the_named_error(data: bytes) -> None:
    try:
        certificate = parse_certificate(data)
    except CertificateMalformed:
        return
    assert certificate.raw == data
    assert certificate.describe()["subject"] == certificate.subject
    with pytest.raises(CertificateError):
        credentials_of(data, bytes(certificate.suite.private_key_size), bytes(certificate.suite.public_key_size))


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device["where"])
def test_published_devices_load(device: dict[str, Any]) -> None:
    credentials = credentials_of(**octets(device))
    assert credentials.suite.number == device["suite"]
    assert "Certicom's test authority" in credentials.describe()["authority"]


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=str)
@pytest.mark.parametrize("side", ["U", "V"])
def test_the_published_exchanges_parties_load(suite: Any, side: str) -> None:
    assert published(suite, side).suite is suite


class TestMismatch:
    def test_the_private_key_is_named(self) -> None:
        given_octets = octets(SUITE_2_DEVICE)
        given_octets["private_key"] = flipped(given_octets["private_key"])
        with pytest.raises(PrivateKeyMismatch, match="00:22:08:00:00:00:00:01"):
            credentials_of(**given_octets)

    def test_the_authoritys_key_is_named(self) -> None:
        given_octets = octets(SUITE_2_DEVICE)
        given_octets["authority_key"] = SUITE_2.curve.compress(authority().public_key)
        with pytest.raises(AuthorityKeyMismatch):
            credentials_of(**given_octets)

    @pytest.mark.parametrize("index", [1, 12, 20, 25, 30])
    def test_an_altered_certificate_is_refused_whichever_field_it_is(self, index: int) -> None:
        given_octets = octets(SUITE_2_DEVICE)
        given_octets["certificate"] = flipped(given_octets["certificate"], index)
        with pytest.raises(AuthorityKeyMismatch):
            credentials_of(**given_octets)

    def test_the_public_key_is_named(self) -> None:
        given_octets = octets(SUITE_2_DEVICE)
        given_octets["public_key"] = given_octets["authority_key"]
        with pytest.raises(PublicKeyMismatch):
            credentials_of(**given_octets)

    def test_without_a_public_key_nobody_can_tell_which(self) -> None:
        given_octets = octets(SUITE_2_DEVICE)
        del given_octets["public_key"]
        given_octets["private_key"] = flipped(given_octets["private_key"])
        with pytest.raises(KeyMismatch) as caught:
            credentials_of(**given_octets)
        assert type(caught.value) is KeyMismatch
        assert given_octets["private_key"].hex() not in str(caught.value) + caught.value.hint

    @pytest.mark.parametrize("key", [bytes(36), b"\x01" + b"\xff" * 35, bytes(21), b""])
    def test_what_is_no_private_key(self, key: bytes) -> None:
        with pytest.raises(CertificateMalformed):
            credentials_of(**{**octets(SUITE_2_DEVICE), "private_key": key})

    @pytest.mark.parametrize("point", [b"", bytes(37), b"\x02" + bytes(36), b"\x02" + bytes(35) + b"\x01"])
    def test_what_is_no_authoritys_key(self, point: bytes) -> None:
        with pytest.raises(CertificateError, match="point"):
            credentials_of(**{**octets(SUITE_2_DEVICE), "authority_key": point})

    def test_a_certificate_that_is_not_for_key_establishment(self) -> None:
        with pytest.raises(CertificateUnusable):
            credentials_of(
                **{**octets(SUITE_2_DEVICE), "certificate": flipped(bytes.fromhex(SUITE_2_DEVICE["cert"]), 36, 8)}
            )


class TestText:
    @pytest.mark.parametrize("device", DEVICES[:3], ids=lambda device: device["where"])
    def test_certicoms_form(self, device: dict[str, Any]) -> None:
        assert parse_credentials(certicom_text(device)) == credentials_of(**octets(device))

    def test_values_on_the_labels_line_and_other_names_and_cases(self) -> None:
        text = (
            "# my device\r\nIEEE Address: 0022080000000001\r\n"
            f"ca public key: {SUITE_2_DEVICE['ca'].upper()}\r\nDevice  Implicit Cert: {SUITE_2_DEVICE['cert']}\r\n"
            f"Device Private Key:  {SUITE_2_DEVICE['private_key']}\r\nNote: keep safe\r\n"
        )
        assert parse_credentials(text).subject == "00:22:08:00:00:00:00:01"

    def test_values_wrapped_spaced_and_set_off(self) -> None:
        cert = SUITE_2_DEVICE["cert"]
        text = certicom_text(SUITE_2_DEVICE).replace(cert, f"\n{cert[:64]}\n  {' '.join(cert[64:])}\n")
        assert parse_credentials(text).certificate.raw.hex() == cert

    @pytest.mark.parametrize(
        ("label", "named"),
        [
            ("CA Pub Key", "CA Pub Key"),
            ("Device Implicit Cert", "Device Implicit Cert"),
            ("Private Key Reconstruction Data", "Device Private Key"),
        ],
    )
    def test_what_is_missing_is_named(self, label: str, named: str) -> None:
        with pytest.raises(CredentialsIncomplete, match=named):
            parse_credentials(certicom_text(SUITE_2_DEVICE).replace(label, "Something else"))

    def test_two_certificates_in_one_text(self) -> None:
        with pytest.raises(CredentialsIncomplete, match="twice"):
            parse_credentials(certicom_text(DEVICES[0]) + certicom_text(SUITE_2_DEVICE))

    def test_half_a_byte_is_refused_and_not_quoted(self) -> None:
        key = SUITE_2_DEVICE["private_key"]
        with pytest.raises(CertificateMalformed) as caught:
            parse_credentials(certicom_text(SUITE_2_DEVICE).replace(key, key[:-1]))
        assert key[:-1] not in str(caught.value) + caught.value.hint

    @given(st.text(max_size=200) | st.sampled_from(["CA Pub Key:\n", "Device Private Key: zz", ":::"]))
    def test_any_text_is_the_named_error(self, text: str) -> None:
        with pytest.raises(CertificateError):
            parse_credentials(text)


class TestRawFiles:
    @pytest.mark.parametrize("form", ["raw", "hex"])
    @pytest.mark.parametrize("device", DEVICES[1:3], ids=lambda device: device["where"])
    def test_three_files(self, tmp_path: Path, form: str, device: dict[str, Any]) -> None:
        paths = []
        for name in ("cert", "private_key", "ca"):
            path = tmp_path / name
            data = bytes.fromhex(device[name])
            path.write_bytes(data if form == "raw" else (data.hex() + "\n").encode())
            paths.append(path)
        assert load_raw_files(*paths) == credentials_of(**octets(device))

    def test_a_file_of_another_size_or_none(self, tmp_path: Path) -> None:
        path = tmp_path / "certificate"
        with pytest.raises(NotFound):
            load_raw_files(path, path, path)
        path.write_bytes(bytes(5))
        with pytest.raises(CertificateMalformed, match="5 bytes"):
            load_raw_files(path, path, path)


class TestKept:
    @pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=str)
    def test_written_for_the_owner_alone_and_read_again(self, tmp_path: Path, suite: Any) -> None:
        path = tmp_path / "hub.json"
        path.write_text("open to all")
        path.chmod(0o644)
        old_mask = os.umask(0)
        try:
            save_credentials(path, published(suite, "V"))
        finally:
            os.umask(old_mask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [path]
        assert load_credentials(path) == published(suite, "V")

    def test_an_altered_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.json"
        save_credentials(path, issued(DISPLAY))
        fields = json.loads(path.read_text())
        fields["certificate"] = flipped(bytes.fromhex(fields["certificate"]), 3).hex()
        path.write_text(json.dumps(fields))
        with pytest.raises(KeyMismatch):
            load_credentials(path)

    @pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"kind": "hanctl certificate authority"}', "\xff"])
    def test_another_file_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "hub.json"
        path.write_text(text)
        with pytest.raises(KeyFileError):
            load_credentials(path)

    def test_a_file_that_lacks_something(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.json"
        path.write_text('{"kind": "hanctl credentials", "private_key": "zz", "certificate": 5}')
        with pytest.raises(HanctlError):
            load_credentials(path)

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError):
            save_credentials(tmp_path / "missing" / "hub.json", issued(DISPLAY))
        with pytest.raises(NotFound):
            load_credentials(tmp_path / "hub.json")


class TestDescription:
    def test_for_people(self) -> None:
        said = issued(DISPLAY).describe()
        assert said["subject"] == DISPLAY
        assert said["valid from"] == "2025-06-15T15:06:40Z"
        assert said["expires"] == "never"
        assert said["usage"] == "key agreement"
        assert said["authority"].startswith("another authority")

    def test_an_expiry(self) -> None:
        short = authority().issue(DISPLAY, valid_from=ISSUED_AT, lifetime=60)
        assert short.describe()["expires"] == "2025-06-15T15:07:40Z"

    def test_a_start_past_the_calendar(self) -> None:
        far = authority().issue(DISPLAY, valid_from=2**40 - 1, lifetime=60)
        assert far.describe()["valid from"] == f"{2**40 - 1} s after 1970"

    def test_nothing_secret(self) -> None:
        credentials: Credentials = stranger_authority(False).issue(DISPLAY, valid_from=ISSUED_AT)
        shown = repr(credentials) + str(credentials.describe())
        assert f"{credentials.private_key:x}" not in shown
        assert str(credentials.private_key) not in shown
