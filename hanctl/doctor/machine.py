"""Read what kernel and udev know of processes and devices from files below ``root``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of the machine. Reads only files, and opens no device."""

    root: Path = Path("/")

    def processes(self) -> Iterator[Process]:
        """Return the processes that may be seen."""
        for directory in (self.root / "proc").glob("[0-9]*"):
            try:
                yield Process(int(directory.name), (directory / "comm").read_text().strip())
            except OSError:
                # It ended meanwhile.
                continue

    def running(self, name: str) -> Process | None:
        return next((process for process in self.processes() if process.name == name), None)

    def holders(self, device: Path) -> list[Process]:
        """Return processes that have this device open, as far as may be read, without this one."""
        own = os.getpid()
        return [process for process in self.processes() if process.pid != own and self._has_open(process.pid, device)]

    def udev_properties(self, number: int) -> dict[str, str]:
        """Return what udev knows of the character device with this number; nothing without udev."""
        path = self.root / "run" / "udev" / "data" / f"c{os.major(number)}:{os.minor(number)}"
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            return {}
        return dict(line[2:].split("=", 1) for line in lines if line.startswith("E:") and "=" in line)

    def links_to(self, device: Path) -> list[Path]:
        """Return the stable names of a serial port: links that stay when it is plugged in elsewhere."""
        directory = self.root / "dev" / "serial" / "by-id"
        try:
            return sorted(link for link in directory.iterdir() if link.resolve() == device)
        except OSError:
            return []

    def lock_holder(self, path: Path) -> int | None:
        """Return the process that holds the advisory lock on this file and wrote its number into it, if any."""
        try:
            written = int(path.read_text().strip() or "0")
            inode = path.stat().st_ino
            lines = (self.root / "proc" / "locks").read_text().splitlines()
        except (OSError, ValueError):
            return None
        for line in lines:
            # 1: FLOCK  ADVISORY  WRITE 708 00:2c:1047 0 EOF        Source: proc_locks(5).
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
                return written or None
        return None

    def _has_open(self, pid: int, device: Path) -> bool:
        try:
            for descriptor in (self.root / "proc" / str(pid) / "fd").iterdir():
                if descriptor.readlink() == device:
                    return True
        except OSError:
            pass
        return False
