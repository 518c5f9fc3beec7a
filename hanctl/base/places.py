"""Find the line of a value in a TOML or JSON text. Pure.

The parsers of the standard library tell the line of what they cannot read, and nothing of what they can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*([\w.\-\"']+)\s*=")
_PLACE = re.compile(r"line (\d+),? column (\d+)")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def line_of(text: str, path: Path, form: str) -> int | None:
    """Return the line (from 1) of the value at ``path``, or of the nearest value around it; None if there is none."""
    lines = dict(_toml(text) if form == "toml" else _json(text))
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _toml(text: str) -> Iterator[tuple[Path, int]]:
    counts: dict[Path, int] = {}
    seen: set[Path] = set()
    here: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            here = ()
            for part in _names(header[2]):
                here = (*here, part)
                if here not in seen:
                    seen.add(here)
                    yield here, number
                if here in counts:
                    here = (*here, counts[here])
            if header[1] == "[[":
                base = here[:-1] if here and isinstance(here[-1], int) else here
                counts[base] = counts.get(base, -1) + 1
                here = (*base, counts[base])
            yield here, number
            continue
        key = _KEY.match(line)
        if key is not None:
            yield (*here, *_names(key[1])), number


def _names(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _json(text: str) -> Iterator[tuple[Path, int]]:
    stack: list[str | int] = []
    in_list: list[bool] = []
    tokens = list(_TOKEN.finditer(text))
    line, reached = 1, 0
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        word = token[0]
        line += text.count("\n", reached, token.start())
        reached = token.start()
        if word in "{[":
            if in_list and in_list[-1]:
                yield tuple(stack), line
            in_list.append(word == "[")
            stack.append(0 if word == "[" else "")
        elif word in "}]":
            if in_list:
                in_list.pop()
                stack.pop()
        elif word == "," and in_list and in_list[-1]:
            stack[-1] = int(stack[-1]) + 1
        elif word.startswith('"') and after is not None and after[0] == ":" and stack:
            stack[-1] = word[1:-1]
            yield tuple(stack), line
        elif word not in ",:" and in_list and in_list[-1]:
            yield tuple(stack), line


def syntax_place(error: ValueError) -> str:
    """Say where a TOML or JSON text is wrong, and not how: the parser's own message may quote the text."""
    found = _PLACE.search(str(error))
    return "at its end" if found is None else f"at line {found[1]}, column {found[2]}"
