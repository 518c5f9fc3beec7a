"""The bench's own certificate authority."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from trust_bench import DISPLAY, HUB, ISSUED_AT

from hanctl.base.errors import NotFound, Refused
from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import SUITE_2
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.certificate import FOR_EVER, Suite2Fields
from hanctl.trust.keyfile import KeyFileError

NAME = Eui64("00:11:22:33:44:55:66:77")


def test_made_kept_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "ca.json"
    authority = BenchAuthority.init(path, NAME)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert BenchAuthority.load(path) == authority
    assert authority.show() == {
        "suite": "suite 2 (sect283k1)",
        "issuer": NAME,
        "public key": SUITE_2.curve.compress(authority.public_key).hex(),
    }
    assert f"{authority.private_key:x}" not in repr(authority) + str(authority.show())
    assert str(authority.private_key) not in repr(authority)


def test_a_second_one_does_not_overwrite_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ca.json"
    first = BenchAuthority.init(path)
    with pytest.raises(Refused):
        BenchAuthority.init(path)
    assert BenchAuthority.load(path) == first


def test_two_benches_have_different_names() -> None:
    assert BenchAuthority.create().issuer != BenchAuthority.create().issuer


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "hanctl certificate authority"}',
        '{"kind": "hanctl certificate authority", "issuer": "x", "private_key": "01"}',
        '{"kind": "hanctl certificate authority", "issuer": "0011223344556677", "private_key": "0"}',
        '{"kind": "hanctl certificate authority", "issuer": "0011223344556677", "private_key": 7}',
        '{"kind": "hanctl credentials"}',
        "not json",
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ca.json"
    path.write_text(text)
    with pytest.raises(KeyFileError):
        BenchAuthority.load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        BenchAuthority.load(tmp_path / "ca.json")


def test_what_it_issues() -> None:
    authority = BenchAuthority.create(NAME)
    one, other = (authority.issue(subject, valid_from=ISSUED_AT) for subject in (HUB, DISPLAY))
    assert (one.subject, other.subject) == (HUB, DISPLAY)
    assert one.certificate.issuer == other.certificate.issuer == NAME
    assert one.authority_key == other.authority_key == authority.public_key
    assert one.private_key != other.private_key
    fields = one.certificate.fields
    assert isinstance(fields, Suite2Fields)
    assert (fields.valid_from, fields.lifetime, fields.key_usage) == (ISSUED_AT, FOR_EVER, 0x08)
    assert len({one.certificate.raw[1:9], other.certificate.raw[1:9]}) == 2


def test_the_source_of_randomness_decides_everything() -> None:
    made = [BenchAuthority.create(below=lambda n: n // 7) for _ in range(2)]
    assert made[0] == made[1]
    certificates = [each.issue(HUB, valid_from=ISSUED_AT, below=lambda n: n // 5).certificate for each in made]
    assert certificates[0] == certificates[1]
