"""Read and write files with private keys: readable only by the hub, and never half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hanctl.base.errors import ExitCode, HanctlError, NotFound
from hanctl.base.private_file import fault_of
from hanctl.base.shown_path import shown
from hanctl.base.whole_file import write_whole


class KeyFileError(HanctlError):
    """A key file that cannot be read or written, or is not one."""

    code = "key-file"
    exit_code = ExitCode.STATE


def write_key_file(path: Path, kind: str, fields: dict[str, str | int], mode: int = 0o600) -> None:
    """Write ``fields`` as JSON, replacing the file at once or not at all. Raises KeyFileError."""
    text = json.dumps({"kind": kind, **fields}, indent=2) + "\n"
    try:
        write_whole(path, text, mode)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}", "check the directory's owner") from error


def check_private(path: Path) -> None:
    """Raise KeyFileError if others than the hub may read the file, or the hub may not. One that is absent passes."""
    fault = fault_of(path, "a private key")
    if fault is not None:
        raise KeyFileError(*fault)


def read_key_file(path: Path, kind: str) -> dict[str, Any]:
    """Return the fields of a file that write_key_file wrote. Raises NotFound, KeyFileError (which never quotes it)."""
    text = read_text(path)
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or fields.get("kind") != kind:
        raise KeyFileError(f"{path} is not a file of {kind}", "restore it from a backup, or make it anew")
    return fields


def read_text(path: Path) -> str:
    """Return the file as text. Raises NotFound, KeyFileError."""
    return read_bytes(path).decode("utf-8", errors="replace")


def read_bytes(path: Path) -> bytes:
    """Return the file as bytes. Raises NotFound, KeyFileError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{shown(path)} does not exist", "check the name") from None
    except OSError as error:
        raise KeyFileError(f"{shown(path)} cannot be read: {error.strerror}", "check its owner and mode") from error
