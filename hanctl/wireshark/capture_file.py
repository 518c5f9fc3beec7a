"""The file of a capture of the hub's frames: records in, frames with their comments out, in order of their times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any

from hanctl.wireshark import pcapng
from hanctl.wireshark.hub_frames import WHAT_IT_IS, Encoder, HubFrame

PATIENCE = timedelta(seconds=2)
"""So long a frame waits for what became of it, and all behind it: longer it takes only where a device sleeps."""


@dataclass(slots=True)
class _Waiting:
    time: datetime
    number: int | None
    frame: HubFrame
    remark: str
    lost_before: int
    outcome: str | None = None


class CaptureFile:
    """Takes the records of ``GET /frames``; ``close`` ends the file. Raises what writing raises."""

    def __init__(self, out: IO[bytes], network: dict[str, Any], encoder: Encoder) -> None:
        self.frames = 0
        """Written or about to be."""
        self.lost = 0
        self._out = out
        self._encoder = encoder
        self._waiting: deque[_Waiting] = deque()
        self._by_number: dict[int, _Waiting] = {}
        self._lost_before = 0
        self._last = datetime.fromisoformat(network["time"])
        self._out.write(pcapng.section(f"hanctl {network['version']}", WHAT_IT_IS))
        self._out.write(
            pcapng.interface("hub", f"dongle {network['dongle_eui64']}, channel {network['channel']}. {WHAT_IT_IS}")
        )

    def take(self, record: dict[str, Any]) -> None:
        """Take one record, and write the frames that are ready."""
        match record["kind"]:
            case "frame":
                self._frame(record)
            case "outcome":
                self._outcome(record["number"], record["outcome"])
            case "lost":
                self.lost += record["frames"]
                self._lost_before += record["frames"]
        self._write_what_is_ready()

    def close(self) -> None:
        """Write what still waits, and the end."""
        while self._waiting:
            self._write(self._waiting.popleft())
        self._out.write(pcapng.statistics(_microseconds(self._last), self.frames + self.lost, self.lost))

    def _frame(self, record: dict[str, Any]) -> None:
        waiting = _Waiting(
            datetime.fromisoformat(record["time"]),
            record["number"],
            HubFrame.from_record(record),
            _remark(record),
            self._lost_before,
        )
        self._lost_before = 0
        self.frames += 1
        self._last = waiting.time
        self._waiting.append(waiting)
        if waiting.number is not None:
            self._by_number[waiting.number] = waiting

    def _outcome(self, number: int, outcome: str) -> None:
        waiting = self._by_number.pop(number, None)
        if waiting is None:
            return
        waiting.outcome = outcome
        if outcome == "dropped":
            # It never left the hub.
            self.frames -= 1

    def _write_what_is_ready(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            known = first.number is None or first.outcome is not None
            if not known and self._last - first.time < PATIENCE:
                return
            self._write(self._waiting.popleft())

    def _write(self, waiting: _Waiting) -> None:
        if waiting.number is not None:
            self._by_number.pop(waiting.number, None)
        if waiting.outcome == "dropped":
            return
        remark = waiting.remark
        if waiting.number is not None:
            remark = waiting.outcome or "not confirmed yet when this was written"
        self._out.write(
            pcapng.packet(
                _microseconds(waiting.time),
                self._encoder.encode(waiting.frame),
                waiting.frame.direction,
                remark,
                waiting.lost_before,
            )
        )


def _remark(record: dict[str, Any]) -> str:
    told = [f"LQI {record['lqi']}"] if record["lqi"] is not None else []
    told += [f"RSSI {record['rssi']} dBm"] if record["rssi"] is not None else []
    return ", ".join(told)


def _microseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)
