"""Image pages as a service user's device sees them: statuses, spacing, the end of the file, one page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from firmware_fakes import DISPLAY, IMAGE_TYPE, MANUFACTURER, NEW, Bench, make_image, make_request
from ota_responses import decode_response

from hanctl.base import virtual
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Status
from hanctl.updates.serving import ota

FILE = make_image(payload=bytes(range(256)) * 8)


class Asker:
    """A device that asks for pages of the ordered image."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.tsn = 0

    def page(
        self, offset: int, size: int = 1024, block: int = 32, spacing: int = 50, **special: Any
    ) -> Reply | DefaultReply | LaterReply:
        values: dict[str, Any] = {
            "field_control": 0,
            "manufacturer_code": MANUFACTURER,
            "image_type": IMAGE_TYPE,
            "file_version": NEW,
            "file_offset": offset,
            "max_data_size": block,
            "page_size": size,
            "response_spacing": spacing,
        }
        frame = ota.ImagePageRequest(**{**values, **special})
        self.tsn += 1
        return self.bench.service.server.handle(make_request(4, frame.serialize(), self.tsn, DISPLAY))

    def posted(self) -> list[tuple[float, ota.ImageBlockResponse]]:
        blocks = self.bench.han.bulk.posted
        return [
            (block["at"], cast(ota.ImageBlockResponse, decode_response(block["command"], block["payload"])))
            for block in blocks
        ]


Scenario = Callable[[Asker], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            bench = Bench(tmp_path)
            bench.service.start(DISPLAY, bench.add(FILE))
            await scenario(Asker(bench))
            await bench.kill()

        virtual.run(whole())

    return run


def test_a_page(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        assert asker.page(0) == LaterReply()
        await asyncio.sleep(10)
        blocks = asker.posted()
        assert b"".join(block.data for _, block in blocks) == FILE[:1024]
        assert {len(block.data) for _, block in blocks} == {32}
        began = blocks[0][0]
        assert [at - began for at, _ in blocks] == pytest.approx([0.05 * n for n in range(32)])
        assert {block["tsn"] for block in asker.bench.han.bulk.posted} == {1}

    play(scenario)


def test_a_page_across_the_end_of_the_file(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        assert asker.page(2048, block=50) == LaterReply()
        await asyncio.sleep(10)
        assert b"".join(block.data for _, block in asker.posted()) == FILE[2048:]
        assert all(len(block.data) > 0 for _, block in asker.posted())

    play(scenario)


def test_one_page_at_a_time(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        assert asker.page(0) == LaterReply()
        await asyncio.sleep(0.5)
        assert asker.page(1024) == DefaultReply(Status.FAILURE)
        # The same request once more, as a retransmission brings it, changes nothing.
        asker.tsn = 0
        assert asker.page(0) == LaterReply()
        await asyncio.sleep(10)
        assert len(asker.posted()) == 32
        assert asker.page(1024) == LaterReply()

    play(scenario)


def test_a_request_for_a_block_ends_the_page(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        asker.page(0)
        await asyncio.sleep(0.5)
        sent = len(asker.posted())
        frame = bytes.fromhex("00 3412 0100 02000000 00010000 20")
        assert isinstance(asker.bench.ask(3, frame), Reply)
        await asyncio.sleep(10)
        assert len(asker.posted()) == sent

    play(scenario)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"offset": len(FILE)}, Status.INVALID_VALUE),
        ({"offset": 0, "block": 40, "size": 39}, Status.INVALID_VALUE),
        ({"offset": 0, "block": 0}, Status.INVALID_VALUE),
        ({"offset": 0, "file_version": NEW + 1}, Status.NOT_FOUND),
        ({"offset": 0, "image_type": IMAGE_TYPE + 1}, Status.NOT_FOUND),
        # No frame holds so much, and in a page the device gets what it asks for or nothing.
        ({"offset": 0, "block": 57}, Status.UNSUP_COMMAND),
    ],
)
def test_a_page_that_is_refused(play: Callable[[Scenario], None], request_: dict[str, int], status: Status) -> None:
    async def scenario(asker: Asker) -> None:
        assert asker.page(**request_) == DefaultReply(status)
        await asyncio.sleep(1)
        assert asker.posted() == []

    play(scenario)


def test_no_update(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        asker.bench.service.cancel(1)
        answer = asker.page(0)
        assert isinstance(answer, Reply)
        assert answer.payload == bytes([0x95])

    play(scenario)


def test_a_dongle_that_is_lost_ends_the_page(play: Callable[[Scenario], None]) -> None:
    async def scenario(asker: Asker) -> None:
        bulk = asker.bench.han.bulk

        def post(eui64: Any, *, outcome: Callable[[str], None], **frame: Any) -> None:
            bulk.posted.append(frame | {"at": 0.0})
            outcome("dropped")

        bulk.post = post  # type: ignore[method-assign, assignment]
        assert asker.page(0) == LaterReply()
        await asyncio.sleep(10)
        assert len(bulk.posted) == 1
        assert asker.page(0) == LaterReply()

    play(scenario)
