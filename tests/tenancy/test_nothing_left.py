"""Unique values are planted in every place there is; after a change they are searched for everywhere."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zigpy.types as t
from display_bench import CODE, Radio, Rig, display
from test_what_is_cleared import expected

from hanctl.api.app import make_app
from hanctl.base import virtual
from hanctl.data import catalogue
from hanctl.data.tables import INTERVALS, TABLES
from hanctl.han import zcl
from hanctl.han.cluster import Reporting
from hanctl.han.smart_energy.clusters import DATA_CLUSTERS
from hanctl.han.zcl import Foundation, ZclFrame
from hanctl.hub.daemon import Daemon
from hanctl.ledger.household import Sample
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.tenancy.controls import Wanted
from hanctl.tenancy.payloads import parse_gbcs_payload
from hanctl.tenancy.utc2000 import to_utc2000

FULL_CONSUMER = [2, 3, 4, 7, 8, 9, 13, 14]
DAY = 86400
CLEARABLE = expected(FULL_CONSUMER)[0]
TIMES = ("time", "date", "start", "end")


@dataclass(frozen=True)
class Marker:
    """A value found nowhere else. ``size`` 0: text."""

    place: str
    value: int | str
    size: int = 0


TEXT, NUMBER, SHORT_NUMBER = "Qz", 0x494949, 0x5B1111
"""How texts begin; the low bytes of numbers, below as many 0x5A as they have room for; and numbers of three bytes."""


def found(markers: Iterable[Marker], blob: bytes, *, short: bool = False) -> list[str]:
    """Where markers of this blob come from: as text, in decimal or hex, or as bytes, in either order.

    ``short``: numbers of three bytes are looked for as bytes too; in large files they turn up by chance.
    """
    seen: set[int | str] = {each.decode() for each in re.findall(rb"Qz\d{6}", blob)}
    seen |= {bytes.fromhex(each.decode()).decode() for each in re.findall(rb"517a(?:3\d){6}", blob)}
    seen |= {int(each) for each in re.findall(rb"\d{7,}", blob)}
    seen |= {int(each, 16) for each in re.findall(rb"(?:5a)*4[9ab][0-9a-f]{4}|5[bc][123][0-9a-f]{3}", blob)}
    for size in {marker.size for marker in markers} - {0, 3}:
        high = rb"\x5a{%d}" % (size - 3)
        seen |= {int.from_bytes(each, "big") for each in re.findall(rb"(?s)(?=(" + high + rb"[\x49-\x4b]..))", blob)}
        seen |= {int.from_bytes(each, "little") for each in re.findall(rb"(?s)(?=(..[\x49-\x4b]" + high + rb"))", blob)}
    if short:
        seen |= {int.from_bytes(each, "little") for each in re.findall(rb"(?s)(?=(.[\x11-\x3f][\x5b\x5c]))", blob)}
    return [marker.place for marker in markers if marker.value in seen]


class Planter:
    """Makes markers, and remembers those that a change of tenancy has to remove."""

    def __init__(self, daemon: Daemon, bits: Iterable[int]) -> None:
        self.daemon = daemon
        self.attributes, self.tables = expected(bits)
        self.gone: list[Marker] = []
        self.stay: list[Marker] = []
        self._numbers = itertools.count(1)

    def everywhere(self) -> None:
        with self.daemon.ledger.transaction():
            for endpoint, clusters in self.daemon.data.endpoints.items():
                for key in catalogue.ATTRIBUTES:
                    if key[0] in clusters:
                        self._attribute(endpoint, key)
                for table, rule in catalogue.TABLES.items():
                    if rule.cluster in clusters and table in INTERVALS:
                        self._samples(endpoint, table)
                    elif rule.cluster in clusters:
                        self._records(endpoint, table)

    def _attribute(self, endpoint: int, key: tuple[int, int]) -> None:
        entry = catalogue.ATTRIBUTES[key]
        value, marker = self._value(entry.type, f"{endpoint}/{key[0]:04x}:{key[1]:04x}")
        if marker is None:
            return
        self.daemon.ledger.household.write(endpoint, key, entry.data_type, value)
        (self.gone if key in self.attributes else self.stay).append(marker)

    def _records(self, endpoint: int, table: str) -> None:
        body = TABLES[table].plain({})
        for field in TABLES[table].schema.fields:
            timed = any(word in field.name for word in TIMES)
            if field.name not in body or field.name.endswith("_id") or timed:
                continue
            _, marker = self._value(field.type, f"{endpoint}/{table}.{field.name}")
            if marker is not None:
                body[field.name] = marker.value
                (self.gone if table in self.tables else self.stay).append(marker)
        if "duration_in_minutes" in body:
            # Until changed, as messages say it, and as passwords do.
            body["duration_in_minutes"] = 0 if "password" in body else 0xFFFF
        self.daemon.ledger.household.add(endpoint, table, self.daemon.clock.now(), body)

    def _samples(self, endpoint: int, table: str) -> None:
        start = self.daemon.clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
        samples = []
        for n in range(20):
            number = SHORT_NUMBER + 0x10000 + next(self._numbers)
            samples.append(Sample(start + timedelta(seconds=n * INTERVALS[table]), number))
            self.gone.append(Marker(f"{endpoint}/{table}", number, 3))
        self.daemon.ledger.household.add_samples(endpoint, table, samples)

    def _value(self, kind: Any, place: str) -> tuple[bytes, Marker | None]:
        number = next(self._numbers)
        if issubclass(kind, str | bytes):
            marker = Marker(place, f"{TEXT}{number:06d}")
            return bytes(
                kind(str(marker.value).encode() if issubclass(kind, bytes) else marker.value).serialize()
            ), marker
        try:
            size = len(kind(0).serialize())
        except (TypeError, ValueError):
            return b"", None
        if size < 3 or issubclass(kind, t.UTCTime) or "bitmap" in kind.__name__ or "enum" in kind.__name__:
            return b"", None
        value = SHORT_NUMBER if size == 3 else int.from_bytes(b"\x5a" * (size - 3) + bytes(3), "big") + NUMBER
        value += number
        return bytes(kind(value).serialize()), Marker(place, value, size)


def ask_everything(daemon: Daemon, nwk: int) -> bytes:
    """All that a device gets by reading attributes, and by every Get command with the widest request.

    Every attribute that a bit clears is read, and every tenth of the others.
    """
    device = daemon.ledger.devices.by_nwk(nwk)
    assert device is not None
    daemon.han.forget_answers()
    numbers = itertools.cycle(range(256))

    def ask(endpoint: int, cluster: int, frame: ZclFrame) -> bytes:
        incoming = IncomingFrame(nwk, 1, endpoint, 0x0109, cluster, frame.serialize(), 1, True, False)
        answers: tuple[OutgoingFrame, ...] = daemon.han._dispatcher.handle(
            incoming, frame, device.eui64, daemon.clock.monotonic()
        )
        return b"".join(answer.payload for answer in answers)

    got = bytearray()
    for endpoint in daemon.data.endpoints:
        for cluster in DATA_CLUSTERS:
            others = [key for key in catalogue.ATTRIBUTES if key not in CLEARABLE]
            keys = sorted({*CLEARABLE, *others[::10]})
            attributes = [attribute for of, attribute in keys if of == cluster]
            for start in range(0, len(attributes), 4):
                wanted = zcl.read_attributes(attributes[start : start + 4])
                got += ask(endpoint, cluster, ZclFrame(next(numbers), Foundation.READ_ATTRIBUTES, wanted))
        for cluster, declared in DATA_CLUSTERS.items():
            for command in declared.ServerCommandDefs:
                for variant in range(3):
                    payload = _widest(command.schema, variant)
                    frame = ZclFrame(next(numbers), int(command.id), payload, cluster_specific=True)
                    got += ask(endpoint, cluster, frame)
                    daemon.han.forget_answers()
    return bytes(got)


def _widest(schema: Any, variant: int) -> bytes:
    """A request for all there is; the variants differ in the kinds, tables and channels that they ask for."""
    values: dict[str, Any] = {}
    for field in schema.fields:
        name = field.name
        if any(word in name for word in ("latest", "end_time")) or "cause" in name or name == "min_issuer_event_id":
            values[name] = 0xFFFFFFFF
        elif name in {"sample_id", "password_type", "calendar_type", "interval_channel"}:
            values[name] = variant
        elif name.startswith("number_of"):
            values[name] = 20
        elif name == "event_control_log_id":
            values[name] = field.type.deserialize(bytes([variant << 4]))[0]
        elif issubclass(field.type, list):
            values[name] = field.type()
        else:
            values[name] = field.type.deserialize(bytes(64))[0]
    return bytes(schema(**values).serialize())


async def ask_the_api(daemon: Daemon) -> bytes:
    """Every GET route, with values where one may ask for them."""
    app = make_app(daemon)
    got = bytearray()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hanctl") as http:
        for path, methods in app.openapi()["paths"].items():
            # Streams have no end; what they tell comes from elsewhere.
            if "get" not in methods or path in {"/events/stream", "/frames"}:
                continue
            filled = path.replace("{number}", "1").replace("{file_sha256}", "00" * 32)
            filled = filled.replace("{eui64}", daemon.ledger.devices.all()[0].eui64)
            answer = await http.get(filled, params={"values": "true", "limit": "10000", "all": "true"})
            got += answer.content
    return bytes(got)


def on_disk(directory: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


async def prepared(rig: Rig, bits: Iterable[int]) -> tuple[Planter, int, list[OutgoingFrame]]:
    """A hub full of markers, a display on its HAN that wants reports, and what the hub sends from now on."""
    await rig.daemon.join(rig.device(1).eui64, CODE)
    rig.device(1).power_on()
    await rig.until(lambda: rig.known(rig.device(1).eui64))
    planter = Planter(rig.daemon, bits)
    planter.everywhere()
    nwk = rig.device(1).nwk
    assert nwk is not None
    for attribute in (0x0421, 0x0401, 0x0000):
        entry = catalogue.ATTRIBUTES[0x0702, attribute]
        wanted = Reporting(attribute, entry.data_type, 0, 30, 1)
        rig.daemon.data.reports.configure(rig.device(1).eui64, 1, 2, 0x0702, wanted)
    sent: list[OutgoingFrame] = []
    send = rig.daemon.han._exchange.send

    async def noted(frame: OutgoingFrame) -> None:
        sent.append(frame)
        await send(frame)

    rig.daemon.han._exchange.send = noted  # type: ignore[method-assign]
    rig.daemon.data.changed()
    await asyncio.sleep(120)
    return planter, nwk, sent


def run(directory: Path, scenario: Any, radio: Radio = "ezsp") -> None:
    async def main() -> None:
        rig = Rig(directory, [display(1)], radio=radio, sections={"data": {"meter_stand_in": True}})
        rig.world.plug()
        await rig.start()
        try:
            await scenario(rig)
        finally:
            await rig.close()

    virtual.run(main())


@pytest.mark.parametrize("radio", ["ezsp", pytest.param("znp", marks=pytest.mark.slow)])
def test_nothing_of_the_last_consumer_is_anywhere(
    radio: Radio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(rig: Rig) -> None:
        planter, nwk, sent = await prepared(rig, FULL_CONSUMER)
        # The search finds: all of it is on the disk, and most of it is given out.
        before = ask_everything(rig.daemon, nwk)
        wide = [marker for marker in planter.gone if marker.size != 3]
        assert len(wide) > 300 and len(planter.gone) > 500
        assert len(found(wide, on_disk(tmp_path / "hub"))) == len(wide)
        backups = tmp_path / "hub" / "backups"
        assert list(backups.glob("ledger-*.sqlite"))
        assert found([*planter.gone, *planter.stay], on_disk(backups)) == []
        unseen = {marker.place for marker in planter.gone} - set(found(planter.gone, before, short=True))
        assert len(unseen) < 0.05 * len(planter.gone), unseen
        assert len(found(planter.gone, await ask_the_api(rig.daemon), short=True)) == len(planter.gone)
        assert found(planter.gone, b"".join(frame.payload for frame in sent), short=True)
        stayed = found(planter.stay, before, short=True)
        capsys.readouterr()
        sent.clear()

        rig.change()
        at_once = ask_everything(rig.daemon, nwk)
        await asyncio.sleep(2 * DAY / 24)
        after = at_once + ask_everything(rig.daemon, nwk)
        assert found(planter.gone, after, short=True) == []
        assert set(stayed) <= set(found(planter.stay, after, short=True))
        assert found(planter.gone, b"".join(frame.payload for frame in sent), short=True) == []
        assert found(planter.gone, await ask_the_api(rig.daemon)) == []
        assert found(planter.gone, on_disk(tmp_path / "hub")) == []
        events = str([each.as_dict() for each in rig.daemon.ledger.events()]).encode()
        assert found(planter.gone, events) == []
        assert found(planter.gone, capsys.readouterr().out.encode()) == []
        await rig.kill()
        await rig.start()
        assert found(planter.gone, on_disk(tmp_path / "hub")) == []

    run(tmp_path, scenario, radio)


@pytest.mark.slow
def test_a_published_message_leaves_history_on_the_disk_and_gives_it_to_no_device(tmp_path: Path) -> None:
    """GCS09 with the control of the published vector, and ECS12, dated a year and more ahead: all history is of before.

    The hub's attributes of a year end with that, so that a nearer date would leave these.
    """

    async def scenario(rig: Rig) -> None:
        planter, nwk, sent = await prepared(rig, [8])
        history, clock = planter.gone, rig.daemon.clock
        balances = [each for each in planter.stay if each.place in {"2/0705:0001", "2/0705:0211"}]
        sent.clear()
        date = clock.now() + timedelta(days=800)
        gcs09 = f"010901010708001409000000000000804A371C00{to_utc2000(date).to_bytes(4, 'little').hex()}00020000"
        dlms = f"{date.year:04X}{date.month:02X}{date.day:02X}FF{date.hour:02X}{date.minute:02X}00008000FF"
        ecs12 = f"D9200003E8000102000100005E2C03020201090C{dlms}"
        changes = [rig.daemon.tenancy.orders.order_gbcs(parse_gbcs_payload(payload)) for payload in (gcs09, ecs12)]
        assert [change.control for change in changes] == [0x1A00, 0x1800]
        await asyncio.sleep(3600)
        given = ask_everything(rig.daemon, nwk)
        assert found(history, given, short=True) == []
        assert len(found(balances, given)) == len(balances) == 2
        assert found(history, b"".join(frame.payload for frame in sent), short=True) == []
        assert found(history, await ask_the_api(rig.daemon)) == []
        wide = [marker for marker in history if marker.size != 3]
        assert len(found(wide, on_disk(tmp_path / "hub"))) == len(wide)
        hidden = dict(changes[0].hidden)
        assert hidden["gas: half_hours"] == 20 and hidden["gas: top_ups"] == hidden["gas: event_log"] == 1
        assert changes[1].cleared == () and dict(changes[1].hidden)["electricity: event_log"] == 2
        assert not any("Prepayment" in name for name, _ in changes[0].cleared)

    run(tmp_path, scenario)


def test_blocked_history_is_on_the_disk_and_reaches_no_device(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        planter, nwk, sent = await prepared(rig, [8])
        history = planter.gone
        assert found(history, ask_everything(rig.daemon, nwk), short=True)
        sent.clear()
        change = rig.change(control=Wanted(0x1880))
        await asyncio.sleep(3600)
        assert found(history, ask_everything(rig.daemon, nwk), short=True) == []
        assert found(history, b"".join(frame.payload for frame in sent), short=True) == []
        assert found(history, await ask_the_api(rig.daemon)) == []
        wide = [marker for marker in history if marker.size != 3]
        assert len(found(wide, on_disk(tmp_path / "hub"))) == len(wide)
        held = dict(rig.daemon.tenancy.report(change.id).change.held)
        assert held["gas: half_hours"] == 20 and held["electricity: days"] == 20

    run(tmp_path, scenario)
