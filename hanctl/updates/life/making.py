"""Make an update in the ledger: its row, its first event, and the notice that the hub has the image."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device, Image, Update
from hanctl.model.update_events import UpdateImageMissing
from hanctl.updates.life import lifecycle, stage_notices
from hanctl.updates.life.orders import Order

log = structlog.get_logger()

_HANDED_ON = (
    "activation",
    "activate_at",
    "window",
    "transfer_window",
    "priority",
    "allow_downgrade",
    "allow_reinstall",
    "ignore_power",
)
"""What an order says of each step of its chain alike."""


def make(ledger: Ledger, device: Device, steps: tuple[Image, ...], order: Order, now: datetime) -> Update:
    """Make the first update of an order, inside a transaction. Raises Refused if the device has an open update."""
    values = {name: getattr(order, name) for name in _HANDED_ON}
    values["requires"] = order.requires if len(steps) == 1 else ()
    return _create(ledger, device, steps[0], tuple(image.file_sha256 for image in steps[1:]), values, now, "by order")


def follow(ledger: Ledger, update: Update, now: datetime) -> Update | None:
    """Make the next update of a chain, in the transaction that confirms the one before."""
    device, image = ledger.devices.get(update.device), ledger.images.get(update.steps[0])
    if device is None or image is None:
        log.error("the next image of a chain of updates is gone", update=update.id, file_sha256=update.steps[0])
        ledger.record(
            UpdateImageMissing(
                device=update.device, update=update.id, file_sha256=update.steps[0], reason="it was removed"
            )
        )
        return None
    values = {name: getattr(update, name) for name in _HANDED_ON} | {"follows": update.id}
    cause = f"update {update.id}, the step before it, is confirmed"
    return _create(ledger, device, image, update.steps[1:], values, now, cause)


def _create(
    ledger: Ledger,
    device: Device,
    image: Image,
    steps: tuple[str, ...],
    values: dict[str, Any],
    now: datetime,
    cause: str,
) -> Update:
    update = ledger.updates.create(
        device=device.eui64,
        file_sha256=image.file_sha256,
        manufacturer_image_sha256=image.manufacturer_image_sha256,
        manufacturer_code=image.manufacturer_code,
        image_type=image.image_type,
        file_version=image.file_version,
        size=image.size,
        ordered_at=now,
        old_version=device.current_version,
        steps=steps,
        **values,
    )
    ledger.record(lifecycle.ordered_event(update, cause))
    told, notices = stage_notices.delivered(update, device.device_type)
    ledger.updates.put(told)
    for notice in notices:
        ledger.record(notice)
    return told
