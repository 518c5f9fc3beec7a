"""Which hub a command speaks to: what is typed comes before the environment; and the hub is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import product
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from tempfile import TemporaryDirectory

import pytest

from hanctl.base.errors import ExitCode
from hanctl.cli.main import main
from hanctl.cli.options import connect

NAMED = {
    "--socket": "typed.sock",
    "-c": "configured.sock",
    "HANCTL_SOCKET": "variable.sock",
    "HANCTL_URL": "http://127.0.0.1:1",
}


@pytest.fixture
def places() -> Iterator[Path]:
    # Short: the path of a Unix socket holds 107 bytes.
    with TemporaryDirectory(prefix="hanctl-") as directory:
        config = '[hub]\nsocket = "configured.sock"\n[dongle]\npath = "/dev/none"\nradio = "ezsp"\n'
        (Path(directory) / "rig.toml").write_text(config)
        token = Path(directory) / "token"
        token.touch(0o600)
        token.write_text("0123456789abcdef" * 2)
        yield Path(directory)


@pytest.mark.parametrize("given", list(product([False, True], repeat=4)))
def test_the_first_that_is_named_counts_and_what_is_typed_is_before_the_environment(
    given: tuple[bool, ...], places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [name for name, there in zip(NAMED, given, strict=True) if there]
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(places / "default"))
    monkeypatch.setattr("hanctl.config.paths.SYSTEM_SOCKET", places / "none")
    monkeypatch.setenv("HANCTL_TOKEN_FILE", str(places / "token"))
    for name in ("--socket", "-c", "HANCTL_SOCKET"):
        (places / NAMED[name]).touch()
    for name in ("HANCTL_SOCKET", "HANCTL_URL"):
        value = NAMED[name] if name == "HANCTL_URL" else str(places / NAMED[name])
        # Set to nothing is not set.
        monkeypatch.setenv(name, value if name in named else "")
    socket = places / NAMED["--socket"] if "--socket" in named else None
    config = places / "rig.toml" if "-c" in named else None
    told = str(connect(socket, config))
    if named:
        assert NAMED[named[0]] in told and f"({named[0]}" in told
    else:
        assert told == str(places / "default" / "hanctl.sock")


@pytest.mark.parametrize("there", [False, True])
def test_a_hub_that_does_not_answer_is_named_with_what_named_it_and_its_socket_if_there_is_one(
    there: bool, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HANCTL_SOCKET", str(places / "variable.sock"))
    config = str(places / "rig.toml")
    for name in ("--socket", "-c", "HANCTL_SOCKET") if there else ():
        (places / NAMED[name]).touch()
    for arguments, socket, named in (
        ((), "variable.sock", "HANCTL_SOCKET"),
        (("-c", config), "configured.sock", f"-c {config}"),
        (("--socket", str(places / "typed.sock"), "-c", config), "typed.sock", "--socket"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["status", *arguments])
        assert ended.value.code == ExitCode.DAEMON_UNREACHABLE
        told = capsys.readouterr().err
        shown = places / socket if there else "the socket that was given"
        assert f"{shown} ({named})" in told.splitlines()[0]
        assert f"hanctl run -c {config}" in told or "-c" not in arguments or "--socket" in arguments


class Answer(BaseHTTPRequestHandler):
    """A hub that grants whatever it is asked for."""

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_DELETE(self) -> None:
        self._answer({"file_sha256": "a" * 64})

    def do_GET(self) -> None:
        self._answer([])

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_a_hub_that_is_asked_to_change_something_is_named_and_one_that_only_tells_is_not(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HANCTL_SOCKET", str(places / "variable.sock"))
    config = str(places / "rig.toml")
    with ThreadingUnixStreamServer(str(places / "configured.sock"), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            remove, listing = ("firmware", "remove", "a" * 64), ("device", "list", "--json")
            by_config, by_socket = ("-c", config), ("--socket", f"{places}/configured.sock")
            for command, named in (
                ((*remove, *by_config), True),
                ((*listing, *by_config), False),
                ((*remove, *by_socket), False),
            ):
                with pytest.raises(SystemExit) as ended:
                    main(list(command))
                assert ended.value.code == 0
                told = capsys.readouterr().err
                assert told == (f"hub: {places}/configured.sock (-c {config})\n" if named else "")
        finally:
            server.shutdown()
            thread.join()


def test_a_socket_in_its_default_place_is_named_also_where_it_is_not_yet(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = places / "plain.toml"
    config.write_text('[dongle]\npath = "/dev/none"\nradio = "ezsp"\n')
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(places / "default"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert str(connect(None, config)) == f"{places}/default/hanctl.sock (-c {config})"
