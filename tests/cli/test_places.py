"""Where a file is to be written is tried before the work, and nothing is claimed that was not written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from test_commands import run

from hanctl.base.errors import ExitCode
from hanctl.base.whole_file import try_place, write_result

SUITE = ("conformance", "--sim", "znp", "--only", "J1")
NOWHERE = ("--socket", "/nowhere/hub.sock")
WRITERS = [
    (*SUITE, "--html"),
    (*SUITE, "--junit"),
    (*SUITE, "--artifacts"),
    ("backup", "create", *NOWHERE, "-o"),
    ("events", "export", *NOWHERE, "-o"),
    ("tenancy", "report", "1", *NOWHERE, "--html"),
]


def bad_places(directory: Path) -> list[Path]:
    file = directory / "file"
    file.write_text("")
    loop = directory / "loop"
    loop.symlink_to("loop")
    return [file / "below", loop / "below"]


@pytest.mark.parametrize("command", WRITERS, ids=lambda command: f"{command[0]} {command[-1]}")
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in bad_places(tmp_path):
        code = run(*command, str(place))
        said = capsys.readouterr()
        assert code not in (ExitCode.OK, ExitCode.INTERNAL, ExitCode.DAEMON_UNREACHABLE), said.err
        assert str(place) in said.err and "hint: " in said.err
        assert said.out == "", "no scenario was run"


@pytest.mark.parametrize("option", ["--html", "--junit"])
def test_a_directory_is_no_file_for_a_report(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SUITE, option, str(tmp_path)) == ExitCode.STATE
    assert "Is a directory" in capsys.readouterr().err


def test_a_report_that_the_disk_has_no_room_for_is_not_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "junit.xml"
    assert run(*SUITE, "--html", "/dev/full", "--junit", str(junit)) == ExitCode.STATE
    said = capsys.readouterr()
    assert "the page: /dev/full" not in said.out
    assert "the page was not written: /dev/full cannot be written: No space left on device" in said.out
    assert f"JUnit XML: {junit}" in said.out and junit.read_text().startswith("<?xml")
    assert "/dev/full cannot be written" in said.err


def test_trying_leaves_nothing_and_changes_nothing(tmp_path: Path) -> None:
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("before")
    try_place(there)
    try_place(new)
    assert there.read_text() == "before" and [each.name for each in tmp_path.iterdir()] == ["there"]


def test_a_result_is_whole_or_what_was_there_before_and_a_device_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "report"
    write_result(place, "one")
    assert stat.S_IMODE(place.stat().st_mode) == 0o644

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        write_result(place, "two")
    assert place.read_text() == "one" and [each.name for each in tmp_path.iterdir()] == ["report"]
    try_place(Path("/dev/null"))
    write_result(Path("/dev/null"), "two")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
