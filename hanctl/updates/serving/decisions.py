"""What the OTA server answers to queries and block requests; ``ends`` has the rest. Pure functions from a request and
what is ordered to a reply and what happened.

Source: comms_hub.md §1.5, "What the SDK server sends when", and §1.7 for what a client makes of each answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.model.event import Event
from hanctl.model.records import Image, Update
from hanctl.model.update_events import UpdateResumed
from hanctl.updates.life import lifecycle, pathways
from hanctl.updates.life.gates import WaitReason
from hanctl.updates.life.lifecycle import UpdateStep
from hanctl.updates.serving import ota

MAX_BLOCK = 56
"""Most image bytes that fit one Smart Energy block response without a source route (comms_hub.md §1.5)."""

ACTIVATIONS = 3
"""So often a device may take the image, be told to activate it, and come back with another version."""

LONGEST_WAIT_S = 3600
"""No client waits longer before it asks for a block again (comms_hub.md §1.7)."""
WITHOUT_IMAGE_S = 300


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a decision depends on.

    ``update``, ``image``, ``data``: the open update of the device and its image, where it has one and the store can
    give it. ``ended``: its last update, if that was cancelled or superseded. ``started``: whether a block was asked for
    since the image was last offered. ``activations``: how often the device was told to activate the image.
    ``given_up_here``: how often it gave the transfer up before at the byte it is at now. ``transfer_wait``,
    ``release_wait``: why the device may not fetch or activate the image now.
    ``largest_block``: the most bytes of the image that one block to the device may have.
    """

    device: Eui64
    now: datetime
    update: Update | None = None
    image: Image | None = None
    data: bytes = b""
    device_type: str = "unknown"
    ended: Update | None = None
    started: bool = False
    activations: int = 0
    given_up_here: int = 0
    transfer_wait: WaitReason | None = None
    release_wait: WaitReason | None = None
    largest_block: int = MAX_BLOCK


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a request is refused; of each ``kind`` at most one event a minute is recorded."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The reply, the new update (None: unchanged) and the events."""

    reply: Reply | DefaultReply
    update: Update | None = None
    events: tuple[Event, ...] = ()
    refusal: Misfit | None = None
    started: bool | None = None
    served_to: int | None = None
    """Offset after the last byte served."""


class ImageName(Protocol):
    """What names an image."""

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
NOTHING_OPEN = Misfit("no-update", "no update is open for this device")
_IMAGE_GONE = Misfit("image-gone", "the ordered image is not in the store")


# --- Query Next Image


def query_next_image(request: ota.QueryNextImageRequest, situation: Situation) -> Decision:
    """Offer the ordered image if it fits the device, in whatever state the update is.

    A device that asks again while it should hold or activate the image has lost it, or has rolled back: it is offered
    again, but not without end, as each time costs the device's flash a life.
    """
    update = situation.update
    if update is None:
        return Decision(NO_IMAGE)
    other = _other_device_part(request, update)
    if other is not None:
        return Decision(NO_IMAGE, refusal=other)
    if situation.image is None:
        return Decision(NO_IMAGE, refusal=_IMAGE_GONE)
    final = _misfit(request, update, situation.image, situation)
    if final is not None:
        return ended(NO_IMAGE, final)
    running = int(request.current_file_version)
    if running == update.file_version and not update.allow_reinstall:
        return Decision(NO_IMAGE)
    if situation.transfer_wait is not None or update.cancel_asked_at is not None:
        return Decision(NO_IMAGE)
    response = ota.QueryNextImageResponse(
        status=ota.OtaStatus.SUCCESS,
        manufacturer_code=update.manufacturer_code,
        image_type=update.image_type,
        file_version=update.file_version,
        image_size=update.size,
    )
    changed = None
    if update.old_version is None and running != ota.UNKNOWN_VERSION:
        changed = replace(update, old_version=running)
    return Decision(Reply(ota.Command.QUERY_NEXT_IMAGE_RESPONSE, response.serialize()), update=changed, started=False)


def _other_device_part(request: ota.QueryNextImageRequest, update: Update) -> Misfit | None:
    """Refuse a query for another image of the device, which says nothing about this update; None: it is for this."""
    if request.manufacturer_code != update.manufacturer_code:
        return Misfit(
            "manufacturer",
            f"it asks for manufacturer 0x{request.manufacturer_code:04x}, ordered is 0x{update.manufacturer_code:04x}",
        )
    if request.image_type != update.image_type:
        return Misfit(
            "image-type", f"it asks for image type 0x{request.image_type:04x}, ordered is 0x{update.image_type:04x}"
        )
    return None


def _misfit(
    request: ota.QueryNextImageRequest, update: Update, image: Image, situation: Situation
) -> UpdateStep | None:
    """End the update if the device reports that the image cannot be for it."""
    now, device_type = situation.now, situation.device_type
    if image.destination is not None and image.destination != situation.device:
        return lifecycle.failed(update, now, device_type, f"the image is for device {image.destination} alone")
    if not image.takes_hardware(request.hardware_version):
        return lifecycle.failed(
            update,
            now,
            device_type,
            f"the device has hardware version 0x{request.hardware_version:04x}, the image is for"
            f" 0x{image.hardware_min:04x} to 0x{image.hardware_max:04x}",
            reason="hardware version mismatch",
        )
    running = int(request.current_file_version)
    if running == update.file_version:
        return None
    if update.state in {"activating", "in_doubt"} and situation.activations >= ACTIVATIONS:
        return lifecycle.failed(update, now, device_type, activated_in_vain(situation.activations, running))
    if running == ota.UNKNOWN_VERSION:
        return None
    if running > update.file_version and not update.allow_downgrade:
        return lifecycle.failed(
            update,
            now,
            device_type,
            f"the device runs 0x{running:08x}, newer than the ordered 0x{update.file_version:08x}",
        )
    if update.state in {"ordered", "notified"} and not pathways.applies(image, running, update.requires):
        wanted = " or ".join(f"0x{version:08x}" for version in update.requires or image.requires)
        return lifecycle.failed(
            update,
            now,
            device_type,
            f"the device runs 0x{running:08x}, and the image may be applied to {wanted} alone",
        )
    return None


def activated_in_vain(times: int, running: int) -> str:
    """Say why the activation is not tried once more."""
    return f"the device was told to activate the image {times} times, and still runs version 0x{running:08x}"


# --- Image Block


def image_block(
    request: ota.BlockRequest | ota.ImageBlockRequest | ota.ImagePageRequest, situation: Situation
) -> Decision:
    """Serve one block of the ordered image, or begin a page with it; ``page_sent`` records its end."""
    update = situation.update
    if update is None or not same_image(request, update):
        if situation.ended is not None and same_image(request, situation.ended):
            return Decision(ABORT_BLOCK)
        return Decision(_UNKNOWN_IMAGE, refusal=NOTHING_OPEN if update is None else other_image(request, update))
    if update.cancel_asked_at is not None:
        cause = "the device fetches the image, and did not activate it"
        return ended(ABORT_BLOCK, lifecycle.cancelled(update, situation.now, cause))
    if situation.image is None:
        return Decision(wait_for_data(WITHOUT_IMAGE_S), refusal=_IMAGE_GONE)
    if situation.transfer_wait is not None:
        return Decision(wait_for_data(_seconds(situation.transfer_wait, situation.now)))
    offset = int(request.file_offset)
    most = situation.largest_block
    wanted = most if request.max_data_size is None else min(most, int(request.max_data_size))
    data = situation.data[offset : offset + wanted]
    if not data:
        what = f"offset {offset} of {update.size} bytes" if wanted else "blocks of 0 bytes"
        return Decision(_UNKNOWN_IMAGE, refusal=Misfit("block-range", f"it asks for {what}"))
    reply = Reply(ota.Command.IMAGE_BLOCK_RESPONSE, ota.image_block(request, offset, data))
    served_to = offset + len(data)
    last = served_to == update.size and not isinstance(request, ota.ImagePageRequest)
    step = _fetching(update, offset, last, situation)
    if step is None:
        return Decision(reply, served_to=served_to)
    return Decision(reply, update=step.update, events=step.events, started=True, served_to=served_to)


def _fetching(update: Update, offset: int, last: bool, situation: Situation) -> UpdateStep | None:
    """Apply a served block: the first one begins the transfer, the ``last`` one ends it."""
    step = UpdateStep(update)
    if not situation.started:
        if update.state == "transferring":
            resumed = UpdateResumed(device=update.device, update=update.id, offset=offset)
            step = UpdateStep(replace(update, offset=offset), (resumed,))
        else:
            cause = "the device asks for the image" if offset == 0 else "the device goes on with the image it had"
            step = lifecycle.transferring(update, offset, situation.now, cause)
    if last and step.update.state == "transferring":
        step = _all_sent(step)
    return step if step.events else None


def page_sent(update: Update, sent_to: int) -> UpdateStep | None:
    """Apply a block of a page that was sent: the last one of the image ends the transfer."""
    return _all_sent(UpdateStep(update)) if sent_to == update.size and update.state == "transferring" else None


def _all_sent(step: UpdateStep) -> UpdateStep:
    return step.then(lifecycle.verifying, "the device was sent the last byte")


def wait_for_data(seconds: int) -> Reply:
    """Return an Image Block Response that tells the device to ask again after ``seconds``."""
    return Reply(ota.Command.IMAGE_BLOCK_RESPONSE, ota.wait_for_data(seconds, None))


def _seconds(wait: WaitReason, now: datetime) -> int:
    """Return how long the device is told to wait, in seconds; without a known end it asks from time to time."""
    if wait.until is None:
        return LONGEST_WAIT_S // 6
    return min(LONGEST_WAIT_S, max(1, round((wait.until - now).total_seconds())))


# --- shared


def ended(reply: Reply | DefaultReply, step: UpdateStep) -> Decision:
    """Answer a request about an update that is over."""
    return Decision(reply, update=step.update, events=step.events)


def same_image(request: ImageName, update: Update) -> bool:
    """Tell whether the request names the update's image."""
    return (
        request.manufacturer_code == update.manufacturer_code
        and request.image_type == update.image_type
        and request.file_version == update.file_version
    )


def other_image(request: ImageName, update: Update) -> Misfit:
    """Return the refusal of a request that names another image than the ordered one."""
    return Misfit(
        "other-image",
        f"it names image 0x{request.manufacturer_code:04x}-0x{request.image_type:04x}-0x{request.file_version:08x},"
        f" ordered is 0x{update.manufacturer_code:04x}-0x{update.image_type:04x}-0x{update.file_version:08x}",
    )
