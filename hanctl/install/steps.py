"""Steps of an installation: each can be shown as a shell command and carried out, any number of times."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from hanctl.base.owner import as_owner
from hanctl.install.files import NotInstalled, is_there, marked, template, whose, write
from hanctl.state.lock import StateLock

DEFAULT_PROGRAM = "/opt/hanctl/bin/hanctl"
"""What the units of ``systemd/`` run; an installation puts in its own."""

Status = Literal["written", "replaced", "unchanged", "kept", "removed", "absent", "done", "left"]


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Outcome of a step; ``left``: a person has to do it. ``reason``: why, if there is one."""

    status: Status
    about: str
    reason: str = ""


class InstallStep(Protocol):
    """One step. ``by_hand``: shell command, or a comment if nothing is to do. ``carry_out`` raises NotInstalled."""

    def by_hand(self) -> str: ...

    def carry_out(self) -> StepOutcome: ...


@dataclass(frozen=True, slots=True)
class Write:
    """Write a file of ``systemd/``, with the program that its unit is to run."""

    name: str
    path: Path
    program: str

    def text(self) -> str:
        return marked(template(self.name).read_text(encoding="utf-8").replace(DEFAULT_PROGRAM, self.program))

    def by_hand(self) -> str:
        if whose(self.path) == "theirs":
            return f"# {self.path} is not as hanctl wrote it: it stays as it is"
        if self._is_there():
            return f"# {self.path} is there"
        source, target = shlex.quote(str(template(self.name))), shlex.quote(str(self.path))
        if self.program == DEFAULT_PROGRAM or not self.name.endswith(".service"):
            return f"install -D -m 0644 {source} {target}"
        make = "" if self.path.parent.exists() else f"mkdir -p {shlex.quote(str(self.path.parent))} && "
        return f"{make}sed 's|{DEFAULT_PROGRAM}|{self.program}|' {source} > {target}"

    def carry_out(self) -> StepOutcome:
        before = whose(self.path)
        if before == "theirs":
            return StepOutcome("kept", str(self.path), "it is not as hanctl wrote it")
        if self._is_there():
            return StepOutcome("unchanged", str(self.path))
        write(self.path, self.text(), 0o644)
        return StepOutcome("written" if before == "nobody" else "replaced", str(self.path))

    def _is_there(self) -> bool:
        return self.path.exists() and self.path.read_text(encoding="utf-8") == self.text()


@dataclass(frozen=True, slots=True)
class Configure:
    """Install a configuration, if there is none yet."""

    source: Path
    path: Path

    def by_hand(self) -> str:
        if is_there(self.path):
            return f"# {self.path} is there: it stays as it is"
        return f"install -D -m 0640 {shlex.quote(str(self.source))} {shlex.quote(str(self.path))}"

    def carry_out(self) -> StepOutcome:
        if is_there(self.path):
            return StepOutcome("kept", str(self.path), "there is a configuration already")
        write(self.path, self.source.read_text(encoding="utf-8"), 0o640)
        return StepOutcome("written", str(self.path))


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a command, or leave it to a person if ``needs`` does not exist. ``what``: words for it."""

    command: tuple[str, ...]
    needs: Path | None = None
    what: str = "systemd"

    def by_hand(self) -> str:
        return shlex.join(self.command)

    def carry_out(self) -> StepOutcome:
        if self.needs is not None and not self.needs.exists():
            return StepOutcome("left", self.by_hand(), f"{self.what} does not run here")
        if shutil.which(self.command[0]) is None:
            return StepOutcome("left", self.by_hand(), f"there is no {self.command[0]} here")
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise NotInstalled(
                f"{self.by_hand()} failed: {said[0] if said else f'code {done.returncode}'}",
                "what was done before stays; once the reason is gone, the same command goes on from here",
            )
        return StepOutcome("done", self.by_hand())


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file that nobody changed."""

    path: Path

    def by_hand(self) -> str:
        match whose(self.path):
            case "nobody":
                return f"# {self.path} is not there"
            case "theirs":
                return f"# {self.path} is not as hanctl wrote it: it stays"
            case "ours":
                return f"rm {shlex.quote(str(self.path))}"

    def carry_out(self) -> StepOutcome:
        match whose(self.path):
            case "nobody":
                return StepOutcome("absent", str(self.path))
            case "theirs":
                return StepOutcome("kept", str(self.path), "it is not as hanctl wrote it")
            case "ours":
                _remove(self.path)
                return StepOutcome("removed", str(self.path))


@dataclass(frozen=True, slots=True)
class Purge:
    """Remove a configuration, or a state directory that no hub uses now."""

    path: Path

    def by_hand(self) -> str:
        return f"rm -r {shlex.quote(str(self.path))}" if self.path.exists() else f"# {self.path} is not there"

    def carry_out(self) -> StepOutcome:
        if not self.path.exists():
            return StepOutcome("absent", str(self.path))
        if self.path.is_dir():
            as_owner(self.path, self._check_unused)
        _remove(self.path)
        return StepOutcome("removed", str(self.path))

    def _check_unused(self) -> None:
        if is_there(self.path / "lock"):
            lock = StateLock(self.path)
            lock.acquire()
            lock.release()


@dataclass(frozen=True, slots=True)
class RemoveEmpty:
    """Remove a directory, if nothing is left in it."""

    path: Path

    def by_hand(self) -> str:
        return f"rmdir --ignore-fail-on-non-empty {shlex.quote(str(self.path))}"

    def carry_out(self) -> StepOutcome:
        if not self.path.is_dir():
            return StepOutcome("absent", str(self.path))
        if any(self.path.iterdir()):
            return StepOutcome("kept", str(self.path), "there is something in it")
        _remove(self.path)
        return StepOutcome("removed", str(self.path))


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise NotInstalled(f"{path} cannot be removed: {error.strerror}", "check its owner") from error
