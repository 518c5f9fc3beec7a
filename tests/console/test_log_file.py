"""The console's file: private, bounded, and added to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanctl.console.log_file import LogFile


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_lines_are_added_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "console" / "display.log"
    for _ in range(2):
        file = LogFile(path, 1000, 4)
        file.write("one")
        file.close()
    assert path.read_text() == "one\none\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("files", [1, 2, 3])
def test_there_is_never_more_than_there_may_be(files: int, tmp_path: Path) -> None:
    path = tmp_path / "display.log"
    file = LogFile(path, 100, files)
    for number in range(200):
        file.write(f"line {number:04d}")
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 100 * files
    file.close()
    assert names(tmp_path) == ["display.log", *(f"display.log.{n}" for n in range(1, files))]
    kept = "".join((tmp_path / name).read_text() for name in reversed(names(tmp_path))).splitlines()
    # The newest, in their order, and none missing between.
    assert kept == [f"line {number:04d}" for number in range(200 - len(kept), 200)]


def test_a_file_that_was_left_full_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "display.log"
    path.write_text("x" * 100)
    file = LogFile(path, 100, 2)
    file.write("new")
    file.close()
    assert path.read_text() == "new\n"
    assert (tmp_path / "display.log.1").read_text() == "x" * 100


def test_a_directory_that_cannot_be_made_fails_and_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "none" / "console" / "display.log"
    file = LogFile(path, 100, 2)
    with pytest.raises(OSError):
        file.write("lost")
    path.parent.parent.mkdir()
    file.write("kept")
    file.close()
    assert path.read_text() == "kept\n"
