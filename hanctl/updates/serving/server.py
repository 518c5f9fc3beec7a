"""The OTA server: answer each request at once, as ``decisions`` says.

The device drives: for as long as an update is open each of its requests is answered, and no timer ends an update.
A block costs no write to the ledger; the offset is written every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import cast

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, LaterReply, Proof, Reply, Request, ServedAttribute, Status, Weight
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import OtaRequestRefused
from hanctl.updates.life.open_updates import OpenUpdates, Session
from hanctl.updates.serving import decisions, ends, ota
from hanctl.updates.serving.decisions import Decision, Misfit, Situation
from hanctl.updates.serving.delivery import Delivery
from hanctl.updates.serving.weighing import Weighing, rest_on

_CLUSTER_REVISION = ServedAttribute(data_type=0x21, value=(4).to_bytes(2, "little"))

Queried = Callable[[Eui64, ota.QueryNextImageRequest, Proof], None]


class OtaServer:
    """Server of cluster 0x0019 on endpoint 1. ``on_query`` is called for each Query Next Image, before its reply."""

    cluster = ota.CLUSTER
    endpoint = 1

    def __init__(
        self,
        ledger: Ledger,
        updates: OpenUpdates,
        clock: Clock,
        delivery: Delivery,
        weighing: Weighing,
        on_query: Queried,
    ) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._updates = updates
        self._clock = clock
        self._weighing = weighing
        self._on_query = on_query
        self.on_served: list[Callable[[Eui64], None]] = []
        """Called after each block, with the device that it is for."""

    def attributes(self) -> Mapping[int, ServedAttribute]:
        """Return the server's only attribute, the cluster revision; all others are the client's."""
        return {0xFFFD: _CLUSTER_REVISION}

    def weight(self, request: Request) -> Weight:
        """Return how much depends on the sender of the request; see ``Weighs``."""
        return self._weighing.weight(request)

    async def corroborate(self, request: Request) -> bool | None:
        """Ask the device whether it sent the request; see ``Weighs``."""
        return await self._weighing.corroborate(request)

    def handle(self, request: Request) -> Reply | DefaultReply | LaterReply:
        """Answer one request. A repeated request gets the same answer again, without new events."""
        if request.command == ota.Command.QUERY_DEVICE_SPECIFIC_FILE_REQUEST:
            return DefaultReply(Status.UNSUP_COMMAND)
        try:
            return self._handle(request)
        except LedgerFull:
            return ends.without_ledger(request.command, request.payload)

    def _handle(self, request: Request) -> Reply | DefaultReply | LaterReply:
        try:
            if request.command == ota.Command.IMAGE_BLOCK_REQUEST:
                self._delivery.pages.end(request.device)
                return self._block(ota.read_block_request(request.payload), request)
            frame = ota.decode_request(request.command, request.payload)
        except ota.OtaFrameError:
            return DefaultReply(Status.INVALID_FIELD)
        if isinstance(frame, ota.ImagePageRequest):
            return self._page(frame, request)
        self._delivery.pages.end(request.device)
        if isinstance(frame, ota.QueryNextImageRequest):
            return self._query(frame, request)
        return self._end(cast(ota.UpgradeEndRequest, frame), request)

    def _query(self, frame: ota.QueryNextImageRequest, request: Request) -> Reply | DefaultReply:
        self._on_query(request.device, frame, request.proof)
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
        return self._carry_out("query next image", request, session, rest_on(decision, request.proof))

    def _block(self, frame: ota.BlockRequest, request: Request) -> Reply | DefaultReply:
        asked_at = self._clock.monotonic()
        session, decision = self._decide_block(frame, request)
        if session is None or decision.served_to is None or not isinstance(decision.reply, Reply):
            return self._carry_out("image block", request, session, decision)
        offset = frame.file_offset
        # A device that is to wait was sent nothing, and nothing came of its request.
        wait = self._delivery.wait(request, offset, frame.minimum_block_period)
        if wait is not None:
            return wait
        if offset < session.offset:
            self._delivery.asked_again()
        self._carry_out("image block", request, session, decision)
        self._served(session, decision.served_to)
        return self._delivery.block(decision.reply, request, offset, decision.served_to - offset, asked_at)

    def _page(self, frame: ota.ImagePageRequest, request: Request) -> Reply | DefaultReply | LaterReply:
        session, decision = self._decide_block(frame, request)
        content = self._updates.content(session) if session is not None else None
        commit = partial(self._carry_out, "image page", request, session, decision)
        if session is None or content is None or decision.served_to is None:
            commit()
            if isinstance(decision.reply, Reply):
                return decision.reply
            out_of_range = decision.refusal is not None and decision.refusal.kind == "block-range"
            return DefaultReply(Status.INVALID_VALUE if out_of_range else Status.NOT_FOUND)
        wait = self._delivery.wait(request, int(frame.file_offset), None)
        if wait is not None:
            return wait
        return self._delivery.page(frame, request, content[1], commit, partial(self._served, session))

    def _decide_block(
        self, frame: ota.BlockRequest | ota.ImagePageRequest, request: Request
    ) -> tuple[Session | None, Decision]:
        """Decide on a request for a block, or for a page by its first block."""
        session = self._updates.of(request.device)
        decision = decisions.image_block(frame, self._situation(request.device, session, frame))
        if session is not None:
            session.endpoint = request.source_endpoint
        return session, decision

    def _served(self, session: Session, served_to: int) -> None:
        session.served(served_to, self._clock.monotonic(), self._clock.now())
        # In holding or activating, stray blocks are answered; the transfer is over all the same.
        if session.update.state == "transferring":
            with suppress(LedgerFull):
                self._updates.step(session, decisions.page_sent(session.update, served_to))
            self._updates.save_offset(session)
        for told in self.on_served:
            told(session.update.device)

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
        self._delivery.pacing.forget(request.device)
        return self._carry_out("upgrade end", request, session, rest_on(decision, request.proof))

    def _situation(
        self, device: Eui64, session: Session | None, image_id: decisions.ImageName | None = None
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
            largest_block=self._delivery.sizes.largest(device),
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

    def _tell_refusal(self, device: Eui64, what: str, refusal: Misfit, session: Session | None) -> None:
        update = session.update.id if session is not None else None
        self._ledger.note(OtaRequestRefused(device=device, update=update, request=what, reason=refusal.reason))
