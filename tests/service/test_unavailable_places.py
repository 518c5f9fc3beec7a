"""A start that a place keeps from going on is tried again by the service manager, unless no waiting mends it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from hanctl.api.doors import control_socket, listener
from hanctl.base.clock import SystemClock
from hanctl.base.errors import ConfigError, ExitCode
from hanctl.config.values import ListenAddress
from hanctl.state.lock import StateLock
from hanctl.state.state import StateDirectory


def end_of(start: Callable[[], object]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        start()
    assert caught.value.hint and "\n" not in str(caught.value)
    return caught.value


def comes_again(error: ConfigError) -> bool:
    assert error.exit_code in (ExitCode.STATE, ExitCode.CONFIG)
    assert ("again every 5 s" in error.hint) == (error.exit_code is ExitCode.STATE)
    return error.exit_code is ExitCode.STATE


def test_an_address_that_is_not_there_yet_and_a_port_that_is_taken_are_tried_again() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert comes_again(end_of(lambda: listener.listen(ListenAddress(ip_address("127.0.0.1"), taken))))
    assert comes_again(end_of(lambda: listener.listen(ListenAddress(ip_address("192.0.2.1"), 8080))))


def test_a_directory_of_the_socket_that_cannot_be_made_yet_is_tried_again_and_a_path_that_is_none_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    assert comes_again(end_of(lambda: control_socket.bind(Path("/proc/none/hub.sock"))))
    assert not comes_again(end_of(lambda: control_socket.bind(tmp_path / "file" / "hub.sock")))
    assert not comes_again(end_of(lambda: control_socket.bind(tmp_path / ("x" * 120))))
    (tmp_path / "disk").symlink_to("not-mounted")
    assert comes_again(end_of(lambda: control_socket.bind(tmp_path / "disk" / "hub.sock")))


@pytest.mark.parametrize(
    ("number", "again"),
    [
        *((each, True) for each in (errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO, errno.ENOENT, errno.EDQUOT)),
        *((each, False) for each in (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)),
    ],
)
def test_a_state_directory_on_a_disk_that_may_come_is_tried_again(
    number: int, again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fails)
    assert comes_again(end_of(StateLock(tmp_path).acquire)) is again
    monkeypatch.setattr(Path, "mkdir", fails)
    made = StateDirectory(tmp_path / "new")
    assert comes_again(end_of(lambda: made.open(SystemClock()))) is again
