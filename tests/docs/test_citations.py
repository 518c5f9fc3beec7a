"""Whoever follows a citation finds its heading: "comms_hub.md §1.7" is heading 1.7 of docs/reference/comms_hub.md.

A citation is the name of a page, and after it in the same paragraph sections (§1.7, §1.5–1.8), appendices, or a title
in quotes. A § by itself belongs to the page that the file named last; one of another standard stands after its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from hanctl.han.smart_energy.clusters import CLUSTERS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"
NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "README")
FILES = sorted(
    path
    for path in chain(
        ROOT.glob("*.md"),
        ROOT.glob("*.toml"),
        *((ROOT / room).rglob(f"*.{kind}") for room in ("hanctl", "tests", "docs") for kind in ("py", "md", "toml")),
        *((ROOT / room).rglob("*") for room in ("configs", "systemd", "firmware_store", ".ci")),
    )
    if path.is_file() and path.suffix in {".py", ".md", ".toml", ".service", ".rules", ""} and path != Path(__file__)
)
FORMER = ("comms_hub", "gbcs", "zigpy", "peers", "cbke", "identity", "north", "fleet", "orders")
"""Names that texts may still cite, whether or not they have a page."""

_PAGE = re.compile(
    rf"(?:(?<![\w/.\[\]-])\(?\b|\[)({'|'.join(sorted({*FORMER, *NAMES}))})\.md"
    r"(?:\]\([^)]*\)(?=,?\s+(?:§|appendi))|\b(?![\])]))"
)
"""A page's name, but not where it is the text or the address of a link that no section follows."""
_SECTION = re.compile(r"§(\d+(?:\.\d+)*)(?:(?:\s*[–-]\s*§?|\s+to\s+§)(\d+(?:\.\d+)*))?")
_PART = re.compile(r"\A,?\s+(?:traps?|requirements?)\s+(\d+)(?:\s+(?:and|to)\s+(\d+))?")
_APPENDIX = re.compile(r"\b[Aa]ppendi(?:x|ces)\s+([A-Z])\b(?:\s*[–-]\s*([A-Z])\b)?")
_TITLE = re.compile(r"\A(?:\s*§[\d.]+)?,\s+\"([^\"]+)\"|\A,\s+(addendum)\b", re.IGNORECASE)
_OTHER_STANDARD = re.compile(r"IEEE|IEC|ISO|ECMA|RFC|W3C|NIST|draft-|Zigbee R\d|GBCS \d|DUIS|SEC \d|UG\d|ZCL")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PARAGRAPH_END = re.compile(r'\n\s*\n|"""|\n\s*-\s|\n\|')


@dataclass(frozen=True)
class Citation:
    """What is cited in which file: ``heading`` is a number, "appendix x" or a title in lower case."""

    where: str
    page: str
    heading: str


def headings(page: str) -> set[str]:
    """The headings of a page as they are cited: by number, by "appendix X", and by title."""
    path = PAGES / f"{page}.md"
    if not path.exists():
        return set()
    found: set[str] = set()
    for text in _HEADING.findall(path.read_text()):
        number, _, title = text.partition(" ")
        if re.fullmatch(r"\d+(\.\d+)*", number):
            found |= {number, title.lower()}
        elif named := re.match(r"(Appendix [A-Z]|Addendum)\b", text):
            found.add(named[1].lower())
        found.add(text.lower())
    return found


HEADINGS = {page: headings(page) for page in NAMES}


def between(first: str, last: str) -> list[str]:
    """The numbers of a range of sections beside each other: 1.5 to 1.8, or 1 to 5."""
    chapter, _, low = first.rpartition(".")
    high = last.rpartition(".")[2]
    return [f"{chapter}.{n}".lstrip(".") for n in range(int(low), int(high) + 1)]


def sections(text: str) -> Iterator[str]:
    """What a text cites of one page: numbers of sections, and appendices. Another standard's are passed over."""
    for match in _SECTION.finditer(text):
        if _OTHER_STANDARD.search(re.split(r"\.\s", text[: match.start()])[-1]):
            continue
        first, last = match.groups()
        part = _PART.match(text[match.end() :])
        if part is not None and last is None:
            yield from between(f"{first}.{part[1]}", f"{first}.{part[2] or part[1]}")
        else:
            yield from between(first, last or first)
    for match in _APPENDIX.finditer(text):
        for letter in range(ord(match[1]), ord(match[2] or match[1]) + 1):
            yield f"appendix {chr(letter)}".lower()


def citations(path: Path, text: str) -> Iterator[Citation]:
    """All citations of a file. The heading is "" where a page is named and no section of it."""
    if path.suffix in {".py", ".toml"}:
        # A comment goes on in the next line.
        text = re.sub(r"(?<=\n) *# ?", "", text)
    name = str(path.relative_to(ROOT))
    named = list(_PAGE.finditer(text))
    starts = [match.start() for match in named] + [len(text)]
    for heading in sections(text[: starts[0]]):
        if heading[0].isdigit():
            yield Citation(name, "(no page)", heading)
    for match, end in zip(named, starts[1:], strict=True):
        rest = text[match.end() : end]
        paragraph = _PARAGRAPH_END.split(rest, maxsplit=1)[0]
        title = _TITLE.match(paragraph)
        if title is not None:
            yield Citation(name, match[1], " ".join((title[1] or title[2]).split()).lower())
        elif next(sections(paragraph), None) is None:
            yield Citation(name, match[1], "")
        for heading in sections(rest):
            yield Citation(name, match[1], heading)


CITATIONS = [citation for path in FILES for citation in citations(path, path.read_text())]


def dead(cited: list[Citation]) -> list[str]:
    """What of it has no heading, and where it is cited."""
    return [
        f'{each.where}: {each.page}.md has no "{each.heading}"'
        if each.heading
        else f"{each.where}: no section of {each.page}.md is named"
        for each in cited
        if each.heading not in HEADINGS.get(each.page, ())
    ]


def test_every_citation_has_its_heading() -> None:
    assert len(CITATIONS) > 200
    assert dead(CITATIONS) == []


def test_every_page_is_cited_and_linked() -> None:
    assert {citation.page for citation in CITATIONS} == set(NAMES)
    index = (PAGES / "README.md").read_text()
    assert [name for name in NAMES if f"]({name}.md)" not in index] == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('"""Source: comms_hub.md §1.7."""', 0),
        ('"""Source: comms_hub.md §1.77."""', 1),
        ('"""Source: comms_hub.md §1.5–1.8, §9.1 and appendices A–H."""', 2),
        ('"""Source: comms_hub.md\n§0, trap 4."""', 0),
        ('"""Source: comms_hub.md §0, trap 5."""', 1),
        ('"""Source: comms_hub.md §0, traps 1 and 2."""', 0),
        ('"""Source: peers.md §3.1 requirement 4."""', 1),
        ('"""Source: comms_hub.md §5.1 to §5.9."""', 3),
        ('"""Source: identity.md, "What is\nsound"."""', 0),
        ('"""Source: identity.md, "What is unsound"."""', 1),
        ('"""Source: gbcs.md,\naddendum (MP231)."""', 0),
        ('"""Source: comms_hub.md §3.8; what §3.9 leaves open."""', 1),
        ('"""Source: comms_hub.md §3.8."""\n\n# Metering: §3.99', 1),
        ('"""Source: comms_hub.md."""', 1),
        ("See [comms_hub.md](comms_hub.md), and [gbcs.md](gbcs.md) §1.55.", 1),
        ('"""Source: north.md §1."""', 1),
        ('"""Source: §1.7."""', 1),
        ('"""Source: IEEE 802.15.4-2006 §6.4 (PHY), §7.4 (MAC)."""', 0),
    ],
)
def test_a_citation_without_heading_is_found(text: str, missing: int) -> None:
    assert len(dead(list(citations(ROOT / "hanctl" / "some.py", text)))) == missing


def test_the_glossary_is_alphabetical() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\| ([^|]+?) \| [^|]+ \|", text, re.MULTILINE)[1:]
    assert len(words) > 60
    assert words == sorted(words, key=lambda word: re.sub(r"[^a-z0-9 ]", "", word.lower()))


def test_every_row_of_the_checklist_that_is_named_exists() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "hardware-checklist.md").read_text(), re.MULTILINE))
    named = {
        number
        for name in NAMES
        for run in re.findall(r"\b[Rr]ows? ((?:\d+(?:, | and | to )?)+)", (PAGES / f"{name}.md").read_text())
        for number in re.findall(r"\d+", run)
    }
    assert len(named) > 20
    assert sorted(named - rows, key=int) == []


def test_every_section_says_where_it_is_from() -> None:
    """A section's line "Source:" stands at its end, or at that of the chapter that it is part of."""
    for name in NAMES:
        chapters = re.split(r"^(?=## )", (PAGES / f"{name}.md").read_text(), flags=re.MULTILINE)[1:]
        silent = [chapter.splitlines()[0] for chapter in chapters if "Source" not in chapter]
        assert silent == ["## Appendices: the clusters in short"] * (name == "comms_hub")


def _ids(text: str) -> set[int]:
    first, _, last = text.partition("–")
    return set(range(int(first, 16), int(last or first, 16) + 1))


@pytest.mark.parametrize("number", [0x0700, 0x0702, 0x0703, 0x0705, 0x0707, 0x0708, 0x0709, 0x0800, 0x0019])
def test_the_appendices_have_the_declared_ids_and_names(number: int) -> None:
    appendices = (PAGES / "comms_hub.md").read_text().partition("\n## Appendices")[2]
    (section,) = re.findall(rf"^[^\n]*\(0x{number:04X}\)$(.*?)^Source", appendices, re.MULTILINE | re.DOTALL)
    cluster = CLUSTERS[number]
    for side, declared in (("server", cluster.AttributeDefs), ("client", cluster.ClientAttributeDefs)):
        ranges = re.findall(rf"^\| {side} \| (0x[\w–]+) \|", section, re.MULTILINE)
        assert set().union(*map(_ids, ranges)) == {int(each.id) for each in declared}, side
    rows = re.findall(r"^\| (0x\w\w) \| (\S+) \| (\S+) \|$", section, re.MULTILINE)
    for column, commands in ((1, cluster.ServerCommandDefs), (2, cluster.ClientCommandDefs)):
        written = {(int(row[0], 16), row[column].strip("`")) for row in rows if row[column] != "–"}
        assert written == {(int(each.id), each.name) for each in commands}
