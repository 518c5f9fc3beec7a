"""What a contributor is told is so: targets, steps, decisions, versions and links."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from hanctl import __version__

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as its site makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" not in target:
            there = page.parent / target if target else page
            assert there.exists(), target
            assert not heading or heading in anchors(there), heading


def test_every_target_that_is_named_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"setup", "test", "lint", "demo", "docs", "release"} <= targets
    named = re.findall(r"^make (\w+)|`make ((?:\w+ ?)+)`", TEXT, re.MULTILINE)
    assert {target for names in named for name in names for target in name.split()} <= targets


def test_every_step_that_is_named_is_one_of_the_script() -> None:
    said = subprocess.run([ROOT / ".ci" / "run", "--list"], capture_output=True, text=True, check=True).stdout
    steps = {line.split()[0] for line in said.splitlines()}
    assert all(len(line.split()) > 1 for line in said.splitlines())
    named = re.findall(r"\.ci/run((?: \w+)+)", TEXT)
    assert {step for names in named for step in names.split()} <= steps


def test_a_step_that_is_not_there_is_said_before_any_is_run() -> None:
    said = subprocess.run([ROOT / ".ci" / "run", "lint", "lnit"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    assert "no step is called lnit" in said.stderr


def test_every_test_file_that_is_named_is_there() -> None:
    named = re.findall(r"\b((?:tests|hanctl)/[\w/]+(?:\.py)?)", TEXT)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_is_short_and_in_its_form(page: Path) -> None:
    text = page.read_text()
    assert len(text.splitlines()) < 40
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert page.name in (page.parent / "README.md").read_text()


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    versions = re.findall(r"^## \[([\d.]+)\] - (\S+)$", CHANGELOG, re.MULTILINE)
    assert len(versions) == CHANGELOG.replace("\n## [Unreleased]\n", "").count("\n## ")
    assert versions[0][0] == __version__
    dates = [date.fromisoformat(day) for _, day in versions]
    assert dates == sorted(dates, reverse=True)


def test_the_demo_of_the_readme_is_of_this_version() -> None:
    assert f"hub.started  version {__version__}\n" in (ROOT / "README.md").read_text()
