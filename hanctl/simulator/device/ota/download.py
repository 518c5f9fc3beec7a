"""The DOWNLOAD state of the OTA client: blocks, pages, waiting, and what is tried again. Source: comms_hub.md §1.7."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod

from hanctl.simulator import zcl
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota.engine import OtaEngine
from hanctl.simulator.device.ota.page import PageBroken, PageProgress
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.device.storage import Phase

MAX_BLOCK = 63
_STOPPING = (zcl.ABORT, zcl.NO_IMAGE_AVAILABLE, zcl.UNSUP_COMMAND, zcl.UNSUPPORTED_CLUSTER)


class OtaDownload(OtaEngine, ABC):
    """The client's DOWNLOAD state: the image is fetched into storage, then ``_verify`` is called."""

    @abstractmethod
    def _verify(self, now: float) -> None:
        """Verify the image, which is complete."""

    @abstractmethod
    def _abort(self, now: float, status: int | None, reason: str) -> None:
        """Give the image up; ``status`` is told to the server, None tells it nothing."""

    def _download(self, now: float) -> None:
        self._enter(OtaState.DOWNLOAD)
        if self.timings.download_delay_s > 0:
            self._after(now, self.timings.download_delay_s, self._ask_next)
        else:
            self._ask_next(now)

    def _ask_next(self, now: float) -> None:
        self._told_to_wait = False
        if not self._paging or self._page is not None:
            self._ask_block(now)
            return
        timings, offset = self.timings, self.storage.offset
        size = min(timings.page_size, self.storage.image_size - offset)
        self._page = PageProgress(offset, size, timings.page_block)
        self.counts.pages += 1
        payload = ota.image_page_request(
            self._image, offset, timings.page_block, timings.page_size, timings.page_spacing_ms, self._eui64
        )
        self._ask(ota.IMAGE_PAGE_REQUEST, payload)
        self._await(now, timings.page_timeout_s, self._page_over)

    def _ask_block(self, now: float) -> None:
        self._told_to_wait = False
        if self._page is None:
            offset, most = self.storage.offset, self.behaviour.max_data_size
        else:
            offset, most = self._page.missing()[0], self._page.block
        period = None if self.behaviour.min_block_period == "none" else self.min_block_period
        self._ask(ota.IMAGE_BLOCK_REQUEST, ota.image_block_request(self._image, offset, most, self._eui64, period))
        self._await(now, self.timings.message_timeout_s, self._block_missed)

    def _block_missed(self, now: float) -> None:
        self.awaiting_answer = False
        self._errors += 1
        self.counts.retries += 1
        if self._errors >= self.timings.download_error_threshold:
            self._abort(now, zcl.ABORT, "the server does not answer")
        else:
            self._after(now, self.timings.timeout_backoff_s, self._ask_next)

    def _page_over(self, now: float) -> None:
        """End the wait for a page: ask for its gaps one by one, or count an error where nothing came."""
        if self._page is not None and self._page.untouched:
            self._page = None
            self._block_missed(now)
        else:
            self._ask_block(now)

    def _block_response(self, payload: bytes, now: float) -> None:
        if self.state is not OtaState.DOWNLOAD:
            return
        status = payload[0]
        if status == zcl.SUCCESS:
            self._block(payload, now)
        elif status == zcl.WAIT_FOR_DATA:
            self._wait_for_data(payload, now)
        elif status in (zcl.ABORT, zcl.NO_IMAGE_AVAILABLE):
            self._abort(now, None, f"the server answered 0x{status:02x}")
        else:
            self._refuse(zcl.INVALID_FIELD)

    def _block(self, payload: bytes, now: float) -> None:
        image = ota.read_image_id(payload, 1)
        offset, size = struct.unpack_from("<IB", payload, 9)
        data = payload[14 : 14 + size]
        page = self._page
        if image != self._image or size > MAX_BLOCK:
            self._refuse(zcl.INVALID_VALUE)
        elif len(data) != size or size == 0:
            self._refuse(zcl.MALFORMED_COMMAND)
        elif page is not None:
            self._page_block(page, offset, data, now)
        elif offset == self.storage.offset:
            self._store(data, now)

    def _page_block(self, page: PageProgress, offset: int, data: bytes, now: float) -> None:
        try:
            page.take(offset, data)
        except PageBroken as error:
            self._abort(now, zcl.ABORT, str(error))
            return
        self.counts.blocks += 1
        self._errors = 0
        if page.complete:
            self._page = None
            self._store(page.content(), now)
        elif self._action != self._page_over:
            self._after(now, self.timings.missed_block_delay_s, self._ask_block)

    def _store(self, data: bytes, now: float) -> None:
        """Store the next bytes of the image, and go on."""
        if self.storage.offset + len(data) > self.storage.image_size:
            self._refuse(zcl.INVALID_VALUE)
            return
        try:
            self.storage.append(data)
        except OSError as error:
            self._abort(now, zcl.ABORT, str(error))
            return
        self.awaiting_answer = False
        self._errors = 0
        if not self._paging:
            self.counts.blocks += 1
        if self.storage.phase is Phase.COMPLETE:
            self._verify(now)
            return
        pause = max(self.behaviour.think_time_s, self._period_s)
        if pause > 0:
            self._after(now, pause, self._ask_next)
        else:
            self._ask_next(now)

    def _wait_for_data(self, payload: bytes, now: float) -> None:
        current, request = struct.unpack_from("<II", payload, 1)
        wait = self.timings.bad_block_wait_s if request < current else min(request - current, self.timings.max_wait_s)
        if len(payload) >= 11 and self.behaviour.min_block_period != "none":
            (self.min_block_period,) = struct.unpack_from("<H", payload, 9)
            wait += self._period_s
        self.awaiting_answer = False
        self._errors = 0
        self._told_to_wait = True
        if self._page is not None and self._page.untouched:
            self._page = None
        self._after(now, wait, self._ask_next)

    def _block_refused(self, command: int, status: int, now: float) -> None:
        """Handle a Default Response to a block or page request."""
        if command == ota.IMAGE_PAGE_REQUEST and status == zcl.UNSUP_COMMAND:
            self._paging, self._page = False, None
            self._ask_block(now)
        elif status in _STOPPING:
            self._abort(now, None, f"the server answered 0x{status:02x}")
        else:
            self._block_missed(now)
