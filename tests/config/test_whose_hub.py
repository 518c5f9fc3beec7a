"""A configuration means one hub: one state directory and one socket, whoever asks and in whatever environment."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanctl.config import paths
from hanctl.config.paths import hub_of, system_hub
from hanctl.config.reading import load_config
from hanctl.install.places import of_system

CONFIG = '[dongle]\npath = "/dev/ttyUSB0"\nradio = "ezsp"\n'
PLACES = ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME")
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", fullmatch=True)


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "etc" / "hanctl"
    directory.mkdir(parents=True)
    monkeypatch.setattr(paths, "CONFIGURATIONS", directory)
    return directory


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(name=NAMES, environment=st.dictionaries(st.sampled_from(PLACES), st.just("/elsewhere")), root=st.booleans())
def test_a_services_configuration_is_that_services_for_root_a_person_and_the_unit(
    etc: Path, name: str, environment: dict[str, str], root: bool
) -> None:
    (etc / f"{name}.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 0 if root else 1000)
        for variable in PLACES:
            patched.delenv(variable, raising=False)
        for variable, value in environment.items():
            patched.setenv(variable, value)
        hub = load_config(etc / f"{name}.toml").hub
    places = of_system(None if name == "hanctl" else name)
    assert hub.state_dir == places.state == hub.firmware_store.parent
    assert hub.socket == Path("/run") / places.state.name / "hanctl.sock"
    assert (system_hub(name).unit, hub_of(etc / f"{name}.toml")) == (places.unit, system_hub(name))


def test_by_whatever_path_the_configuration_is_named(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (etc / "rig1.toml").write_text(CONFIG)
    (etc.parent / "link.toml").symlink_to(etc / "rig1.toml")
    kept = etc.parent / "kept.toml"
    kept.write_text(CONFIG)
    (etc / "rig2.toml").symlink_to(kept)
    monkeypatch.chdir(etc)
    for path in ("rig1.toml", "../hanctl/rig1.toml", "../link.toml"):
        assert load_config(Path(path)).hub.state_dir == Path("/var/lib/hanctl-rig1")
    # The unit names it there, wherever its text is kept.
    assert load_config(Path("rig2.toml")).hub.state_dir == Path("/var/lib/hanctl-rig2")
    assert hub_of(kept) is None and hub_of(etc / "devices.json") is None


def test_what_the_configuration_says_comes_first(etc: Path) -> None:
    (etc / "rig1.toml").write_text(CONFIG + '[hub]\nstate_dir = "/srv/rig1"\nsocket = "/run/x.sock"\n')
    hub = load_config(etc / "rig1.toml").hub
    assert (hub.state_dir, hub.socket) == (Path("/srv/rig1"), Path("/run/x.sock"))


def test_a_persons_configuration_is_that_persons_for_root_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / ".config" / "hanctl" / "hanctl.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    entry = pwd.struct_passwd(("ada", "x", 1000, 1000, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)
    stat = config.stat()
    monkeypatch.setattr(Path, "stat", lambda path, **_: os.stat_result((*stat[:4], 1000, *stat[5:])))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    places = hub_of(config)
    assert places is not None
    assert places.state_dir == tmp_path / ".local" / "state" / "hanctl"
    assert places.socket == Path("/run/user/1000/hanctl/hanctl.sock")
    assert hub_of(tmp_path / "hanctl.toml") is None
