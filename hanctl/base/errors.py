"""Named errors: each says what was wrong and what to do, and carries the exit code of the CLI."""

from __future__ import annotations

import errno
import traceback
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes of every hanctl command (the table in docs/cli.md is checked against this)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CONFIG = 3
    DONGLE = 4
    DAEMON_UNREACHABLE = 5
    NOT_FOUND = 6
    REFUSED = 7
    BAD_IMAGE = 8
    UPDATE_FAILED = 9
    TIMED_OUT = 10
    STATE = 11
    UNHEALTHY = 12
    INTERRUPTED = 130


class HanctlError(Exception):
    """An expected failure.

    ``str(error)`` is one line saying what was wrong; ``hint`` says what to do next; ``code`` is the stable
    kebab-case name used in ``--json`` output and API answers.
    """

    code = "error"
    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(HanctlError):
    """The configuration file cannot be used. Its values are not repeated: one may be a secret in the wrong place."""

    code = "config-invalid"
    exit_code = ExitCode.CONFIG


class PlaceUnavailable(ConfigError):
    """A place that the configuration names cannot be used now, and may mend itself.

    An address comes with its interface, a port is given up, a disk is mounted: a service manager starts the hub again.
    """

    code = "place-unavailable"
    exit_code = ExitCode.STATE


_STAYS = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EAFNOSUPPORT})


def place_error(message: str, hint: str, error: OSError, *also_stays: int) -> ConfigError:
    """Make the error for a configured place that an OSError kept from being used.

    A plain ConfigError for what no waiting mends: a path that is none, and the error numbers ``also_stays``. Else
    PlaceUnavailable.
    """
    if error.errno is None or error.errno in _STAYS or error.errno in also_stays:
        return ConfigError(message, hint)
    return PlaceUnavailable(message, f"{hint}; a service tries it again every 5 s")


class NotFound(HanctlError):
    """The named device, image, update or file does not exist."""

    code = "not-found"
    exit_code = ExitCode.NOT_FOUND


class Refused(HanctlError):
    """The request conflicts with the present state, and nothing was changed."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class InvalidInput(HanctlError):
    """A value given by the user does not have the required form."""

    code = "invalid-input"
    exit_code = ExitCode.USAGE


class DongleError(HanctlError):
    """The dongle cannot be opened, or does not answer as a dongle."""

    code = "dongle"
    exit_code = ExitCode.DONGLE


class DaemonUnreachable(HanctlError):
    """No daemon answers on the control socket."""

    code = "daemon-unreachable"
    exit_code = ExitCode.DAEMON_UNREACHABLE


def raised_at(error: BaseException) -> str:
    """Say where an error is from, in place of its own text, which may hold what was given."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"in {Path(frame.filename).name}, line {frame.lineno}"
