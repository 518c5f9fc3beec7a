"""Send image pages: many blocks for one request, spaced as the device asks (comms_hub.md §1.5).

A page ends with its last byte or that of the image. It is sent without APS acknowledgements; the device asks for what
did not arrive. One page for each device at a time; whatever else the device asks meanwhile ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hanctl.base.eui64 import Eui64
from hanctl.radio.frames import Outcome
from hanctl.updates.serving import ota

LEAST_SPACING_S = 0.010


class BulkLink(Protocol):
    """Interface of the HAN that pages use."""

    def post(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int,
        tsn: int,
        number: int,
        outcome: Callable[[Outcome], None],
    ) -> None: ...

    def backlog(self) -> float: ...

    def is_sleepy(self, eui64: Eui64) -> bool: ...


@dataclass(slots=True, eq=False)
class Page:
    """Bytes ``offset`` to ``end`` of ``data``, to be sent in blocks of exactly ``size``; spacing in seconds.

    ``served`` is called with the offset after each block that was sent.
    """

    device: Eui64
    endpoint: int
    request: ota.ImagePageRequest
    tsn: int
    data: bytes = field(repr=False)
    offset: int
    end: int
    size: int
    spacing_s: float
    served: Callable[[int], None]
    timer: asyncio.TimerHandle | None = None


class Pages:
    """The pages being sent. ``told`` is called with the outcome and size of each block."""

    def __init__(self, bulk: BulkLink, told: Callable[[Outcome, int], None]) -> None:
        self._bulk = bulk
        self._told = told
        self._pages: dict[Eui64, Page] = {}

    def of(self, device: Eui64) -> Page | None:
        """Return the page being sent to this device."""
        return self._pages.get(device)

    def start(self, page: Page) -> None:
        """Send the page, its first block at once."""
        self._pages[page.device] = page
        self._send(page)

    def end(self, device: Eui64) -> None:
        """Stop sending the page to the device, if there is one."""
        page = self._pages.get(device)
        if page is not None:
            self._stop(page)

    def _stop(self, page: Page) -> None:
        if page.timer is not None:
            page.timer.cancel()
        if self._pages.get(page.device) is page:
            del self._pages[page.device]

    def _send(self, page: Page) -> None:
        offset, sent_at = page.offset, _now()
        data = page.data[offset : min(page.end, offset + page.size)]
        page.offset = offset + len(data)
        if page.offset >= page.end:
            # The device asks for its next page as soon as it has the last block of this one.
            self._pages.pop(page.device, None)

        def told(outcome: Outcome) -> None:
            self._told(outcome, len(data))
            if outcome == "dropped":
                self._stop(page)
                return
            # Lost blocks are the device's to ask for: nothing here is acknowledged.
            page.served(offset + len(data))
            if self._pages.get(page.device) is page:
                pause = max(0.0, sent_at + page.spacing_s - _now())
                page.timer = asyncio.get_running_loop().call_later(pause, self._send, page)

        self._bulk.post(
            page.device,
            cluster=ota.CLUSTER,
            command=ota.Command.IMAGE_BLOCK_RESPONSE,
            payload=ota.image_block(page.request, offset, data),
            endpoint=page.endpoint,
            tsn=page.tsn,
            number=offset,
            outcome=told,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
