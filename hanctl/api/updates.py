"""Routes of updates."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from hanctl.api.models import (
    MAX_ID,
    MAX_NUMBER,
    ActivationOrder,
    NoticeView,
    OrderForMany,
    OutcomeView,
    ReportView,
    UpdateOrder,
    UpdateView,
    update_view,
)
from hanctl.api.waiting import WaitS, until
from hanctl.base.errors import InvalidInput, NotFound
from hanctl.base.eui64 import parse_eui64
from hanctl.model.records import Update
from hanctl.updates.desk.service import OrderOutcome
from hanctl.webhook.webhook import NOTICE_TYPES

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

UpdateId = Annotated[int, Path(ge=1, le=MAX_NUMBER)]
Offset = Annotated[int, Query(ge=0, le=MAX_ID)]


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    def view(update: Update) -> UpdateView:
        return update_view(update, daemon.updates.progress(update.id))

    def outcome(one: OrderOutcome) -> OutcomeView:
        verdict = one.verdict
        return OutcomeView(
            device=verdict.device,
            accepted=verdict.accepted,
            reason=verdict.reason,
            hint=verdict.hint,
            versions=[image.file_version for image in verdict.steps],
            supersedes=verdict.supersedes,
            remarks=list(verdict.remarks),
            update=None if one.update is None else view(one.update),
        )

    def found(number: int) -> Update:
        update = daemon.ledger.updates.get(number)
        if update is None:
            raise NotFound(f"there is no update {number}", "see: hanctl update list")
        return update

    @routes.get("/updates")
    async def updates(device: str | None = None, open_only: bool = False) -> list[UpdateView]:
        address = None if device is None else parse_eui64(device)
        return [view(update) for update in daemon.ledger.updates.all(device=address, open_only=open_only)]

    @routes.post("/updates", status_code=HTTPStatus.CREATED)
    async def order(order: UpdateOrder) -> UpdateView:
        """Order an update of one device; an order that does not fit the device is an error."""
        (one,) = daemon.updates.order([parse_eui64(order.device)], order.order())
        return view(one.ordered())

    @routes.post("/orders", status_code=HTTPStatus.CREATED)
    async def order_many(order: OrderForMany) -> list[OutcomeView]:
        """Order an update of several devices. Each has an outcome of its own; a refusal does not affect others."""
        if (order.devices is None) == (order.match is None):
            raise InvalidInput("it is not said which devices are meant", "give either devices or match")
        if order.match is not None:
            devices = daemon.updates.matching(order.match.match())
        else:
            devices = [parse_eui64(device) for device in order.devices or ()]
        return [outcome(one) for one in daemon.updates.order(devices, order.order(), dry_run=order.dry_run)]

    @routes.get("/updates/{number}")
    async def update(number: UpdateId, offset: Offset = 0, wait_s: WaitS = 0) -> UpdateView:
        """Return one update; wait up to ``wait_s`` seconds until it is served up to ``offset`` or is over."""

        def far_enough() -> bool:
            current = view(found(number))
            return current.offset >= offset or current.ended_at is not None

        if wait_s:
            await until(daemon, far_enough, wait_s, daemon.updates.server.on_served)
        return view(found(number))

    @routes.get("/updates/{number}/report")
    async def report(number: UpdateId) -> ReportView:
        """Return the report of one update: order, events with their causes, notices, image and device."""
        update = found(number)
        device = daemon.ledger.devices.get(update.device)
        assert device is not None  # the ledger keeps every device an update refers to
        events = daemon.ledger.events(update=number)
        notices = [one for one in events if one.event.type in NOTICE_TYPES]
        delivered = {one.id: daemon.ledger.outbox.get(one.id) for one in notices}
        return ReportView(
            update=view(update),
            device=device,
            image=daemon.ledger.images.get(update.file_sha256),
            chain=[one.id for one in daemon.ledger.updates.chain(update)],
            events=[one.as_dict() for one in events],
            notices=[
                NoticeView(
                    event=one.as_dict(), delivered_at=None if (n := delivered[one.id]) is None else n.delivered_at
                )
                for one in notices
            ],
        )

    @routes.post("/updates/{number}/activate")
    async def activate(number: UpdateId, order: ActivationOrder | None = None) -> UpdateView:
        """Release a holding update. If the answer says "holding", the hub tells the device once it is reachable."""
        given = order or ActivationOrder(manufacturer_image_sha256=None)
        return view(
            await daemon.updates.activate(
                number, manufacturer_image_sha256=given.manufacturer_image_sha256, at=given.at
            )
        )

    @routes.post("/updates/{number}/cancel")
    async def cancel(number: UpdateId) -> UpdateView:
        """Cancel an update. If the answer says "in_doubt", the hub first finds out whether the device is activating."""
        return view(daemon.updates.cancel(number))

    return routes
