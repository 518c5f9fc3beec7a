"""Write files with a first line that tells whether somebody changed the rest later."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

import hanctl
from hanctl.base.errors import ExitCode, HanctlError
from hanctl.base.plain_files import make_directory
from hanctl.base.whole_file import write_whole

MARK = "# Written by hanctl install-service, and its own as long as it is unchanged: "


class NotInstalled(HanctlError):
    """A file or a service of the system could not be changed. What was done before stays done."""

    code = "not-installed"
    exit_code = ExitCode.STATE


def template(name: str) -> Path:
    """Return a file of ``systemd/``: in an installed package within it, in a checkout beside it."""
    packaged = Path(str(files("hanctl"))) / "systemd" / name
    return packaged if packaged.exists() else Path(hanctl.__file__).parents[1] / "systemd" / name


def marked(text: str) -> str:
    """Return the text with the mark as its first line."""
    return f"{MARK}{_digest(text)}\n{text}"


def whose(path: Path) -> Literal["nobody", "ours", "theirs"]:
    """Tell whose a file is; "theirs" is also one of hanctl's that somebody changed. Raises NotInstalled."""
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return "nobody"
    except UnicodeDecodeError:
        return "theirs"
    except OSError as error:
        raise NotInstalled(f"{path} cannot be read: {error.strerror}", "check its owner") from error
    return "ours" if first == MARK + _digest(rest) else "theirs"


def is_there(path: Path) -> bool:
    """Tell whether a file exists, as far as may be seen."""
    return os.access(path, os.F_OK)


def write(path: Path, text: str, mode: int) -> None:
    """Replace the file atomically, and make its directory if needed. Raises NotInstalled."""
    try:
        make_directory(path.parent)
        write_whole(path, text, mode)
    except OSError as error:
        raise NotInstalled(f"{path} cannot be written: {error.strerror}", "check the directory's owner") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
