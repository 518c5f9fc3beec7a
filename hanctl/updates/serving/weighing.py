"""Decide which OTA requests must be proven to come from the device, and ask the device about them.

A frame from a device's address is not the device's yet (docs/trust.md). Blocks in the middle of a transfer go to the
device, under its key, whoever asked; what begins, ends or turns an update is weighed. Where the dongle cannot tell, the
device is asked for its ImageUpgradeStatus and versions, with a secret. Source: comms_hub.md §1.4 (attributes), §1.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from struct import Struct
from typing import Any

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import Proof, Request, Weight
from hanctl.han.errors import Unproven
from hanctl.han.smart_energy.ota_upgrade import ImageUpgradeStatus
from hanctl.updates.desk.link import HanLink
from hanctl.updates.life.open_updates import PERSIST_INTERVAL, OpenUpdates, Session
from hanctl.updates.serving import ota
from hanctl.updates.serving.decisions import MAX_BLOCK, Decision

log = structlog.get_logger()

HAS_IMAGE = frozenset(
    {
        ImageUpgradeStatus.DownloadComplete,
        ImageUpgradeStatus.WaitingToUpgrade,
        ImageUpgradeStatus.CountDown,
        ImageUpgradeStatus.WaitingToUpgradeViaExternalEvent,
    }
)
ASKED_S = 3.0
"""A device waits for the answer to its request meanwhile, for five seconds at the least (comms_hub.md §1.7)."""
BELIEVED_S = 60.0
"""A device that confirmed its transfer is not asked about each further step of the same."""
UNASKED_S = 300.0
"""A sleeper that did not answer is not asked again for so long: each time keeps its request waiting."""
NO_OFFSET = 0xFFFFFFFF
UNDER_SOME_KEY = "said from its address, under some key"

_FETCHING = frozenset({ImageUpgradeStatus.DownloadInProgress, ImageUpgradeStatus.WaitForMore})
_BLOCK = Struct("<BHHIIB")
_ASKED = (ota.CURRENT_FILE_VERSION, ota.IMAGE_UPGRADE_STATUS, ota.FILE_OFFSET)


def rest_on(decision: Decision, proof: Proof) -> Decision:
    """Return the decision with its proof in the cause, if it rests on nothing but an address."""
    update = decision.update
    if proof != "address" or update is None or update.ended_at is None:
        return decision
    return replace(decision, update=replace(update, reason=f"{update.reason}; {UNDER_SOME_KEY}"))


class Weighing:
    """Weigh requests to the OTA server, and ask their devices; ``is_sleepy`` tells whether a device sleeps."""

    def __init__(self, updates: OpenUpdates, han: HanLink, clock: Clock, is_sleepy: Callable[[Eui64], bool]) -> None:
        self._updates = updates
        self._is_sleepy = is_sleepy
        self._unasked_until: dict[Eui64, float] = {}
        self._believed_until: dict[Eui64, float] = {}
        self._han = han
        self._clock = clock

    def weight(self, request: Request) -> Weight:
        """Return how much depends on the sender of the request; nothing for a block within a transfer."""
        match request.command:
            case ota.Command.IMAGE_BLOCK_REQUEST:
                return "none" if self._goes_on(request) else "step"
            case ota.Command.IMAGE_PAGE_REQUEST:
                return "step" if self._updates.of(request.device) is not None else "none"
            case ota.Command.QUERY_NEXT_IMAGE_REQUEST | ota.Command.UPGRADE_END_REQUEST:
                return "end"
            case _:
                return "none"

    def _goes_on(self, request: Request) -> bool:
        """Tell whether the block continues a transfer that was checked lately, and is not the last."""
        session = self._updates.of(request.device)
        if session is None or len(request.payload) < _BLOCK.size:
            return True
        update = session.update
        if not session.started or update.cancel_asked_at is not None:
            return False
        if update.state != "transferring":
            return update.state in {"verifying", "holding", "activating", "in_doubt"}
        return self._clock.monotonic() - session.persisted_at < PERSIST_INTERVAL and _is_within(session, request)

    def _is_believed(self, request: Request) -> bool:
        """Tell whether the request is a block of a transfer that the device confirmed lately."""
        if self._believed_until.get(request.device, 0.0) <= self._clock.monotonic():
            return False
        session = self._updates.of(request.device)
        return (
            session is not None
            and session.started
            and session.update.cancel_asked_at is None
            and session.update.state == "transferring"
            and request.command == ota.Command.IMAGE_BLOCK_REQUEST
            and _is_within(session, request)
        )

    async def corroborate(self, request: Request) -> bool | None:
        """Ask the device for its OTA attributes, and tell whether they agree with the request.

        None: they do not tell. A device that does not answer did not send the request, unless it sleeps again.
        """
        now = self._clock.monotonic()
        if self._unasked_until.get(request.device, now) > now:
            return None
        if self._is_believed(request):
            return None
        try:
            async with asyncio.timeout(ASKED_S):
                told = await self._han.read_attributes(
                    request.device,
                    cluster=ota.CLUSTER,
                    attributes=_ASKED,
                    client_side=True,
                    endpoint=request.source_endpoint,
                )
        except Unproven:
            return None
        except (HanctlError, TimeoutError) as error:
            log.debug("a device was not asked about a request", device=request.device, reason=str(error))
            if not self._is_sleepy(request.device):
                return False
            self._unasked_until[request.device] = now + UNASKED_S
            return None
        version, status, offset = (told[attribute] for attribute in _ASKED)
        try:
            frame: Any = ota.decode_request(request.command, request.payload)
        except ota.OtaFrameError:
            return None
        if isinstance(frame, ota.QueryNextImageRequest):
            return int(frame.current_file_version) == version if isinstance(version, int) else None
        if not isinstance(status, int):
            return None
        if not isinstance(frame, ota.UpgradeEndRequest):
            reached = offset if isinstance(offset, int) and offset != NO_OFFSET else None
            agrees = status in _FETCHING and (reached is None or frame.file_offset <= reached)
            if agrees:
                self._believed_until[request.device] = now + BELIEVED_S
            return agrees
        if frame.status == ota.OtaStatus.SUCCESS:
            return status in HAS_IMAGE or version == frame.file_version
        return status not in {ImageUpgradeStatus.DownloadInProgress, *HAS_IMAGE}


def _is_within(session: Session, request: Request) -> bool:
    """Tell whether the block was reached already, or is the next, and is not the last."""
    if len(request.payload) < _BLOCK.size:
        return False
    offset = int(_BLOCK.unpack_from(request.payload)[4])
    return offset <= session.offset and offset + MAX_BLOCK < session.update.size
