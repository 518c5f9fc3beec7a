"""Devices are read from memory: never otherwise than the file says, whatever was put, undone or lost its address."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from hanctl.base.clock import SystemClock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceLeft
from hanctl.model.records import Device

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = [Eui64(f"00:0d:6f:00:0b:00:00:0{number}") for number in range(4)]
ADDRESSES = [None, 0x0001, 0x1234, 0xABCD]

puts = st.tuples(st.sampled_from(NAMES), st.sampled_from(ADDRESSES))
blocks = st.tuples(st.lists(puts, min_size=1, max_size=3), st.sampled_from(["put", "kept", "undone", "undone inside"]))


class Undo(Exception):
    pass


def put(ledger: Ledger, eui64: Eui64, nwk: int | None) -> None:
    device = ledger.devices.get(eui64) or Device(eui64, START + timedelta(seconds=NAMES.index(eui64) % 2))
    ledger.devices.put(replace(device, nwk=nwk))


def apply(ledger: Ledger, block: list[tuple[Eui64, int | None]], how: str) -> None:
    if how == "put":
        for eui64, nwk in block:
            put(ledger, eui64, nwk)
        return
    with contextlib.suppress(Undo), ledger.transaction():
        with contextlib.suppress(Undo), ledger.transaction():
            for eui64, nwk in block:
                put(ledger, eui64, nwk)
            if how == "undone inside":
                raise Undo
        # What was put before is seen within the transaction, too.
        assert how == "undone inside" or ledger.devices.get(block[-1][0]) is not None
        if how == "undone":
            raise Undo


@settings(max_examples=40, deadline=None)
@given(st.lists(blocks, max_size=8))
def test_memory_and_file_agree(steps: list[tuple[list[tuple[Eui64, int | None]], str]]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.sqlite"
        ledger = Ledger.open(path, SystemClock())
        for block, how in steps:
            apply(ledger, block, how)
            read_anew = Ledger.open(path, SystemClock())
            assert ledger.devices.all() == read_anew.devices.all()
            for name in NAMES:
                assert ledger.devices.get(name) == read_anew.devices.get(name)
            for nwk in ADDRESSES:
                if nwk is not None:
                    assert ledger.devices.by_nwk(nwk) == read_anew.devices.by_nwk(nwk)
            read_anew.close()
        ledger.close()


def test_looking_up_the_sender_of_a_frame_asks_the_file_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite", SystemClock())
    put(ledger, NAMES[0], 0x1234)
    ledger.touch(NAMES[0], START)
    asked: list[str] = []
    ledger._connection.set_trace_callback(asked.append)
    for second in range(50):
        found = ledger.devices.by_nwk(0x1234)
        assert found is not None
        assert ledger.devices.by_nwk(0x4321) is None
        ledger.touch(found.eui64, START + timedelta(seconds=second))
    assert asked == []
    found = ledger.devices.get(NAMES[0])
    assert found is not None
    assert found.last_seen == START + timedelta(seconds=49)
    ledger.record(DeviceLeft(device=NAMES[0]))
    assert asked != []
    ledger.close()
