"""Routes of changes of tenancy and supplier."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from hanctl.api.models import MAX_NUMBER
from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import parse_eui64
from hanctl.model.change_records import Change, ChangeKind, ChangePart, Fuel
from hanctl.tenancy import controls
from hanctl.tenancy.evidence.keeping import Kept
from hanctl.tenancy.evidence.report import Report
from hanctl.tenancy.evidence.report_html import page
from hanctl.tenancy.payloads import parse_gbcs_payload
from hanctl.tenancy.service import FUELS, Provider
from hanctl.tenancy.utc2000 import LOCAL_ZONE, parse_time

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

Number = Annotated[int, Path(ge=1, le=MAX_NUMBER)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProviderOrder(_Order):
    """Provider of one fuel; without ``id`` the one on record."""

    id: int | None = Field(None, ge=0, le=0xFFFFFFFF)
    name: str = ""
    contact: str = ""


class ChangeOrder(_Order):
    """Order a change.

    ``at``, when it is carried out: ISO 8601, with Z or an offset, or else local time in ``zone``; left out: now.
    ``since``, the cut-off, alike: what is dated before is hidden; left out: of a change of tenancy, when it is carried
    out. ``control``: names of bits and masks, or numbers; left out: the default of the kind, or no bit where
    ``since`` of a tenancy is given. ``gbcs_payload``: GCS09 or ECS12 in hex, in place of the rest.
    """

    kind: ChangeKind
    fuels: list[Fuel] = list(FUELS)
    at: str | None = None
    since: str | None = None
    zone: str = LOCAL_ZONE
    control: list[str] = []
    pre_snapshot: bool = False
    post_snapshot: bool = False
    providers: dict[Fuel, ProviderOrder] = {}
    gbcs_payload: str | None = None


class RedateOrder(_Order):
    """A new time for a change that has not taken place yet."""

    at: str
    zone: str = LOCAL_ZONE


class Confirmation(_Order):
    """A person looked at a device."""

    device: str
    by: str
    still_shows: bool = False


class ChangeView(BaseModel):
    """A change with its parts and the names of its control bits."""

    change: Change
    parts: list[ChangePart]
    control_names: list[str]


class PreviewView(BaseModel):
    """What a change would do if it were made now."""

    kind: Literal["tenancy", "supplier"]
    control: int
    control_names: list[str]
    contactor_corrected: bool
    cut_off: datetime | None
    would_hide: list[tuple[str, int]]
    would_clear: list[tuple[str, int]]
    would_block: list[tuple[str, int]]
    would_hold: list[tuple[str, int]]
    kept: list[Kept]
    at: datetime | None


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    def view(change: Change) -> ChangeView:
        return ChangeView(
            change=change,
            parts=daemon.tenancy.orders.parts(change.id),
            control_names=list(controls.names(change.control)),
        )

    @routes.get("/changes")
    async def changes(kind: ChangeKind | None = None) -> list[ChangeView]:
        return [view(change) for change in daemon.ledger.changes.all() if kind in {None, change.kind}]

    @routes.post("/changes", status_code=HTTPStatus.CREATED)
    async def order(order: ChangeOrder) -> ChangeView:
        """Order a change. Without a time the hub does it before it answers, and then tells devices."""
        if order.gbcs_payload is not None:
            _check_gbcs_alone(order)
            return view(daemon.tenancy.orders.order_gbcs(parse_gbcs_payload(order.gbcs_payload)))
        providers = {fuel: Provider(each.id, each.name, each.contact) for fuel, each in order.providers.items()}
        at, cut_off = _times(order)
        return view(
            daemon.tenancy.orders.order(
                order.kind, order.fuels, at=at, cut_off=cut_off, control=_control(order), providers=providers
            )
        )

    @routes.post("/changes/preview")
    async def preview(order: ChangeOrder) -> PreviewView:
        """Preview a change: what it would hide and clear if it were made now, and what it would leave."""
        at, cut_off = _times(order)
        if order.gbcs_payload is not None:
            _check_gbcs_alone(order)
            given = parse_gbcs_payload(order.gbcs_payload)
            fuels, cut_off = [given.fuel], given.at or daemon.clock.now()
            wanted = None if given.control is None else controls.publishable(given.control)
        else:
            fuels, wanted = order.fuels, _control(order)
        wanted, found = daemon.tenancy.orders.preview(order.kind, fuels, wanted, cut_off)
        return PreviewView(
            kind=order.kind,
            control=wanted.control,
            control_names=list(controls.names(wanted.control)),
            contactor_corrected=wanted.contactor_corrected,
            cut_off=cut_off,
            would_hide=list(found.effect.hidden),
            would_clear=list(found.effect.cleared),
            would_block=list(found.effect.blocked),
            would_hold=list(found.effect.held),
            kept=list(found.kept),
            at=at,
        )

    @routes.get("/changes/{number}")
    async def change(number: Number) -> ChangeView:
        return view(daemon.tenancy.orders.get(number))

    @routes.post("/changes/{number}/cancel")
    async def cancel(number: Number) -> ChangeView:
        """Cancel a change that has not taken place yet."""
        return view(daemon.tenancy.orders.cancel(number))

    @routes.post("/changes/{number}/redate")
    async def redate(number: Number, order: RedateOrder) -> ChangeView:
        """Move a change that has not taken place yet to another time."""
        return view(daemon.tenancy.orders.redate(number, parse_time(order.at, order.zone)))

    @routes.get("/changes/{number}/report")
    async def report(number: Number) -> Report:
        """Return the evidence of a change as it is now, without values."""
        return daemon.tenancy.report(number)

    @routes.get("/changes/{number}/report.html", response_class=HTMLResponse)
    async def printable(number: Number) -> str:
        """Return the evidence of a change as an HTML page to print."""
        return page(daemon.tenancy.report(number))

    @routes.post("/changes/confirm")
    async def confirm(confirmation: Confirmation) -> list[ChangeView]:
        """Record that a person looked at a device's screen. Returns the changes for which that counts."""
        found = daemon.tenancy.confirm(
            parse_eui64(confirmation.device), confirmation.by, still_shows=confirmation.still_shows
        )
        return [view(change) for change in found]

    return routes


def _times(order: ChangeOrder) -> tuple[datetime | None, datetime | None]:
    """Return the time of the change and its cut-off."""
    at, since = (None if text is None else parse_time(text, order.zone) for text in (order.at, order.since))
    return at, since


def _control(order: ChangeOrder) -> controls.Wanted | None:
    words = list(order.control)
    snapshots = (["pre-snapshots"] if order.pre_snapshot else []) + (["post-snapshots"] if order.post_snapshot else [])
    if snapshots and not words:
        words = [f"0x{controls.default(order.kind, dated=order.since is not None):x}"]
    return controls.parse_control([*words, *snapshots]) if words else None


def _check_gbcs_alone(order: ChangeOrder) -> None:
    if order.kind != "tenancy":
        raise InvalidInput("the GBCS messages that are read here are of changes of tenancy", "order it as one")
    if order.model_fields_set - {"kind", "gbcs_payload"}:
        raise InvalidInput(
            "a GBCS payload says all there is to say of its change", "give it alone, without fuels, moment or control"
        )
