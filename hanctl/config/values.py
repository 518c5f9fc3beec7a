"""Parse values of the configuration. Every function raises ValueError if the value has the wrong form."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import parse_eui64

MAX_SOCKET_PATH = 107
_TCP = re.compile(r"tcp://(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})/?")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[\d.]+)):(?P<port>\d{1,5})")


def from_file(value: Any, info: ValidationInfo) -> Any:
    """Return a path with ~ expanded, relative to the directory of the configuration file."""
    if not isinstance(value, str) or not value:
        raise ValueError
    base: Path = (info.context or {}).get("directory", Path())
    # Without "..": paths are shown, and a socket's must be short.
    return Path(os.path.normpath(base / Path(value).expanduser()))


def port(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str) or not value:
        raise ValueError
    if "://" not in value:
        return str(from_file(value, info))
    if value.startswith("tcp://"):
        address = _TCP.fullmatch(value)
        if address is None or not 0 < int(address["port"]) < 65536:
            raise ValueError
    return value


def socket_path(value: Any, info: ValidationInfo) -> Any:
    path = from_file(value, info)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ValueError
    return path


def files(value: Any, info: ValidationInfo) -> Any:
    """Return one file or a list of files as a tuple."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise ValueError
    return tuple(from_file(each, info) for each in given)


def places(value: Any, info: ValidationInfo) -> Any:
    """Return files as ``files`` does; an empty list is allowed."""
    return () if value == [] else files(value, info)


def command(value: Any) -> Any:
    """Return a command and its arguments as a tuple; an empty list is allowed."""
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError
    return tuple(value)


def eui64(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004
    try:
        return parse_eui64(value)
    except InvalidInput as error:
        raise ValueError from error


def patterns(value: Any) -> Any:
    """Return a list of regular expressions as a tuple."""
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError
    try:
        for each in value:
            re.compile(each)
    except re.error as error:
        raise ValueError from error
    return tuple(value)


def eui64s(value: Any) -> Any:
    """Return a list of EUI64s as a set."""
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError
    try:
        return frozenset(parse_eui64(each) for each in value)
    except InvalidInput as error:
        raise ValueError from error


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """IP address and TCP port to listen on."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


def address(value: Any) -> Any:
    found = _HOST_AND_PORT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError
    return ListenAddress(IPv6Address(found["v6"]) if found["v6"] else IPv4Address(found["v4"]), int(found["port"]))


FilePath = Annotated[Path, BeforeValidator(from_file)]
Command = Annotated[tuple[str, ...], BeforeValidator(command)]
FilePaths = Annotated[tuple[Path, ...], BeforeValidator(files)]
