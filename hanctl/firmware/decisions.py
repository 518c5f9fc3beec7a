"""What the OTA server answers: pure functions from a request and what is ordered to a reply and what happened.

Source: comms_hub.md §1.5, "What the SDK server sends when", and §1.7 for what a client makes of each answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from hanctl.eui64 import Eui64
from hanctl.firmware import ota
from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.ledger.event import Event
from hanctl.ledger.events import (
    UpdateActivating,
    UpdateFailed,
    UpdateHolding,
    UpdateInterrupted,
    UpdateTransferred,
    UpdateTransferring,
)
from hanctl.ledger.records import Image, Update

MAX_BLOCK = 56
"""Most image bytes that fit one Smart Energy block response without a source route (comms_hub.md §1.5)."""

ACTIVATIONS = 3
"""So often a device may take the image, be told to activate it, and come back with another version."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision looks at.

    ``update``, ``image``, ``data``: the open update of the device and its image, where it has one and the store can
    give it. ``cancelled``: where it has none, its last update if that was cancelled. ``started``: whether a block was
    asked for since the image was last offered. ``activations``: how often the device was told to activate the image.
    ``largest_block``: the most bytes of the image that one block to the device may have.
    """

    device: Eui64
    now: datetime
    update: Update | None = None
    image: Image | None = None
    data: bytes = b""
    cancelled: Update | None = None
    started: bool = False
    activations: int = 0
    largest_block: int = MAX_BLOCK


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not fit; ``kind`` groups those that are told at most once a minute."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The reply, the update as it is from now on (None: unchanged) and what happened."""

    reply: Reply | DefaultReply
    update: Update | None = None
    events: tuple[Event, ...] = ()
    refusal: Refusal | None = None
    started: bool | None = None
    served_to: int | None = None
    """Offset after the last byte served."""


class _Identified(Protocol):
    @property
    def manufacturer_code(self) -> int: ...

    @property
    def image_type(self) -> int: ...

    @property
    def file_version(self) -> int: ...


NO_IMAGE = Reply(
    ota.Command.QUERY_NEXT_IMAGE_RESPONSE,
    ota.QueryNextImageResponse(status=ota.OtaStatus.NO_IMAGE_AVAILABLE).serialize(),
)
ABORT_BLOCK = Reply(ota.Command.IMAGE_BLOCK_RESPONSE, ota.ImageBlockResponse(status=ota.OtaStatus.ABORT).serialize())
_UNKNOWN_IMAGE = DefaultReply(Status.NO_IMAGE_AVAILABLE)
_NOTHING_OPEN = Refusal("no-update", "no update is open for this device")


def query_next_image(request: ota.QueryNextImageRequest, situation: Situation) -> Decision:
    """Offer the ordered image where it fits the device that asks, whatever the state of the update.

    A device that asks again while it should hold or activate the image has lost it, or has rolled back: it is offered
    again, but not without end, as each time costs the device's flash a life.
    """
    update, image = situation.update, situation.image
    if update is None:
        return Decision(NO_IMAGE)
    if image is None:
        return Decision(NO_IMAGE, refusal=Refusal("image-gone", "the ordered image is not in the store"))
    refusal = _misfit(request, update, image, situation.device)
    if refusal is not None:
        return Decision(NO_IMAGE, refusal=refusal)
    if request.current_file_version == update.file_version:
        return Decision(NO_IMAGE)
    if update.state == "activating" and situation.activations >= ACTIVATIONS:
        reason = (
            f"the device was told to activate the image {situation.activations} times,"
            f" and still runs version 0x{request.current_file_version:08x}"
        )
        return _failed(NO_IMAGE, update, situation.now, reason)
    response = ota.QueryNextImageResponse(
        status=ota.OtaStatus.SUCCESS,
        manufacturer_code=update.manufacturer_code,
        image_type=update.image_type,
        file_version=update.file_version,
        image_size=update.size,
    )
    changed = None
    if update.old_version is None and request.current_file_version != ota.UNKNOWN_VERSION:
        changed = replace(update, old_version=int(request.current_file_version))
    return Decision(Reply(ota.Command.QUERY_NEXT_IMAGE_RESPONSE, response.serialize()), update=changed, started=False)


def _misfit(request: ota.QueryNextImageRequest, update: Update, image: Image, device: Eui64) -> Refusal | None:
    if request.manufacturer_code != update.manufacturer_code:
        return Refusal(
            "manufacturer",
            f"it asks for manufacturer 0x{request.manufacturer_code:04x}, ordered is 0x{update.manufacturer_code:04x}",
        )
    if request.image_type != update.image_type:
        return Refusal(
            "image-type", f"it asks for image type 0x{request.image_type:04x}, ordered is 0x{update.image_type:04x}"
        )
    if image.destination is not None and image.destination != device:
        return Refusal("destination", f"the ordered image is for device {image.destination} alone")
    hardware = request.hardware_version
    if not image.takes_hardware(hardware):
        return Refusal(
            "hardware",
            f"its hardware version 0x{hardware:04x} is outside the ordered image's range"
            f" 0x{image.hardware_min:04x} to 0x{image.hardware_max:04x}",
        )
    running = request.current_file_version
    if running != ota.UNKNOWN_VERSION and running > update.file_version:
        return Refusal("version", f"it runs 0x{running:08x}, newer than the ordered 0x{update.file_version:08x}")
    return None


def image_block(
    request: ota.BlockRequest | ota.ImageBlockRequest | ota.ImagePageRequest, situation: Situation
) -> Decision:
    """Serve one block of the ordered image."""
    update = situation.update
    if update is None:
        if situation.cancelled is not None and _same_image(request, situation.cancelled):
            return Decision(ABORT_BLOCK)
        return Decision(_UNKNOWN_IMAGE, refusal=_NOTHING_OPEN)
    if not _same_image(request, update):
        return Decision(_UNKNOWN_IMAGE, refusal=_other_image(request, update))
    if situation.image is None:
        return Decision(_UNKNOWN_IMAGE, refusal=Refusal("image-gone", "the ordered image is not in the store"))
    offset = int(request.file_offset)
    most = situation.largest_block
    wanted = most if request.max_data_size is None else min(most, int(request.max_data_size))
    data = situation.data[offset : offset + wanted]
    if not data:
        what = f"offset {offset} of {update.size} bytes" if wanted else "blocks of 0 bytes"
        return Decision(_UNKNOWN_IMAGE, refusal=Refusal("block-range", f"it asks for {what}"))
    reply = Reply(ota.Command.IMAGE_BLOCK_RESPONSE, ota.image_block(request, offset, data))
    served_to = offset + len(data)
    if situation.started:
        return Decision(reply, served_to=served_to)
    changed = replace(
        update,
        state="transferring",
        offset=offset,
        transfer_started_at=update.transfer_started_at or situation.now,
        transferred_at=None,
        activated_at=None,
    )
    started = UpdateTransferring(device=update.device, update=update.id, offset=offset, size=update.size)
    return Decision(reply, update=changed, events=(started,), started=True, served_to=served_to)


def upgrade_end(request: ota.UpgradeEndRequest, situation: Situation) -> Decision:
    """Take the device's verdict on the image, and tell it when to activate: now, or when it is told."""
    if request.status != ota.OtaStatus.SUCCESS:
        return _upgrade_failed(request, situation)
    if request.file_version is None:
        return Decision(DefaultReply(Status.INVALID_FIELD), refusal=Refusal("short", "it does not say which image"))
    update = situation.update
    if update is None:
        known = situation.cancelled is not None and _same_image(request, situation.cancelled)
        # Silence would be worse than refusing: after ten missed answers a client activates (comms_hub.md §0.4).
        return Decision(DefaultReply(Status.ABORT), refusal=None if known else _NOTHING_OPEN)
    if not _same_image(request, update):
        return Decision(DefaultReply(Status.ABORT), refusal=_other_image(request, update))
    # The device is told to activate at once, or to hold; never a time ahead: see comms_hub.md §0.1-0.3.
    activate = update.activation == "now"
    reply = upgrade_end_reply(update, hold=not activate)
    changed, events = update, list[Event]()
    if update.state not in {"holding", "activating"}:
        changed = replace(changed, transferred_at=situation.now, offset=update.size)
        events.append(UpdateTransferred(device=update.device, update=update.id, bytes=update.size))
    if activate and update.state != "activating":
        changed = replace(changed, state="activating", activated_at=situation.now)
        by: Literal["command", "end request"] = "command" if update.state == "holding" else "end request"
        events.append(UpdateActivating(device=update.device, update=update.id, by=by))
    elif not activate and update.state != "holding":
        changed = replace(changed, state="holding")
        events.append(UpdateHolding(device=update.device, update=update.id))
    return Decision(reply, update=changed if events else None, events=tuple(events), started=True)


def _upgrade_failed(request: ota.UpgradeEndRequest, situation: Situation) -> Decision:
    reply, update = DefaultReply(Status.SUCCESS), situation.update
    if update is None:
        return Decision(reply)
    if request.file_version is not None and not _same_image(request, update):
        return Decision(reply, refusal=_other_image(request, update))
    if request.status == ota.OtaStatus.INVALID_IMAGE:
        return _failed(reply, update, situation.now, "the device found the image invalid (INVALID_IMAGE)")
    if request.status == ota.OtaStatus.REQUIRE_MORE_IMAGE:
        return _failed(
            reply, update, situation.now, "the device needs a further image before it can activate (REQUIRE_MORE_IMAGE)"
        )
    if update.state not in {"transferring", "holding"}:
        return Decision(reply)
    # The device deletes what it has and asks again: the update stays open.
    changed = replace(update, state="ordered" if update.notified_at is None else "notified", transferred_at=None)
    event = UpdateInterrupted(device=update.device, update=update.id, status=int(request.status), offset=update.offset)
    return Decision(reply, update=changed, events=(event,), started=False)


def _failed(reply: Reply | DefaultReply, update: Update, now: datetime, reason: str) -> Decision:
    changed = replace(update, state="failed", ended_at=now, reason=reason)
    return Decision(
        reply, update=changed, events=(UpdateFailed(device=update.device, update=update.id, reason=reason),)
    )


def upgrade_end_reply(update: Update, *, hold: bool) -> Reply:
    """Upgrade End Response: activate at once (times 0, 0), or hold until told (comms_hub.md §1.8)."""
    response = ota.UpgradeEndResponse(
        manufacturer_code=update.manufacturer_code,
        image_type=update.image_type,
        file_version=update.file_version,
        current_time=0,
        upgrade_time=ota.HOLD if hold else 0,
    )
    return Reply(ota.Command.UPGRADE_END_RESPONSE, response.serialize())


def _same_image(request: _Identified, update: Update) -> bool:
    return (
        request.manufacturer_code == update.manufacturer_code
        and request.image_type == update.image_type
        and request.file_version == update.file_version
    )


def _other_image(request: _Identified, update: Update) -> Refusal:
    return Refusal(
        "other-image",
        f"it names image 0x{request.manufacturer_code:04x}-0x{request.image_type:04x}-0x{request.file_version:08x},"
        f" ordered is 0x{update.manufacturer_code:04x}-0x{update.image_type:04x}-0x{update.file_version:08x}",
    )
