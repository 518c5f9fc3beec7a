"""A device that is told to wait was sent nothing: what comes of its request is recorded once it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from firmware_fakes import DISPLAY, IMAGE_TYPE, MANUFACTURER, NEW, Bench, make_image, make_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ota_responses import decode_response

from hanctl.base import virtual
from hanctl.han.cluster import DefaultReply, LaterReply, Reply
from hanctl.model.records import Update
from hanctl.updates.serving import ota
from hanctl.updates.serving.delivery import DeliverySettings

FILE = make_image(payload=bytes(range(150)) * 2)
PERIOD_MS = 2000


class Asker:
    """A device that fetches the ordered image from a hub that has devices space their requests."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.number = number
        self.tsn = 0

    def _ask(self, command: int, frame: Any) -> Reply | DefaultReply | LaterReply:
        self.tsn = (self.tsn + 1) % 256
        request = make_request(command, frame.serialize(), self.tsn, DISPLAY)
        return self.bench.service.server.handle(request)

    def block(self, offset: int, size: int = 50, period: int | None = None) -> ota.ImageBlockResponse:
        frame = ota.ImageBlockRequest(
            field_control=0 if period is None else 2,
            manufacturer_code=MANUFACTURER,
            image_type=IMAGE_TYPE,
            file_version=NEW,
            file_offset=offset,
            max_data_size=size,
            minimum_block_period=period,
        )
        reply = self._ask(3, frame)
        assert isinstance(reply, Reply)
        return cast(ota.ImageBlockResponse, decode_response(reply.command, reply.payload))

    def page(self, offset: int, length: int, block: int = 50) -> Reply | DefaultReply | LaterReply:
        frame = ota.ImagePageRequest(
            field_control=0,
            manufacturer_code=MANUFACTURER,
            image_type=IMAGE_TYPE,
            file_version=NEW,
            file_offset=offset,
            max_data_size=block,
            page_size=length,
            response_spacing=50,
        )
        return self._ask(4, frame)

    def known(self) -> tuple[list[str], Update | None]:
        return self.bench.types(), self.bench.ledger.updates.get(self.number)

    def sent_whole(self) -> bool:
        return "update.verifying" in self.bench.types()


Scenario = Callable[[Asker], Coroutine[Any, Any, None]]


def play(path: Path, scenario: Scenario) -> None:
    async def whole() -> None:
        bench = Bench(path)
        bench.service.delivery.keep_to(DeliverySettings(block_period_ms=PERIOD_MS))
        update = bench.service.start(DISPLAY, bench.add(FILE))
        await scenario(Asker(bench, update.id))
        await bench.kill()

    virtual.run(whole())


@pytest.mark.parametrize("revision", [None, 1, 2, 3], ids=lambda revision: f"revision {revision}")
@pytest.mark.parametrize("period", [None, 0, 7], ids=lambda period: f"period {period}")
def test_a_transfer_by_blocks(period: int | None, revision: int | None, tmp_path: Path) -> None:
    async def scenario(asker: Asker) -> None:
        asker.bench.service.delivery.pacing.revision(DISPLAY, revision)
        offset, waits, keeps = 0, 0, period
        while offset < len(FILE):
            before = asker.known()
            response = asker.block(offset, period=keeps)
            if response.status == ota.OtaStatus.WAIT_FOR_DATA:
                assert asker.known() == before
                waits += 1
                if keeps is not None and response.minimum_block_period is not None:
                    keeps = int(response.minimum_block_period)
                await asyncio.sleep(60)
                continue
            assert response.status == ota.OtaStatus.SUCCESS
            offset += len(response.data)
            assert asker.sent_whole() == (offset == len(FILE))
        assert waits >= 1
        types = asker.bench.types()
        assert (types.count("update.transferring"), types.count("update.verifying")) == (1, 1)

    play(tmp_path, scenario)


def test_the_last_block_alone(tmp_path: Path) -> None:
    async def scenario(asker: Asker) -> None:
        for offset in range(0, len(FILE) - 12, 50):
            assert asker.block(offset).status == ota.OtaStatus.WAIT_FOR_DATA
            assert asker.block(offset).status == ota.OtaStatus.SUCCESS
        last = len(FILE) - 12
        assert asker.block(last).status == ota.OtaStatus.WAIT_FOR_DATA
        assert not asker.sent_whole()
        assert asker.bench.ledger.updates.get(asker.number).state == "transferring"  # type: ignore[union-attr]
        assert asker.block(last).status == ota.OtaStatus.SUCCESS
        assert asker.sent_whole()

    play(tmp_path, scenario)


def test_a_transfer_by_pages(tmp_path: Path) -> None:
    async def scenario(asker: Asker) -> None:
        for offset in range(0, len(FILE), 150):
            before = asker.known()
            told = asker.page(offset, 150)
            assert isinstance(told, Reply) and asker.known() == before
            await asyncio.sleep(5)
            assert ("update.transferring" in asker.bench.types()) == (offset > 0)
            assert asker.page(offset, 150) == LaterReply()
            assert "update.transferring" in asker.bench.types()
            assert not asker.sent_whole()
            await asyncio.sleep(5)
        assert asker.bench.count("update.verifying") == asker.bench.count("update.transferring") == 1

    play(tmp_path, scenario)


def test_a_page_of_the_last_block_that_is_refused_or_not_sent(tmp_path: Path) -> None:
    async def scenario(asker: Asker) -> None:
        last = len(FILE) - 12
        asker.block(last - 50)
        asker.block(last - 50)
        asker.page(last, 12, block=12)
        before = asker.known()
        # Larger blocks than its pages may be, or than a frame holds.
        assert isinstance(asker.page(last, 11, block=12), DefaultReply)
        assert isinstance(asker.page(last, 100, block=57), DefaultReply)
        assert asker.known() == before
        bulk = asker.bench.han.bulk
        bulk.outcome = "dropped"
        assert asker.page(last, 12, block=12) == LaterReply()
        await asyncio.sleep(5)
        assert not asker.sent_whole()
        bulk.outcome = "failed"
        assert asker.page(last, 12, block=12) == LaterReply()
        await asyncio.sleep(5)
        assert asker.bench.count("update.verifying") == 1

    play(tmp_path, scenario)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, len(FILE) - 1), st.sampled_from([None, 0, 60, 2, 2000]))))
def test_in_any_order(tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[bool, int, int | None]]) -> None:
    async def scenario(asker: Asker) -> None:
        for page, offset, period in asked:
            before = asker.known()
            if page:
                waits = isinstance(asker.page(offset, 100), Reply)
            else:
                waits = asker.block(offset, period=period).status == ota.OtaStatus.WAIT_FOR_DATA
            if waits:
                assert asker.known() == before
            await asyncio.sleep(1)

    play(tmp_path_factory.mktemp("hub"), scenario)
