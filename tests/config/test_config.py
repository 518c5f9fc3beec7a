"""The configuration: defaults by place, paths by file, and errors that say what to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hanctl.base.errors import ConfigError, ExitCode
from hanctl.config.reading import load_config
from hanctl.config.secret_files import read_secret_file

DONGLE = '[dongle]\npath = "/dev/ttyUSB0"\nradio = "ezsp"\n'


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "hanctl.toml"
    file.write_text(text)
    return file


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/engineer")


def test_a_person_gets_xdg_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    config = load_config(write(tmp_path, DONGLE))
    assert config.hub.state_dir == Path("/home/engineer/.local/state/hanctl")
    assert config.hub.firmware_store == Path("/home/engineer/.local/state/hanctl/firmware_store")
    assert config.hub.socket == Path("/run/user/1000/hanctl/hanctl.sock")
    assert config.dongle.baudrate == 115200
    assert config.webhook is None


def test_root_and_systemd_get_system_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    config = load_config(write(tmp_path, DONGLE))
    assert (config.hub.state_dir, config.hub.socket) == (Path("/var/lib/hanctl"), Path("/run/hanctl/hanctl.sock"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/rig7")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/rig7")
    config = load_config(write(tmp_path, DONGLE))
    assert (config.hub.state_dir, config.hub.socket) == (Path("/var/lib/rig7"), Path("/run/rig7/hanctl.sock"))


def test_paths_are_relative_to_the_file_not_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = '[hub]\nstate_dir = "state"\nsocket = "~/s.sock"\n[dongle]\npath = "ezsp.pty"\nradio = "ezsp"\n'
    config = load_config(write(tmp_path, text))
    assert config.hub.state_dir == tmp_path / "state"
    assert config.hub.firmware_store == tmp_path / "state" / "firmware_store"
    assert config.hub.socket == Path("/home/engineer/s.sock")
    assert config.dongle.path == str(tmp_path / "ezsp.pty")
    tcp = load_config(write(tmp_path, DONGLE.replace("/dev/ttyUSB0", "tcp://127.0.0.1:6638")))
    assert tcp.dongle.path == "tcp://127.0.0.1:6638"
    beside = load_config(write(tmp_path, DONGLE + '[hub]\nstate_dir = "../state"\n'))
    assert beside.hub.state_dir == tmp_path.parent / "state"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (DONGLE + "[network]\nchanel = 15\n", "unknown key in [network]: did you mean 'channel'?", ""),
        (DONGLE + "[netwrok]\nchannel = 15\n", "unknown section: did you mean [network]?", ""),
        (DONGLE + "channel = 15\n", "unknown key in [dongle]", "'channel' belongs in [network]"),
        (DONGLE + "zzz = 15\n", "unknown key in [dongle]", "valid keys are: path, radio, baudrate, flow_control"),
        ('stat_dir = "x"\n' + DONGLE, "unknown key at the top", "valid sections"),
        (DONGLE.replace("path", "pth"), "unknown key in [dongle]: did you mean 'path'?", ""),
        (DONGLE + "[network]\nchannel = 27\n", "channel in [network] is not allowed", "from 11 to 26"),
        (DONGLE + '[network]\nchannel = "15"\n', "channel in [network] is not allowed", "a number from 11 to 26"),
        (DONGLE + "[network]\nchannel = true\n", "channel in [network] is not allowed", "a number from 11 to 26"),
        (DONGLE.replace("ezsp", "deconz"), "radio in [dongle] is not allowed", '"ezsp"'),
        (DONGLE + "baudrate = 1\n", "baudrate in [dongle] is not allowed", "from 1200 to 3000000"),
        (DONGLE.replace('"/dev/ttyUSB0"', '""'), "path in [dongle] is not allowed", "/dev/serial/by-id"),
        (DONGLE.replace("/dev/ttyUSB0", "tcp://127.0.0.1"), "path in [dongle] is not allowed", "tcp://host:port"),
        (DONGLE.replace("/dev/ttyUSB0", "tcp://x:65536"), "path in [dongle] is not allowed", "tcp://host:port"),
        (DONGLE.replace('"/dev/ttyUSB0"', "5"), "path in [dongle] is not allowed", "/dev/serial/by-id"),
        ('[dongle]\npath = "/dev/ttyUSB0"\n', "'radio' is missing in [dongle]", '"znp"'),
        ("[network]\nchannel = 15\n", "the section [dongle] is missing", "configs/"),
        ("dongle = 3\n", "'dongle' must be a section", "[dongle]"),
        (DONGLE + '[webhook]\nurl = "ftp://x"\nsecret_file = "s"\n', "url in [webhook] is not allowed", "https://"),
        (DONGLE + f'[hub]\nsocket = "/{"x" * 107}"\n', "in [hub] is not allowed", "at most 107 bytes"),
        (DONGLE + '[firmware]\nsignatures = "maybe"\n', "signatures in [firmware] is not allowed", '"require"'),
        (
            DONGLE + "[firmware]\nsignature_roots = []\n",
            "signature_roots in [firmware] is not allowed",
            "hanctl ca show --json",
        ),
        (DONGLE + '[firmware]\nsigners = ["nobody"]\n', "in [firmware] is not allowed", "EUI64s"),
        (DONGLE + '[firmware]\nsigners = "00:11:22:33:44:55:66:77"\n', "in [firmware] is not allowed", "a list"),
        (DONGLE + "[firmware]\nsupplier_certificates = 5\n", "in [firmware] is not allowed", "PEM or DER"),
        (DONGLE + "[firmware]\nsignature = 'warn'\n", "did you mean 'signatures'?", ""),
        ("[dongle\n", "at line 1", "TOML syntax"),
        (DONGLE + "radio = 'znp'\n", "at line 4", "TOML syntax"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert hint in caught.value.hint and caught.value.hint
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.CONFIG


def test_whose_images_are_taken(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, DONGLE)).firmware.signatures == "warn"
    text = (
        '[firmware]\nsignatures = "require"\nsignature_roots = "root.json"\n'
        'supplier_certificates = ["a.pem", "/b.der"]\nsigners = ["000D6F000A000099", "00:11:22:33:44:55:66:77"]\n'
    )
    firmware = load_config(write(tmp_path, DONGLE + text)).firmware
    assert firmware.signature_roots == (tmp_path / "root.json",)
    assert firmware.supplier_certificates == (tmp_path / "a.pem", Path("/b.der"))
    assert firmware.signers == {"00:0d:6f:00:0a:00:00:99", "00:11:22:33:44:55:66:77"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read what was given: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "binary.toml")


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "configs").glob("*-*.toml")), ids=lambda f: f.name)
def test_every_shipped_configuration_loads(file: Path) -> None:
    config = load_config(file)
    assert config.dongle.radio in file.name


def test_a_pipe_in_place_of_a_secret_file_is_an_error_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "token"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigError, match="cannot be read: it is not a regular file"):
        read_secret_file(pipe, "the token", "[listener] token_file")
