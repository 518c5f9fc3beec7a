"""Deliver blocks to devices: choose their size and time, and tell devices to ask later when needed.

What is in a block, and whether it is served at all, is decided in ``decisions``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Request, Status
from hanctl.han.tasks import Tasks
from hanctl.radio.frames import Outcome
from hanctl.updates.serving import ota
from hanctl.updates.serving.block_size import BlockSizes
from hanctl.updates.serving.pacing import Pacing
from hanctl.updates.serving.pages import LEAST_SPACING_S, BulkLink, Page, Pages

log = structlog.get_logger()

CLUSTER_REVISION = 0xFFFD


class DeliveryLink(Protocol):
    """Interface of the HAN that delivery uses."""

    @property
    def bulk(self) -> BulkLink: ...

    def missed(self, eui64: Eui64) -> None: ...

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool = False,
        endpoint: int | None = None,
    ) -> dict[int, int | str | bytes | None]: ...


class BlockWatch(Protocol):
    """Counter of blocks. Called for each block, so it must be fast."""

    def asked_again(self) -> None:
        """Count a request for a block that was served before."""

    def taken(self, seconds: float) -> None:
        """Count an answer that the dongle accepted; seconds since the request."""

    def confirmed(self, seconds: float) -> None:
        """Count an answer whose delivery was confirmed; seconds since the request."""

    def ended(self, outcome: Outcome, size: int) -> None:
        """Count the outcome of a block of ``size`` bytes, in a page or alone."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[ota]`` of the configuration."""

    block_period_ms: int = 0
    busy_ms: int = 1000


class Delivery:
    """Sizes, pacing and pages of all devices."""

    def __init__(self, han: DeliveryLink, clock: Clock, settings: DeliverySettings | None = None) -> None:
        settings = settings or DeliverySettings()
        self._han = han
        self._clock = clock
        self._tasks = Tasks()
        self.sizes = BlockSizes()
        self.pacing = Pacing(settings.block_period_ms, settings.busy_ms / 1000)
        self.pages = Pages(han.bulk, self._ended)
        self.watch: BlockWatch | None = None

    def keep_to(self, settings: DeliverySettings) -> None:
        """Apply new settings from the next request on."""
        self.pacing.keep_to(settings.block_period_ms, settings.busy_ms / 1000)

    def block(self, reply: Reply, request: Request, offset: int, size: int, asked_at: float) -> Reply:
        """Return the reply with a block of ``size`` bytes that was requested at ``asked_at`` (monotonic)."""
        return Reply(
            reply.command,
            reply.payload,
            bulk=offset,
            outcome=partial(self._told, request.device, size, asked_at),
            taken=partial(self._taken, asked_at),
        )

    def asked_again(self) -> None:
        """Note that a device asks for a block that it was served before."""
        if self.watch is not None:
            self.watch.asked_again()

    def wait(self, request: Request, offset: int, period: int | None) -> Reply | None:
        """Return the answer that tells a device to ask later; None: it gets the block now."""
        device = request.device
        wait = self.pacing.wait(device, offset, period, self._han.bulk.backlog(), self._clock.monotonic())
        if self.pacing.wants_revision(device):
            self._tasks.start(self._read_revision(device, request.source_endpoint))
        if wait is None:
            return None
        return Reply(ota.Command.IMAGE_BLOCK_RESPONSE, ota.wait_for_data(wait.seconds, wait.period))

    def page(
        self,
        frame: ota.ImagePageRequest,
        request: Request,
        data: bytes,
        begin: Callable[[], object],
        served: Callable[[int], None],
    ) -> DefaultReply | LaterReply:
        """Begin a page of the image ``data``, if the request is valid.

        ``begin`` is called before the first block is sent, ``served`` with the offset after each that was.
        """
        running = self.pages.of(request.device)
        if running is not None:
            # The same request once more is on its way to be answered; another would have to wait.
            return LaterReply() if running.tsn == request.tsn else DefaultReply(Status.FAILURE)
        offset, size, length = int(frame.file_offset), frame.max_data_size, frame.page_size
        if size is None or length is None or frame.response_spacing is None:
            return DefaultReply(Status.INVALID_FIELD)
        if offset >= len(data) or size == 0 or size > length:
            return DefaultReply(Status.INVALID_VALUE)
        if size > self.sizes.largest(request.device):
            # Blocks of a page must be as large as the device wants them: it has to ask for single ones.
            return DefaultReply(Status.UNSUP_COMMAND)
        begin()
        self.pages.start(
            Page(
                device=request.device,
                endpoint=request.source_endpoint,
                request=frame,
                tsn=request.tsn,
                data=data,
                offset=offset,
                end=min(len(data), offset + length),
                size=size,
                spacing_s=max(LEAST_SPACING_S, frame.response_spacing / 1000),
                served=served,
            )
        )
        return LaterReply()

    async def stop(self) -> None:
        """Stop all background work."""
        await self._tasks.cancel()

    def _taken(self, asked_at: float) -> None:
        if self.watch is not None:
            self.watch.taken(self._clock.monotonic() - asked_at)

    def _ended(self, outcome: Outcome, size: int) -> None:
        if self.watch is not None:
            self.watch.ended(outcome, size)

    def _told(self, device: Eui64, size: int, asked_at: float, outcome: Outcome) -> None:
        self._ended(outcome, size)
        if outcome == "delivered":
            if self.watch is not None:
                self.watch.confirmed(self._clock.monotonic() - asked_at)
            self.sizes.delivered(device)
        elif outcome == "failed":
            self._han.missed(device)
            # A device that sleeps too long misses blocks of any size.
            if not self._han.bulk.is_sleepy(device):
                self.sizes.failed(device, size)

    async def _read_revision(self, device: Eui64, endpoint: int) -> None:
        """Read the revision of the device's OTA cluster, which determines the unit of its block period."""
        try:
            read = await self._han.read_attributes(
                device, cluster=ota.CLUSTER, attributes=[CLUSTER_REVISION], client_side=True, endpoint=endpoint
            )
        except HanctlError as error:
            log.info("the revision of the OTA cluster was not read", device=device, reason=str(error))
            read = {}
        revision = read.get(CLUSTER_REVISION)
        self.pacing.revision(device, revision if isinstance(revision, int) else None)
