"""A hub without a radio that serves household data: devices ask in bytes, and get bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hanctl.base.eui64 import Eui64
from hanctl.data.service import DataService
from hanctl.han.han import Han
from hanctl.han.zcl import parse_frame
from hanctl.ledger.ledger import Ledger
from hanctl.radio.endpoints import hub_endpoints
from hanctl.radio.frames import SMART_ENERGY, IncomingFrame

IHD = Eui64("00:0d:6f:00:0a:90:69:e7")
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SAMPLE = Path(__file__).parents[2] / "configs" / "household.toml"


class HandClock:
    """Stands still, and is set by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds


class Household:
    """The service over a ledger of its own."""

    def __init__(self, directory: Path, *, stand_in: bool = False) -> None:
        self.directory = directory
        self.clock = HandClock()
        self.ledger = Ledger.open(directory / "ledger.sqlite", self.clock)
        self.han = Han(self.ledger, self.clock, hub_endpoints(meter_stand_in=stand_in))
        self.data = DataService(self.ledger, self.han, self.clock)
        self._tsn = 0

    def load(self, text: str) -> None:
        self.data.load(text, "household.toml")

    def send(self, cluster: int, zcl: str, endpoint: int = 2) -> list[str]:
        """A ZCL frame in hex, where TT stands for its number; the payloads that come back, in hex, without it."""
        self._tsn = self._tsn % 255 + 1
        frame = IncomingFrame(
            source_nwk=0x1234,
            source_endpoint=1,
            destination_endpoint=endpoint,
            profile=SMART_ENERGY,
            cluster=cluster,
            payload=bytes.fromhex(zcl.replace("TT", f"{self._tsn:02x}")),
            aps_counter=1,
            aps_encrypted=True,
            broadcast=False,
        )
        answers = self.han._dispatcher.handle(frame, parse_frame(frame.payload), IHD, 0.0)
        assert all(answer.source_endpoint == endpoint and answer.cluster == cluster for answer in answers)
        assert all(answer.payload[1] == self._tsn for answer in answers)
        return [(answer.payload[:1] + answer.payload[2:]).hex() for answer in answers]

    def ask(self, cluster: int, command: int, payload: str = "", endpoint: int = 2) -> list[str]:
        """A cluster command from client to server; what comes back, each as its command and payload in hex.

        A Default Response comes as "status XX".
        """
        answers = self.send(cluster, f"11 TT {command:02x} {payload}", endpoint)
        assert all(answer[:2] in ("19", "18") for answer in answers)
        return ["status " + answer[6:] if answer[:4] == "180b" else answer[2:] for answer in answers]


@contextmanager
def household(directory: Path, *, stand_in: bool = False) -> Iterator[Household]:
    made = Household(directory, stand_in=stand_in)
    try:
        yield made
    finally:
        made.ledger.close()


def seconds(moment: datetime) -> int:
    """Since 2000, by a way of its own: Unix time less the 946 684 800 s between the epochs."""
    return int(moment.timestamp()) - 946_684_800


def le(value: int, size: int = 4) -> str:
    return value.to_bytes(size, "little").hex()
