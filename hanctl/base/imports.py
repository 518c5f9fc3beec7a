"""Modules that a library imports and the hub never uses: they cost a start time and memory for nothing."""

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
    """Have these modules, not imported yet, read only when something is first taken out of them.

    Whoever imports one gets it as ever; an error in it shows at that later time. Source: Python's documentation of
    importlib.util.LazyLoader.
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
