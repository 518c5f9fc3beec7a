"""Bind the control socket with mode 0660 from the start, never in place of a running daemon's."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from hanctl.base.errors import Refused, place_error
from hanctl.base.plain_files import make_directory


def bind(path: Path) -> socket.socket:
    """Return a listening socket; clients wait until it is served. The socket file of a dead daemon is replaced.

    Raises Refused if a running process has it or the path is not a socket; ConfigError if it cannot be created.
    """
    try:
        make_directory(path.parent)
        _clear(path)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The mask makes the file 0660 as it appears: a chmod afterwards would leave a moment in which all may connect.
        mask = os.umask(0o117)
        try:
            control.bind(str(path))
            control.listen()
        except BaseException:
            control.close()
            raise
        finally:
            os.umask(mask)
    except OSError as error:
        raise place_error(
            f"the control socket {path} cannot be made: {error.strerror or error}",
            "check its directory, or give another path ([hub] socket)",
            error,
        ) from error
    return control


def remove(control: socket.socket, path: Path) -> None:
    """Close the socket and remove its file."""
    control.close()
    path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Refused(f"{path} exists and is not a socket", "move it away, or give another path ([hub] socket)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass
    raise Refused(
        f"another daemon answers on {path}", "stop it first, or give this one a socket of its own ([hub] socket)"
    )
