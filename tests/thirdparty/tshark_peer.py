"""tshark, which shares no code with us, as the reader of a capture."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require_tshark() -> None:
    """Skip where there is no tshark."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")


class Dissection:
    """A capture as tshark shows it: with the table of keys beside it, or ``without_keys``."""

    def __init__(self, pcap: Path, *, without_keys: bool = False) -> None:
        self._pcap = pcap
        # The file is used as it is: this is where Wireshark looks for its own.
        self._profile = pcap.with_name(f"{pcap.name}{'-without' if without_keys else ''}.profile")
        self._profile.mkdir(exist_ok=True)
        table = self._profile / "zigbee_pc_keys"
        table.write_bytes(b"" if without_keys else pcap.with_name(pcap.name + ".keys").read_bytes())

    def rows(self, where: str, *fields: str) -> list[tuple[str, ...]]:
        """The fields of each frame that matches the display filter; empty where a frame has no such field."""
        arguments = [part for field in fields for part in ("-e", field)]
        done = subprocess.run(
            ["tshark", "-r", self._pcap, "-Y", where, "-T", "fields", "-E", "occurrence=a", *arguments],
            env=os.environ | {"WIRESHARK_CONFIG_DIR": str(self._profile)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    def count(self, where: str) -> int:
        return len(self.rows(where, "frame.number"))

    def told(self, where: str) -> list[str]:
        """The info column of each frame."""
        return [row[0] for row in self.rows(where, "_ws.col.Info")]
