"""Leave Python's types out of the help: a metavar says what an option or argument takes, and a flag takes nothing."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperGroup, TyperOption


class PlainGroup(TyperGroup):
    """A group whose help, and that of all commands below it, names no type of Python."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the group's own parameters, without the types of flags."""
        return [_without_type(parameter) for parameter in super().get_params(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of the group, without the types of its flags and arguments."""
        return _plain(super().get_command(ctx, cmd_name), ctx)


def _plain(command: Any, ctx: Any) -> Any:
    if command is not None:
        for parameter in command.get_params(ctx):
            _without_type(parameter)
        for below in getattr(command, "commands", {}).values():
            _plain(below, ctx)
    return command


def _without_type(parameter: Any) -> Any:
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        parameter.metavar = ""
    elif isinstance(parameter, TyperArgument) and not parameter.type_descriptor.is_choice:
        parameter.display_type_rich = _no_type  # type: ignore[method-assign]
    return parameter


def _no_type(ctx: Any) -> str | None:
    """Return no type: the help shows an argument's type beside its metavar."""
    return None
