"""``hanctl ca`` and ``hanctl certificate``: what they make, what they say, and what they refuse."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest

from hanctl.base.errors import ExitCode
from hanctl.cli.main import main
from hanctl.trust.credentials import load_credentials, parse_credentials

DONGLE = "00:12:4b:00:1c:a1:b8:46"
OTHER = "00:12:4b:00:1c:a1:b8:47"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    code = caught.value.code
    return 0 if code is None else int(code)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.json"
    assert run("ca", "init", "--ca", path) == 0
    return path


def issued(ca: Path, name: str, eui: str = DONGLE, *more: str) -> Path:
    path = ca.parent / name
    assert run("ca", "issue", "--ca", ca, "--eui", eui, "--out", path, *more) == 0
    return path


def configuration(directory: Path) -> Path:
    path = directory / "hanctl.toml"
    path.write_text(
        '[hub]\nstate_dir = "state"\nsocket = "hub.sock"\n[dongle]\npath = "/dev/none"\nradio = "ezsp"\n'
        '[trust]\ncertificate = "hub.json"\n'
    )
    return path


def remember_dongle(directory: Path, eui: str) -> None:
    (directory / "state").mkdir()
    with sqlite3.connect(directory / "state" / "ledger.sqlite") as ledger:
        ledger.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, type TEXT, body TEXT)")
        for known in (OTHER, eui):
            body = json.dumps({"dongle_eui64": known})
            ledger.execute("INSERT INTO events (type, body) VALUES ('dongle.opened', ?)", (body,))
    ledger.close()


def test_an_authority_and_what_it_issues(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    credentials = load_credentials(issued(ca, "hub.json"))
    assert credentials.subject == DONGLE
    text = issued(ca, "display.txt", OTHER, "--text")
    assert parse_credentials(text.read_text()).subject == OTHER
    for path in (ca, ca.parent / "hub.json", text):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    capsys.readouterr()
    assert run("ca", "show", "--ca", ca, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["issuer"] == credentials.certificate.issuer
    secrets = [f"{credentials.private_key:072x}", json.loads(ca.read_text())["private_key"]]
    assert run("certificate", "show", ca.parent / "hub.json") == 0
    said = capsys.readouterr().out
    assert DONGLE in said and "suite 2" in said and "key agreement" in said
    assert not any(secret in said or secret in json.dumps(shown) for secret in secrets)


def test_no_private_key_is_overwritten(ca: Path) -> None:
    hub = issued(ca, "hub.json")
    before = ca.read_bytes(), hub.read_bytes()
    assert run("ca", "init", "--ca", ca) == ExitCode.REFUSED
    assert run("ca", "issue", "--ca", ca, "--eui", OTHER, "--out", hub) == ExitCode.REFUSED
    text = issued(ca, "again.txt", DONGLE, "--text")
    assert run("certificate", "import", text, "--out", hub, "--eui", DONGLE) == ExitCode.REFUSED
    assert (ca.read_bytes(), hub.read_bytes()) == before


def test_importing_for_the_dongle_the_hub_had_last(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configuration(ca.parent)
    remember_dongle(ca.parent, DONGLE)
    wrong = issued(ca, "other.txt", OTHER, "--text")
    capsys.readouterr()
    assert run("certificate", "import", wrong, "-c", config) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert OTHER in said.err and DONGLE in said.err and "would refuse it" in said.err
    assert not (ca.parent / "hub.json").exists()
    right = issued(ca, "right.txt", DONGLE, "--text")
    capsys.readouterr()
    assert run("certificate", "import", right, "-c", config) == 0
    assert f"subject     {DONGLE}" in capsys.readouterr().out
    assert load_credentials(ca.parent / "hub.json").subject == DONGLE
    assert run("certificate", "show", "-c", config) == 0


def test_importing_raw_files(ca: Path, tmp_path: Path) -> None:
    text = issued(ca, "display.txt", DONGLE, "--text").read_text().splitlines()
    fields = dict(zip(text[1::2], text[2::2], strict=True))
    files = {}
    for option, label, raw in (
        ("--certificate", "Device Implicit Cert:", True),
        ("--private-key", "Device Private Key:", True),
        ("--ca-key", "CA Pub Key:", False),
    ):
        files[option] = tmp_path / option.strip("-")
        files[option].write_bytes(bytes.fromhex(fields[label]) if raw else fields[label].encode())
    options = [each for option, path in files.items() for each in (option, path)]
    out = tmp_path / "imported.json"
    assert run("certificate", "import", *options, "--out", out, "--eui", DONGLE) == 0
    assert load_credentials(out).subject == DONGLE


def test_a_mismatched_key_is_refused_and_not_quoted(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = issued(ca, "one.txt", DONGLE, "--text").read_text().splitlines()
    two = issued(ca, "two.txt", DONGLE, "--text").read_text().splitlines()
    index = one.index("Device Private Key:") + 1
    mixed = ca.parent / "mixed.txt"
    mixed.write_text("\n".join([*one[:index], two[index], *one[index + 1 :]]))
    capsys.readouterr()
    assert run("certificate", "import", mixed, "--out", ca.parent / "out.json") == ExitCode.REFUSED
    said = capsys.readouterr()
    assert "private key is not that of the certificate" in said.err
    assert two[index].lower() not in said.err.lower()
    assert not (ca.parent / "out.json").exists()


def test_a_key_file_that_others_may_read_is_not_used(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = issued(ca, "hub.json")
    hub.chmod(0o644)
    assert run("certificate", "show", hub) == ExitCode.STATE
    assert "chmod 600" in capsys.readouterr().err
