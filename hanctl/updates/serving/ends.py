"""Decide the answers to Upgrade End requests, and to all requests while the ledger cannot be written. Pure.

Source: comms_hub.md §0, §1.5, §1.7, §1.8.
"""

from __future__ import annotations

from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.model.update_events import UpdateInterrupted
from hanctl.updates.life import gates, lifecycle
from hanctl.updates.life.lifecycle import UpdateStep
from hanctl.updates.serving import ota
from hanctl.updates.serving.decisions import (
    NO_IMAGE,
    NOTHING_OPEN,
    Decision,
    ImageName,
    Misfit,
    Situation,
    ended,
    other_image,
    same_image,
    wait_for_data,
)

GIVEN_UP = 3
"""So often a device may give the transfer up at the same byte: it would not come further another time."""

WITHOUT_LEDGER_S = 60
"""A device that asks for a block while nothing can be written is to ask again so much later, seconds."""


def upgrade_end(request: ota.UpgradeEndRequest, situation: Situation) -> Decision:
    """Take the device's verdict on the image, and answer when to activate: now, or on a later command."""
    if request.status != ota.OtaStatus.SUCCESS:
        return _upgrade_failed(request, situation)
    if request.file_version is None:
        return Decision(DefaultReply(Status.INVALID_FIELD), refusal=Misfit("short", "it does not say which image"))
    update, now = situation.update, situation.now
    # Silence would be worse than refusing: after ten missed answers a client activates (comms_hub.md §0.4).
    refused = DefaultReply(Status.ABORT)
    if update is None or not same_image(request, update):
        known = situation.ended is not None and same_image(request, situation.ended)
        refusal = NOTHING_OPEN if update is None else other_image(request, update)
        return Decision(refused, refusal=None if known else refusal)
    if update.cancel_asked_at is not None:
        cause = "the device still waits, and was told to drop the image"
        return ended(refused, lifecycle.cancelled(update, now, cause))
    # The device is told to activate at once, or to hold; never a time ahead: see comms_hub.md §0.1-0.3.
    wait = situation.release_wait
    step = UpdateStep(update)
    if update.state not in {"holding", "activating", "in_doubt"}:
        step = lifecycle.found_good(update, now, situation.device_type)
    state = step.update.state
    if wait is None and state != "activating":
        cause = gates.due_cause(update)
        if state == "holding":
            step = step.then(lifecycle.released, now, cause)
        step = step.then(lifecycle.activating, now, f"{cause}; the device asked")
    elif wait is not None and state != "holding":
        still = "the device asks again, so it waits" if state in {"activating", "in_doubt"} else "the image is good"
        step = step.then(lifecycle.move, "holding", f"{still}; it waits for {wait.text}")
    return Decision(
        upgrade_end_reply(update, hold=wait is not None),
        update=step.update if step.events else None,
        events=step.events,
        started=True,
    )


def _upgrade_failed(request: ota.UpgradeEndRequest, situation: Situation) -> Decision:
    reply, update, now = DefaultReply(Status.SUCCESS), situation.update, situation.now
    if update is None:
        return Decision(reply)
    if request.file_version is not None and not same_image(request, update):
        return Decision(reply, refusal=other_image(request, update))
    told = update.state in {"activating", "in_doubt"}
    if request.status == ota.OtaStatus.INVALID_IMAGE:
        cause = "the device found the image invalid (INVALID_IMAGE)"
        return ended(
            reply,
            lifecycle.failed(update, now, situation.device_type, cause, refused=not told, reason="image discarded"),
        )
    if request.status == ota.OtaStatus.REQUIRE_MORE_IMAGE:
        cause = "the device needs a further image before it can activate (REQUIRE_MORE_IMAGE)"
        return ended(reply, lifecycle.failed(update, now, situation.device_type, cause))
    if update.state in {"ordered", "notified"}:
        return Decision(reply)
    interrupted = UpdateInterrupted(
        device=update.device, update=update.id, status=int(request.status), offset=update.offset
    )
    if update.cancel_asked_at is not None:
        step = lifecycle.cancelled(update, now, "the device dropped the image")
    elif situation.given_up_here + 1 >= GIVEN_UP:
        cause = f"the device gave up {GIVEN_UP} times at byte {update.offset}, with status 0x{int(request.status):02x}"
        step = lifecycle.failed(update, now, situation.device_type, cause)
    else:
        # The device deletes what it has and asks again: the update stays open.
        cause = f"the device gave up with status 0x{int(request.status):02x}, and is to ask again"
        step = lifecycle.move(
            update, "ordered" if update.notified_at is None else "notified", cause, transferred_at=None
        )
    return Decision(reply, update=step.update, events=(interrupted, *step.events), started=False)


def upgrade_end_reply(image: ImageName, *, hold: bool) -> Reply:
    """Return an Upgrade End Response: activate at once (times 0, 0), or hold until told (comms_hub.md §1.8)."""
    response = ota.UpgradeEndResponse(
        manufacturer_code=image.manufacturer_code,
        image_type=image.image_type,
        file_version=image.file_version,
        current_time=0,
        upgrade_time=ota.HOLD if hold else 0,
    )
    return Reply(ota.Command.UPGRADE_END_RESPONSE, response.serialize())


def without_ledger(command: int, payload: bytes) -> Reply | DefaultReply:
    """Answer a device while the ledger cannot be written: with nothing that costs it data, and never "activate"."""
    try:
        request = ota.decode_request(command, payload)
    except ota.OtaFrameError:
        return DefaultReply(Status.INVALID_FIELD)
    if isinstance(request, ota.ImageBlockRequest):
        return wait_for_data(WITHOUT_LEDGER_S)
    if isinstance(request, ota.UpgradeEndRequest):
        if request.status == ota.OtaStatus.SUCCESS and request.file_version is not None:
            return upgrade_end_reply(request, hold=True)
        return DefaultReply(Status.SUCCESS)
    return NO_IMAGE
