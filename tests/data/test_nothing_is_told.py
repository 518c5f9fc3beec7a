"""Values of a household are in no event, log, answer or file but the ledger; and once cleared, not there either."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
import zigpy.types as t

from hanctl.api.app import make_app
from hanctl.base import virtual
from hanctl.data.catalogue import ATTRIBUTES, cleared_by
from hanctl.data.files import CLUSTER_NAMES
from hanctl.data.tables import TABLES
from hanctl.han.smart_energy.types import OctetString, Text
from hanctl.hil.bench import Bench
from hanctl.simulator.device.spec import DeviceSpec

EVERYTHING = 0x7FFF
ENDPOINT = 2


class Planted:
    """A household whose every number and text is one of a kind, and can be looked for."""

    def __init__(self) -> None:
        self._n = 0
        self.texts: list[bytes] = []
        self.numbers: list[bytes] = []

    def value(self, kind: Any) -> Any:
        if issubclass(kind, OctetString | Text):
            self._n += 1
            text = f"Zq{self._n:05}X"[: getattr(kind, "max_length", 20)]
            self.texts.append(text.encode())
            return text
        if issubclass(kind, t.UTCTime):
            return "2026-03-01T00:00:00Z"
        if issubclass(kind, t.Date):
            return "2026-03-01"
        if issubclass(kind, t.Struct):
            lengths = {
                each.name
                for each in kind.fields
                if each.name.startswith("number_of") and any(f.length for f in kind.fields)
            }
            return {each.name: self.value(each.type) for each in kind.fields if each.name not in lengths}
        if issubclass(kind, t.List):
            return [self.value(kind._item_type)]
        if kind._bits in (32, 48) and not issubclass(kind, t.bitmap32 | t.bitmap48):
            self._n += 1
            number = 1_234_500_000 + self._n
            self.numbers += [str(number).encode(), number.to_bytes(kind._bits // 8, "little")]
            return number
        return 1

    def household(self) -> str:
        gas: dict[str, Any] = {}
        names = {number: name for name, number in CLUSTER_NAMES.items()}
        for entry in ATTRIBUTES.values():
            gas.setdefault(names[entry.cluster], {})[entry.name] = self.value(entry.type)
        for table in TABLES.values():
            fields = {each.name: each.type for each in table.schema.fields}
            gas[table.name] = [{name: self.value(fields[name]) for name in table.fields}]
        return json.dumps({"gas": gas})


def found(needles: list[bytes], hay: bytes) -> list[bytes]:
    """Those that are in a text as they are, or in hex."""
    return [needle for needle in needles if needle in hay or needle.hex().encode() in hay]


def files(directory: Path, *, ledger: bool) -> bytes:
    return b"".join(
        path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and (ledger or not path.name.startswith("ledger.sqlite"))
    )


def test_values_are_in_the_ledger_alone_and_after_a_clearing_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = Planted()
    text = planted.household()
    spec = DeviceSpec.model_validate(
        {
            "name": "display",
            "eui64": "00:0d:6f:00:0b:00:00:01",
            "type": "ihd",
            "install_code": "83FED3407A939723A5C639B26916D505C3B5",
        }
    )

    async def story() -> bytes:
        bench = Bench(tmp_path, [spec])
        try:
            bench.world.plug()
            hub = await bench.start()
            bench.world.device("display").power_on()
            hub.data.load(text, "planted.json")
            hub.data.load_csv("2026-03-01T00:00:00Z,7654321\n", "c.csv", "gas", "half_hours")
            transport = httpx.ASGITransport(app=make_app(hub))
            async with httpx.AsyncClient(transport=transport, base_url="http://hanctl") as client:
                answers = [(await client.get(path)).content for path in ("/status", "/devices", "/events", "/data")]
            assert len(found(planted.texts, files(tmp_path, ledger=True))) == len(planted.texts)
            held = hub.ledger.household
            with hub.ledger.transaction():
                cleared = held.clear(ENDPOINT, cleared_by(EVERYTHING))
            hub.data.changed()
            assert held.wiped
            assert len(cleared.attributes) > 900
            return b"".join(answers)
        finally:
            await bench.close()

    answers = virtual.run(story())
    told = "".join(record.getMessage() for record in caplog.records) + "".join(capfd.readouterr())
    everything = [*planted.texts, *planted.numbers, b"7654321"]
    assert len(planted.texts) > 100
    assert len(planted.numbers) > 1000
    assert found(everything, answers) == []
    assert found(everything, told.encode()) == []
    assert found(everything, files(tmp_path, ledger=False)) == []
    # What no bit of a change clears stays; the rest is gone from the ledger's files, too.
    tree = json.loads(text)["gas"]
    names = {number: name for name, number in CLUSTER_NAMES.items()}
    staying = {str(tree[names[entry.cluster]][entry.name]).encode() for entry in ATTRIBUTES.values() if not entry.bits}
    left = found(planted.texts, files(tmp_path, ledger=True))
    kept_tables = ("site_ids", "service_passwords")
    allowed = staying | {
        value.encode() for name in kept_tables for value in tree[name][0].values() if isinstance(value, str)
    }
    assert set(left) <= allowed


def test_an_answer_that_was_given_is_not_repeated_once_its_data_are_gone(tmp_path: Path) -> None:
    from household_bench import IHD, household

    from hanctl.han.zcl import parse_frame
    from hanctl.radio.frames import SMART_ENERGY, IncomingFrame

    with household(tmp_path) as hub:
        hub.load("[[gas.messages]]\nstart_time = 0\nduration_in_minutes = 0xFFFF\nmessage = 'of the last tenant'")
        frame = IncomingFrame(0x1234, 1, 2, SMART_ENERGY, 0x0703, bytes.fromhex("11 07 00"), 1, True, False)

        def ask() -> bytes:
            (answer,) = hub.han._dispatcher.handle(frame, parse_frame(frame.payload), IHD, 0.0)
            return answer.payload

        assert b"of the last tenant" in ask()
        with hub.ledger.transaction():
            hub.ledger.household.clear(2, cleared_by(0x0200))
        hub.data.changed()
        assert ask() == bytes.fromhex("18 07 0b 00 8b")
