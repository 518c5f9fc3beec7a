"""Decide what a device's Default Response means, to an activation command or to the offer of an image.

Pure. The Default Response may arrive before the APS acknowledgement of the command. It may also answer the Upgrade End
Response that a poll got. Source: comms_hub.md §0, §1.7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from hanctl.han.cluster import Status
from hanctl.model.records import Device, Update
from hanctl.model.update_events import UpdateActivationChanged, UpdateReleaseAnswered
from hanctl.updates.life import lifecycle
from hanctl.updates.life.gates import OUT_OF_BAND, SERVER_ACTIVATES
from hanctl.updates.life.lifecycle import UpdateStep

_MEANING = {
    Status.FAILURE: "it counts down already, and accepts no further command",
    Status.NOT_AUTHORIZED: "it is activated out of band only",
    Status.INVALID_VALUE: "it holds another image",
}

_WILL_NOT_FETCH: dict[int, str] = {
    Status.INSUFFICIENT_SPACE: "the device has no room for the image (INSUFFICIENT_SPACE)",
    Status.INVALID_FIELD: "the device says that the image is not for it (INVALID_FIELD)",
}
_STATUSES = frozenset(int(status) for status in Status)


@dataclass(frozen=True, slots=True)
class Answer:
    """The update after an answer; ``device``: its record, if that changed."""

    step: UpdateStep
    device: Device | None = None


def offer_answered(update: Update, device: Device, status: int, now: datetime) -> Answer | None:
    """Apply a device's answer to Query Next Image Response, by which it may refuse the image."""
    if update.state not in {"ordered", "notified"} or status not in _WILL_NOT_FETCH:
        return None
    return Answer(
        lifecycle.failed(
            update, now, device.device_type, _WILL_NOT_FETCH[status], refused=True, reason="image discarded"
        )
    )


def release_answered(update: Update, device: Device, status: int, now: datetime) -> Answer | None:
    """Apply a device's answer to the activation command; None: it changes nothing."""
    told = update.state in {"activating", "in_doubt"} or (
        update.state == "holding" and update.release_tried_at is not None
    )
    if status == Status.SUCCESS or not told:
        return None
    restarted = status == Status.NOT_AUTHORIZED and device.activation_policy == SERVER_ACTIVATES
    meaning = _MEANING.get(Status(status), "it gives no reason") if status in _STATUSES else "it gives no reason"
    if restarted:
        meaning = "it does not know its server yet: it has restarted, and asks by itself"
    step = UpdateStep(
        update,
        (UpdateReleaseAnswered(device=update.device, update=update.id, status=status, meaning=meaning),),
    )
    if status == Status.NOT_AUTHORIZED and not restarted:
        return Answer(_out_of_band(step), replace(device, activation_policy=OUT_OF_BAND))
    if status == Status.INVALID_VALUE:
        cause = "the device holds another image than the one that is to be activated (INVALID_VALUE)"
        return Answer(step.then(lifecycle.failed, now, device.device_type, cause))
    if status == Status.FAILURE:
        return Answer(_counts_down_already(step, now))
    if update.state == "activating":
        cause = f"the device refused the activation command with status 0x{status:02x}; it is told at its next poll"
        return Answer(step.then(lifecycle.move, "holding", cause, activated_at=None))
    return Answer(step)


def _out_of_band(step: UpdateStep) -> UpdateStep:
    update = step.update
    if update.activation != "by-device":
        changed = UpdateActivationChanged(
            device=update.device,
            update=update.id,
            activation="by-device",
            cause="the device refused the activation command: it is activated out of band only (NOT_AUTHORIZED)",
        )
        step = UpdateStep(replace(update, activation="by-device"), (*step.events, changed))
    if update.state != "holding":
        step = step.then(lifecycle.move, "holding", "the device is activated out of band only", activated_at=None)
    return step


def _counts_down_already(step: UpdateStep, now: datetime) -> UpdateStep:
    """Note that the device counts down and will activate, whatever was wanted (trap 3)."""
    if step.update.state == "activating":
        return step
    step = UpdateStep(replace(step.update, cancel_asked_at=None), step.events)
    return step.then(lifecycle.activating, now, "the device counts down already (FAILURE)")
