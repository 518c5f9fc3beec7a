"""Find handlers: methods marked with the names of the EZSP commands they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Arguments = Mapping[str, Any]
Values = dict[str, Any]
Handler = Callable[[Arguments], Values]


class NotInThisBuild(Exception):
    """The firmware was built without the command."""


_MARK = "__ezsp_commands__"
F = TypeVar("F", bound=Callable[..., Values])


def command(*names: str) -> Callable[[F], F]:
    """Mark a method as the handler of these commands."""

    def mark(method: F) -> F:
        setattr(method, _MARK, names)
        return method

    return mark


def handlers_of(*groups: object) -> dict[str, Handler]:
    """Find every marked method of the given objects, by command name."""
    found: dict[str, Handler] = {}
    for group in groups:
        for attribute in dir(type(group)):
            for name in getattr(getattr(type(group), attribute), _MARK, ()):
                if name in found:
                    raise ValueError(f"two handlers for {name}")
                found[name] = getattr(group, attribute)
    return found
