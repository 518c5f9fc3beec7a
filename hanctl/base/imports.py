"""Postpone imports of modules that a library imports and the hub never uses, to save start time and memory."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


def put_off(*names: str) -> None:
    """Load these modules, which are not imported yet, only when one of their attributes is first used.

    An import statement works as usual; an error in the module shows at that later time. Source: Python's
    documentation of importlib.util.LazyLoader.
    """
    sys.meta_path.insert(0, _Later(names))


class _Later(MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
