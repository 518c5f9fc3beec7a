"""Authorities that are believed, from every kind of file that names one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trust_bench import DISPLAY, VECTORS, authority, issued, published

from hanctl.base.errors import HanctlError, NotFound
from hanctl.cli.output import print_facts
from hanctl.crypto.suites import SUITE_1, SUITE_2
from hanctl.trust.credentials import save_credentials
from hanctl.trust.roots import Root, load_root

KEY_2 = VECTORS["se2"]["ca"]


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_what_an_authority_shows_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = authority()
    wanted = Root(SUITE_2, bench.issuer, bench.public_key)
    facts = bench.show()
    assert (
        load_root(write(tmp_path / "a.json", {name.replace(" ", "_"): each for name, each in facts.items()})) == wanted
    )
    print_facts(list(facts.items()))
    assert load_root(write(tmp_path / "a.txt", capsys.readouterr().out)) == wanted


def test_files_with_private_keys_name_their_authority_too(tmp_path: Path) -> None:
    bench = authority()
    wanted = Root(SUITE_2, bench.issuer, bench.public_key)
    bench.save(tmp_path / "ca.json")
    save_credentials(tmp_path / "hub.json", issued(DISPLAY))
    assert load_root(tmp_path / "ca.json") == load_root(tmp_path / "hub.json") == wanted


def test_a_root_of_suite_1_is_written_by_hand_or_is_that_of_a_certificate(tmp_path: Path) -> None:
    credentials = published(SUITE_1, "V")
    by_hand = {"issuer": "54:45:53:54:53:45:43:41", "public_key": VECTORS["se1"]["ca"].upper()}
    save_credentials(tmp_path / "hub.json", credentials)
    wanted = Root(SUITE_1, credentials.certificate.issuer, credentials.authority_key)
    assert load_root(write(tmp_path / "root.json", by_hand)) == load_root(tmp_path / "hub.json") == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not name an authority"),
        ("[1, 2]", "does not name an authority"),
        ({"issuer": "0011223344556677"}, "does not name an authority"),
        ({"public_key": KEY_2}, "does not name an authority"),
        ({"issuer": "00112233445566", "public_key": KEY_2}, "does not name an authority"),
        ({"issuer": "0011223344556677", "public_key": "xyz"}, "does not name an authority"),
        ({"issuer": "0011223344556677", "public_key": KEY_2[:-2]}, "has 36 bytes"),
        ({"issuer": "0011223344556677", "public_key": "04" + KEY_2[2:]}, "is none"),
        ({"issuer": "0011223344556677", "public_key": "02" + "00" * 36}, "is none"),
        ({"kind": "hanctl credentials", "certificate": "00"}, "no implicit certificate"),
        ({"kind": "hanctl credentials"}, "does not name an authority"),
    ],
)
def test_a_file_that_names_none_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(HanctlError, match=message) as caught:
        load_root(write(tmp_path / "root.json", content))
    assert caught.value.hint and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"what was given does not exist"):
        load_root(tmp_path / "none.json")
