"""The events of updates, and the stage notices to the service user. As in ``events``, names are an interface."""

from __future__ import annotations

from typing import Literal

from hanctl.model.event import UpdateEvent, UpdateTransition, event

RECORDED_EARLIER = "recorded by an earlier version"
"""What evidence rests on that was recorded when that was not asked."""


@event
class UpdateOrdered(UpdateEvent):
    """A service user ordered an update, or the update before it in a chain was confirmed (``follows``)."""

    type = "update.ordered"
    file_sha256: str
    file_version: int
    activation: Literal["now", "hold", "at", "by-device"]
    activate_at: str | None
    follows: int | None
    cause: str


@event
class UpdatePostponed(UpdateTransition):
    """The device gave up or lost the image before it was notified: the update begins anew."""

    type = "update.postponed"


@event
class UpdateNotified(UpdateTransition):
    """Image Notify was delivered to the device; or it gave up, and is asked again."""

    type = "update.notified"


@event
class UpdateTransferring(UpdateTransition):
    """The device asked for its first block; ``offset`` is not 0 where it resumes."""

    type = "update.transferring"
    offset: int
    size: int


@event
class UpdateResumed(UpdateEvent):
    """The device goes on with its download at ``offset``, after it started anew or the hub did."""

    type = "update.resumed"
    offset: int


@event
class UpdateVerifying(UpdateTransition):
    """The device has every byte; what it finds is not known yet."""

    type = "update.verifying"


@event
class UpdateInterrupted(UpdateEvent):
    """The device gave the transfer up, with this ZCL status; it asks again by itself, or when it is notified again."""

    type = "update.interrupted"
    level = "warning"
    status: int
    offset: int


@event
class UpdateTransferred(UpdateEvent):
    """The device has the whole image and found it good."""

    type = "update.transferred"
    bytes: int


@event
class UpdateHolding(UpdateTransition):
    """The device has a good image, and was told to wait."""

    type = "update.holding"


@event
class UpdateReleased(UpdateEvent):
    """The device is to be told to activate: by command, or because its time has come."""

    type = "update.released"
    cause: str


@event
class UpdateDated(UpdateEvent):
    """A service user set the time at which a holding update is activated."""

    type = "update.dated"
    activate_at: str


@event
class UpdateActivationRefused(UpdateEvent):
    """An activation command was not carried out: its manufacturer image hash is not that of the image."""

    type = "update.activation_refused"
    level = "warning"
    given: str | None
    reason: str


@event
class UpdateActivationChanged(UpdateEvent):
    """The device is activated in another way than was ordered, as it told that it decides itself."""

    type = "update.activation_changed"
    level = "warning"
    activation: Literal["now", "hold", "at", "by-device"]
    cause: str


@event
class UpdateReleaseAnswered(UpdateEvent):
    """The device answered the activation command with this ZCL status."""

    type = "update.release_answered"
    level = "warning"
    status: int
    meaning: str


@event
class UpdateActivating(UpdateTransition):
    """The device was told to activate the image."""

    type = "update.activating"


@event
class UpdateInDoubt(UpdateTransition):
    """What the device runs is not known: its version is read at every sign of life."""

    type = "update.in_doubt"
    level = "warning"


@event
class UpdateConfirmed(UpdateTransition):
    """The device was read back and runs the new version; ``rests_on``: which frame shows it, and under which key."""

    type = "update.confirmed"
    old_version: int | None
    new_version: int
    rests_on: str = RECORDED_EARLIER


@event
class UpdateFailed(UpdateTransition):
    """The update ended without the new version running; ``cause`` says why."""

    type = "update.failed"
    level = "error"


@event
class UpdateRefused(UpdateTransition):
    """The device will not have this image; ``cause`` says why."""

    type = "update.refused"
    level = "error"


@event
class UpdateCancelAsked(UpdateEvent):
    """A service user cancelled the update after the activation command was sent, and before that was acknowledged."""

    type = "update.cancel_asked"
    level = "warning"


@event
class UpdateCancelled(UpdateTransition):
    """A service user cancelled the update, or gave it up."""

    type = "update.cancelled"


@event
class UpdateSuperseded(UpdateTransition):
    """Another update of the same device took its place."""

    type = "update.superseded"
    by: int


@event
class UpdatePowerLow(UpdateEvent):
    """The device is not on mains and its battery is too low: the update waits. ``wanted_percent`` is configured."""

    type = "update.power_low"
    level = "warning"
    power_source: str | None
    battery_percent: float | None
    wanted_percent: float


@event
class UpdatePowerUnknown(UpdateEvent):
    """The device does not tell its power source, or not how full its battery is; it is treated as on mains."""

    type = "update.power_unknown"
    level = "warning"
    power_source: str | None


@event
class UpdatePowerGood(UpdateEvent):
    """The device has power enough now: the update goes on."""

    type = "update.power_good"
    power_source: str | None
    battery_percent: float | None


@event
class UpdateImageMissing(UpdateEvent):
    """The image is not in the firmware store, or may not be used: the update waits until that is put right."""

    type = "update.image_missing"
    level = "error"
    file_sha256: str
    reason: str


@event
class MessageShown(UpdateEvent):
    """The device took a message for its display (Messaging cluster)."""

    type = "message.shown"
    message: int
    text: str


@event
class MessageWithdrawn(UpdateEvent):
    """The message was taken from the device's display."""

    type = "message.withdrawn"
    message: int


@event
class DeliveryNotice(UpdateEvent):
    """Stage notice: the hub has the image for this device."""

    type = "delivery.notice"
    device_type: str
    new_version: int
    file_sha256: str
    manufacturer_image_sha256: str | None
    ordered_at: str


@event
class TransferNotice(UpdateEvent):
    """Stage notice: the device has the image, or will not get it. Codes of the firmware transfer alert, gbcs.md §1.5.

    ``reason_code`` 0: success, 1: image discarded, 2: hardware version mismatch, 3: file transfer failure.
    """

    type = "transfer.notice"
    device_type: str
    new_version: int
    file_sha256: str
    manufacturer_image_sha256: str | None
    outcome: Literal["success", "failure"]
    alert_code: Literal["8F8A", "8F89"]
    reason_code: int
    reason: str


@event
class ActivationNotice(UpdateEvent):
    """Stage notice: the device runs the new version, or did not come to. ``result_code`` as in gbcs.md §1.5, CS09.

    ``activated_at``: when it was told to activate; none where it did so by itself. ``confirmed_at``, ``confirmed_by``:
    the evidence of a success; ``rests_on``: which frame it is, and under which key. ``reason``: of a failure.
    """

    type = "activation.notice"
    device_type: str
    outcome: Literal["activated", "failed"]
    result_code: Literal[0, 1]
    old_version: int | None
    new_version: int
    file_sha256: str
    manufacturer_image_sha256: str | None
    ordered_at: str
    transferred_at: str | None
    activated_at: str | None
    confirmed_at: str | None
    confirmed_by: str | None
    rests_on: str | None = RECORDED_EARLIER
    reason: str | None
