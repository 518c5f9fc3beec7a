"""Commands that need no daemon, and what every command owes its user."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from hanctl.base.errors import ExitCode, InvalidInput
from hanctl.cli.main import app, main
from hanctl.cli.options import duration, number

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"
TYPE = re.compile(r"<[^|<>]*>")
"""A type of Python in help, such as <int>, <list[str]> or <path>; choices have a bar: <now|hold>."""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    code = caught.value.code
    return 0 if code is None else int(code)


def commands() -> Iterator[tuple[str, ...]]:
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from ((name, inner) for inner in command.commands)
        else:
            yield (name,)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_examples_and_is_documented(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--help") == 0
    help_text = capsys.readouterr().out
    assert "Examples:" in help_text
    assert TYPE.findall(help_text) == []
    assert f"hanctl {' '.join(command)}" in help_text.split("Examples:")[1]
    assert f"`hanctl {' '.join(command)}`" in DOCUMENT.read_text()


@pytest.mark.parametrize("group", ["", *sorted({command[0] for command in commands() if len(command) > 1})])
def test_the_help_of_a_group_names_no_type_of_python(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*group.split(), "--help") == 0
    assert TYPE.findall(capsys.readouterr().out) == []


def test_the_exit_codes_are_documented_exactly() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(code.value, code.name) for code in ExitCode]


def test_without_a_daemon_every_client_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = str(tmp_path / "none.sock")
    eui = "00:0d:6f:00:0a:90:69:e7"
    for command in (
        ("status",),
        ("device", "list"),
        ("device", "show", eui),
        ("firmware", "list"),
        ("update", "list"),
        ("update", "wait", "1"),
        ("events", "--follow"),
    ):
        assert run(*command, "--socket", socket) == ExitCode.DAEMON_UNREACHABLE
        error = capsys.readouterr().err.splitlines()
        assert error[0] == "error: no daemon answers on the socket that was given (--socket)"
        assert error[1].startswith("hint: start it: hanctl run") and len(error) == 2


def test_the_version_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("hanctl ")
    assert run("update", "start") == ExitCode.USAGE
    assert run("device", "show", "nonsense") == ExitCode.USAGE
    assert "what was given is not an EUI64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        (("nothing",), "there is no such command", "hanctl"),
        (("update", "start"), "Missing option", "hanctl update start"),
        (("update", "show", "one"), "Invalid value for 'ID'", "hanctl update show"),
        (
            ("join", "--eui", "000d6f000a9069e7", "--type", "toaster"),
            "Invalid value for '--type': not one of",
            "hanctl join",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint_too(
    arguments: tuple[str, ...], message: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == ExitCode.USAGE
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and message in error
    assert hint.startswith("hint: see: ") and hint.endswith(f"{command.removeprefix('hanctl')} --help")


def test_what_is_no_join_order_is_refused_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    join = ("join", "--eui", "000d6f000a9069e7", "--install-code-file")
    assert run(*join, str(empty)) == ExitCode.USAGE
    assert "the install code is empty" in capsys.readouterr().err
    (tmp_path / "code").write_text("83FED3407A939723A5C639B26916D505C3B5")
    for window in ("0s", "25h"):
        assert run(*join, str(tmp_path / "code"), "--window", window) == ExitCode.USAGE
        assert "this length of --window is not allowed" in capsys.readouterr().err


def test_an_image_that_cannot_be_built_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload, image = tmp_path / "empty.bin", tmp_path / "image.ota"
    payload.write_bytes(b"")
    header = ("--manufacturer", "1", "--type", "1", "--version", "1")
    assert run("firmware", "build", str(payload), *header, "-o", str(image)) == ExitCode.BAD_IMAGE
    assert "no file was made" in capsys.readouterr().err
    assert not image.exists()


def test_names_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload, image, store = tmp_path / "app.bin", tmp_path / "app.ota", str(tmp_path / "store")
    payload.write_bytes(b"x")
    header = ("--manufacturer", "1", "--type", "1", "--version", "1")
    assert run("firmware", "build", str(payload), *header, "-o", str(image)) == 0
    assert run("firmware", "add", str(image), "--store", store, "--name", "[red]x[/blue]") == 0
    capsys.readouterr()
    assert run("firmware", "list", "--store", store) == 0
    assert "[red]x[/blue]" in capsys.readouterr().out


def test_a_config_with_a_typo_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('[dongle]\npath = "/dev/none"\nradio = "ezsp"\n[network]\nchanel = 15\n')
    assert run("run", "-c", str(file)) == ExitCode.CONFIG
    assert "did you mean 'channel'?" in capsys.readouterr().err
    assert run("status", "-c", str(file)) == ExitCode.CONFIG


def test_an_install_code_cannot_be_an_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "83FED3407A939723A5C639B26916D505C3B5"
    assert run("join", "--eui", "00:0d:6f:00:0a:90:69:e7", "--install-code", code) == ExitCode.USAGE
    assert run("join", "--eui", "00:0d:6f:00:0a:90:69:e7", code) == ExitCode.USAGE
    missing = str(tmp_path / "none")
    assert run("join", "--eui", "00:0d:6f:00:0a:90:69:e7", "--install-code-file", missing) == ExitCode.NOT_FOUND


def test_a_store_is_worked_on_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload, image, store = tmp_path / "app.bin", tmp_path / "app.ota", str(tmp_path / "store")
    payload.write_bytes(b"application" * 50)
    header = "--manufacturer 0x1234 --type 1 --version 0x20000 --hardware-min 1 --hardware-max 2"
    built = ("firmware", "build", *header.split())
    assert run(*built, str(payload), "-o", str(image)) == 0
    assert run(*built, str(payload), "-o", str(image)) == ExitCode.REFUSED
    assert run("firmware", "add", str(image), "--store", store) == 0
    capsys.readouterr()
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    assert run("firmware", "list", "--store", store, "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["file_sha256"], listed["file_version"], listed["name"]) == (sha256, 0x20000, "app.ota")
    assert (listed["hardware_min"], listed["hardware_max"]) == (1, 2)
    assert run("firmware", "show", sha256[:8], "--store", store) == 0
    assert sha256 in capsys.readouterr().out
    image.write_bytes(image.read_bytes()[:-1])
    assert run("firmware", "add", str(image), "--store", store) == ExitCode.BAD_IMAGE
    assert run("firmware", "remove", sha256, "--store", store) == 0
    assert run("firmware", "show", sha256, "--store", store) == ExitCode.NOT_FOUND
    assert run("firmware", "add", str(tmp_path / "none"), "--store", store) == ExitCode.NOT_FOUND


def test_an_image_is_signed_and_verified_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca, root, signer, payload, plain, signed, store = (
        str(tmp_path / name) for name in ("ca.json", "root.json", "signer.json", "app", "plain.ota", "app.ota", "store")
    )
    Path(payload).write_bytes(b"application" * 1000)
    header = ("--manufacturer", "0x1234", "--type", "1", "--version", "2")
    assert run("ca", "init", "--ca", ca) == 0
    assert run("ca", "issue", "--ca", ca, "--eui", "000d6f000a000099", "--out", signer, "--signer") == 0
    capsys.readouterr()
    assert run("ca", "show", "--ca", ca, "--json") == 0
    Path(root).write_text(capsys.readouterr().out)
    assert run("firmware", "build", payload, *header, "-o", plain) == 0
    assert run("firmware", "build", payload, *header, "-o", signed, "--sign", signer) == 0
    assert "signed by 00:0d:6f:00:0a:00:00:99 (suite 2 (sect283k1))" in capsys.readouterr().out
    data = Path(signed).read_bytes()
    key = bytes.fromhex(json.loads(Path(signer).read_text())["private_key"])
    assert key not in data

    required = ("--store", store, "--signatures", "require", "--root", root)
    assert run("firmware", "add", plain, *required) == ExitCode.REFUSED
    assert "error: the image is not verified: unsigned" in capsys.readouterr().err
    assert run("firmware", "add", signed, *required, "--signer", "00:11:22:33:44:55:66:77") == ExitCode.REFUSED
    assert "not among those allowed" in capsys.readouterr().err
    assert run("firmware", "add", signed, *required, "--signer", "00:0d:6f:00:0a:00:00:99") == 0
    assert "signature                  verified, signed by 00:0d:6f:00:0a:00:00:99" in capsys.readouterr().out
    assert run("firmware", "add", plain, "--store", store, "--root", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["signature"]["status"] == "unsigned"
    for more, statuses in (
        (("--root", root), ["verified", "unsigned"]),
        ((), ["unchecked", "unsigned"]),
        (("--signatures", "off"), ["unchecked", "unchecked"]),
    ):
        assert run("firmware", "list", "--store", store, "--json", *more) == 0
        listed = {image["name"]: image["signature"]["status"] for image in json.loads(capsys.readouterr().out)}
        assert [listed["app.ota"], listed["plain.ota"]] == statuses
    assert run("firmware", "list", "--store", store, "--root", root) == 0
    assert "verified" in capsys.readouterr().out
    sha256 = hashlib.sha256(data).hexdigest()
    assert run("firmware", "show", sha256[:8], "--store", store, "--root", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["signature"]["signer"] == "00:0d:6f:00:0a:00:00:99"
    assert (tmp_path / "store" / f"{sha256}.ota").read_bytes() == data


def test_what_cannot_sign_or_verify_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca, hub, payload, out, store = (str(tmp_path / name) for name in ("ca.json", "hub.json", "app", "x.ota", "store"))
    Path(payload).write_bytes(b"application")
    assert run("ca", "init", "--ca", ca) == 0
    assert run("ca", "issue", "--ca", ca, "--eui", "000d6f000a000099", "--out", hub) == 0
    build = ("firmware", "build", payload, "--manufacturer", "1", "--type", "1", "--version", "2", "-o", out)
    # A certificate for establishing keys is none for signing.
    assert run(*build, "--sign", hub) == ExitCode.REFUSED
    assert "usage 80" in capsys.readouterr().err
    assert run(*build, "--sign", ca) == ExitCode.STATE
    assert run(*build, "--sign", str(tmp_path / "none")) == ExitCode.NOT_FOUND
    assert run(*build, "--sign", hub, "--form", "gb") == ExitCode.USAGE
    Path(hub).chmod(0o644)
    assert run(*build, "--sign", hub) == ExitCode.STATE
    assert "chmod 600" in capsys.readouterr().err
    assert not Path(out).exists()
    assert run(*build) == 0
    for options, code in (
        (("--root", ca), ExitCode.USAGE),
        (("--signatures", "require"), ExitCode.USAGE),
        (("--store", store, "--signatures", "require"), ExitCode.CONFIG),
        (("--store", store, "--signatures", "maybe"), ExitCode.USAGE),
        (("--store", store, "--root", payload), ExitCode.REFUSED),
        (("--store", store, "--root", str(tmp_path / "none")), ExitCode.NOT_FOUND),
        (("--store", store, "--supplier-certificate", payload), ExitCode.REFUSED),
        (("--store", store, "--signer", "nobody"), ExitCode.USAGE),
    ):
        for command in (("add", out), ("list",), ("show", "01234567")):
            assert run("firmware", *command, *options) == code, options
    assert not Path(store).exists()


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2h", 7200)])
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "1d", "5 minutes", "h1"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InvalidInput):
        duration(text)


def test_numbers_are_decimal_or_hex() -> None:
    assert (number("18"), number("0x12")) == (18, 18)
    with pytest.raises(InvalidInput):
        number("twelve")


def test_the_command_line_does_not_load_what_only_the_daemon_needs() -> None:
    code = (
        "import sys, hanctl.cli.main; print([m for m in ('zigpy', 'fastapi', 'sqlalchemy', 'alembic', 'pydantic', "
        "'httpx', 'uvicorn', 'bellows') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_keys_without_a_capture_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", "--pcap-keys", str(tmp_path / "keys")) == ExitCode.USAGE
    assert "--pcap FILE" in capsys.readouterr().err
    assert run("simulate", "--pcap", str(tmp_path / "none" / "air.pcap")) == ExitCode.USAGE
    assert "cannot be written" in capsys.readouterr().err
