"""Make the stage notices of an update (delivered, transferred or not, activated or not), each at most once.

Which stages were told is kept with the update, in the transaction of the notice: ``Update.notices``. Codes: gbcs.md
§1.5, CCS08 (firmware transfer alert) and CS09 (firmware activation alert). Which of a transfer's reasons a mishap is,
those sources do not say: ``REASONS`` is this hub's reading of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from hanctl.ledger.rows import time_text
from hanctl.model.event import Event
from hanctl.model.records import Update
from hanctl.model.update_events import ActivationNotice, DeliveryNotice, TransferNotice

Reason = Literal["success", "image discarded", "hardware version mismatch", "file transfer failure"]
REASONS: dict[Reason, int] = {
    "success": 0,
    "image discarded": 1,
    "hardware version mismatch": 2,
    "file transfer failure": 3,
}

Told = tuple[Update, tuple[Event, ...]]
"""The update with the stage noted, and the notice; or as it was, and nothing, where the stage was told before."""


def delivered(update: Update, device_type: str) -> Told:
    """Return the notice that the hub has the image for this device."""
    if "delivery" in update.notices:
        return update, ()
    notice = DeliveryNotice(
        device=update.device,
        update=update.id,
        device_type=device_type,
        new_version=update.file_version,
        file_sha256=update.file_sha256,
        manufacturer_image_sha256=update.manufacturer_image_sha256,
        ordered_at=time_text(update.ordered_at),
    )
    return replace(update, notices=(*update.notices, "delivery")), (notice,)


def transferred(update: Update, device_type: str, reason: Reason = "success", why: str = "") -> Told:
    """Return the notice that the device has the image, or (any other ``reason``) will not get it."""
    if "transfer" in update.notices:
        return update, ()
    notice = TransferNotice(
        device=update.device,
        update=update.id,
        device_type=device_type,
        new_version=update.file_version,
        file_sha256=update.file_sha256,
        manufacturer_image_sha256=update.manufacturer_image_sha256,
        outcome="success" if reason == "success" else "failure",
        alert_code="8F8A" if reason == "success" else "8F89",
        reason_code=REASONS[reason],
        reason=why or reason,
    )
    return replace(update, notices=(*update.notices, "transfer")), (notice,)


def activated(update: Update, device_type: str, confirmed_at: datetime, confirmed_by: str, rests_on: str) -> Told:
    """Return the notice that the device was seen to run the new version."""
    return _activation(
        update, device_type, confirmed_at=time_text(confirmed_at), confirmed_by=confirmed_by, rests_on=rests_on
    )


def not_activated(update: Update, device_type: str, why: str) -> Told:
    """Return the notice that the device had the image and did not come to run it."""
    return _activation(update, device_type, reason=why)


def _activation(
    update: Update,
    device_type: str,
    *,
    confirmed_at: str | None = None,
    confirmed_by: str | None = None,
    rests_on: str | None = None,
    reason: str | None = None,
) -> Told:
    if "activation" in update.notices:
        return update, ()
    notice = ActivationNotice(
        device=update.device,
        update=update.id,
        device_type=device_type,
        outcome="failed" if confirmed_at is None else "activated",
        result_code=1 if confirmed_at is None else 0,
        old_version=update.old_version,
        new_version=update.file_version,
        file_sha256=update.file_sha256,
        manufacturer_image_sha256=update.manufacturer_image_sha256,
        ordered_at=time_text(update.ordered_at),
        transferred_at=time_text(update.transferred_at) if update.transferred_at else None,
        activated_at=time_text(update.activated_at) if update.activated_at else None,
        confirmed_at=confirmed_at,
        confirmed_by=confirmed_by,
        rests_on=rests_on,
        reason=reason,
    )
    return replace(update, notices=(*update.notices, "activation")), (notice,)
