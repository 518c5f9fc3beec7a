"""The OTA server: requests in, replies out, at once. What to answer is decided in ``decisions``.

The device drives: for as long as an update is open each of its requests is answered, and no timer ends an update.
A block costs no write to the ledger; the offset is written every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from hanctl.clock import Clock
from hanctl.eui64 import Eui64
from hanctl.firmware import decisions, ends, ota
from hanctl.firmware.decisions import Decision, Refusal, Situation
from hanctl.firmware.open_updates import OpenUpdates, Session
from hanctl.han.cluster import Attribute, DefaultReply, Reply, Request, Status
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.events import OtaRequestRefused
from hanctl.ledger.ledger import Ledger

REFUSAL_INTERVAL = 60.0
"""One refusal of a kind is told of each device so often at most, seconds."""

_CLUSTER_REVISION = Attribute(data_type=0x21, value=(4).to_bytes(2, "little"))

Queried = Callable[[Eui64, ota.QueryNextImageRequest], None]


class OtaServer:
    """Server of cluster 0x0019 on endpoint 1. ``on_query`` is called for each Query Next Image, before its reply."""

    cluster = ota.CLUSTER
    endpoint = 1

    def __init__(self, ledger: Ledger, updates: OpenUpdates, clock: Clock, on_query: Queried) -> None:
        self._ledger = ledger
        self._updates = updates
        self._clock = clock
        self._on_query = on_query
        self._refused: dict[tuple[Eui64, str], float] = {}

    def attributes(self) -> Mapping[int, Attribute]:
        """All attributes of the cluster are the client's, but for the cluster revision."""
        return {0xFFFD: _CLUSTER_REVISION}

    def handle(self, request: Request) -> Reply | DefaultReply:
        """Answer one request. Answers to a repeated request are repeated, and nothing is told twice."""
        if request.command in {
            ota.Command.IMAGE_PAGE_REQUEST,
            ota.Command.QUERY_DEVICE_SPECIFIC_FILE_REQUEST,
        }:
            # The client falls back to blocks (comms_hub.md §1.7).
            return DefaultReply(Status.UNSUP_COMMAND)
        try:
            return self._handle(request)
        except LedgerFull:
            return ends.without_ledger(request.command, request.payload)

    def _handle(self, request: Request) -> Reply | DefaultReply:
        try:
            frame = ota.decode_request(request.command, request.payload)
        except ota.OtaFrameError:
            return DefaultReply(Status.INVALID_FIELD)
        if isinstance(frame, ota.ImageBlockRequest):
            return self._block(frame, request)
        if isinstance(frame, ota.QueryNextImageRequest):
            return self._query(frame, request)
        return self._end(cast(ota.UpgradeEndRequest, frame), request)

    def _query(self, frame: ota.QueryNextImageRequest, request: Request) -> Reply | DefaultReply:
        self._on_query(request.device, frame)
        session = self._updates.of(request.device)
        situation = self._situation(request.device, session)
        if session is not None:
            situation = replace(situation, device_type=self._updates.device(session).device_type)
            if session.update.state in {"activating", "in_doubt"}:
                situation = replace(situation, activations=self._updates.activations(session))
        decision = decisions.query_next_image(frame, situation)
        if session is not None and decision.started is False:
            session.endpoint = request.source_endpoint
            session.queried_at = self._clock.monotonic()
            if session.query_tsn == request.tsn:
                # The same query once more, perhaps late: it says nothing of blocks asked for since.
                decision = replace(decision, started=None)
            session.query_tsn = request.tsn
        return self._carry_out("query next image", request, session, decision)

    def _block(self, frame: ota.ImageBlockRequest, request: Request) -> Reply | DefaultReply:
        session = self._updates.of(request.device)
        situation = self._situation(request.device, session, frame)
        decision = decisions.image_block(frame, situation)
        if session is not None:
            session.endpoint = request.source_endpoint
        reply = self._carry_out("image block", request, session, decision)
        if session is not None and decision.served_to is not None:
            session.served(decision.served_to, self._clock.monotonic(), situation.now)
            # In holding or activating, stray blocks are answered; the transfer is over all the same.
            if session.update.state == "transferring":
                self._updates.save_offset(session)
        return reply

    def _end(self, frame: ota.UpgradeEndRequest, request: Request) -> Reply | DefaultReply:
        session = self._updates.of(request.device)
        if session is not None and session.offset > session.update.offset:
            session.update = replace(session.update, offset=session.offset)
        situation = self._situation(request.device, session, frame)
        if session is not None:
            device_type = self._updates.device(session).device_type
            wait = self._updates.release_wait(session)
            situation = replace(situation, release_wait=wait, device_type=device_type)
            if frame.status != ota.OtaStatus.SUCCESS:
                situation = replace(situation, given_up_here=self._updates.given_up_here(session))
        decision = ends.upgrade_end(frame, situation)
        if session is not None:
            session.endpoint = request.source_endpoint
        return self._carry_out("upgrade end", request, session, decision)

    def _situation(
        self, device: Eui64, session: Session | None, image_id: decisions.Identified | None = None
    ) -> Situation:
        now = self._clock.now()
        strange = session is None or (image_id is not None and not decisions.same_image(image_id, session.update))
        ended = self._updates.last_ended(device) if strange else None
        if session is None:
            return Situation(device, now, ended=ended)
        session.last_heard = now
        image, data = self._updates.content(session) or (None, b"")
        return Situation(
            device,
            now,
            session.update,
            image,
            data,
            ended=ended,
            started=session.started,
            transfer_wait=self._updates.transfer_wait(session),
        )

    def _carry_out(
        self, what: str, request: Request, session: Session | None, decision: Decision
    ) -> Reply | DefaultReply:
        if session is not None:
            if decision.update is not None:
                self._updates.change(session, decision.update, *decision.events)
            if decision.started is not None:
                session.started = decision.started
        if decision.refusal is not None:
            self._tell_refusal(request.device, what, decision.refusal, session)
        return decision.reply

    def _tell_refusal(self, device: Eui64, what: str, refusal: Refusal, session: Session | None) -> None:
        now = self._clock.monotonic()
        told = self._refused.get((device, refusal.kind))
        if told is None or now - told >= REFUSAL_INTERVAL:
            self._refused[device, refusal.kind] = now
            update = session.update.id if session is not None else None
            self._ledger.record(OtaRequestRefused(device=device, update=update, request=what, reason=refusal.reason))
