"""Events of updates, and the stage notices to the service user. As in ``events``, names are an interface."""

from __future__ import annotations

from typing import Literal

from hanctl.model.event import UpdateEvent, UpdateTransition, event

RECORDED_EARLIER = "recorded by an earlier version"
"""Value of ``rests_on`` for events recorded before that field existed."""


@event
class UpdateOrdered(UpdateEvent):
    """A service user ordered an update, or the hub began the next one of a chain after the update ``follows``."""

    type = "update.ordered"
    file_sha256: str
    file_version: int
    activation: Literal["now", "hold", "at", "by-device"]
    activate_at: str | None
    follows: int | None
    cause: str


@event
class UpdatePostponed(UpdateTransition):
    """The update starts from the beginning: the device has no image any more, or gave up the transfer before an Image
    Notify had reached it."""

    type = "update.postponed"


@event
class UpdateNotified(UpdateTransition):
    """Image Notify reached the device, or it gave up the transfer; it is to ask for the image."""

    type = "update.notified"


@event
class UpdateTransferring(UpdateTransition):
    """The device asked for its first block; ``offset`` is above 0 if it resumes a transfer."""

    type = "update.transferring"
    offset: int
    size: int


@event
class UpdateResumed(UpdateEvent):
    """The device continues its download at ``offset``, after it or the hub restarted."""

    type = "update.resumed"
    offset: int


@event
class UpdateVerifying(UpdateTransition):
    """The device has every byte and verifies the image."""

    type = "update.verifying"


@event
class UpdateInterrupted(UpdateEvent):
    """The device ended the transfer early, with ZCL ``status``; it asks again by itself or after an Image Notify."""

    type = "update.interrupted"
    level = "warning"
    status: int
    offset: int


@event
class UpdateTransferred(UpdateEvent):
    """The device has the whole image and reported it valid."""

    type = "update.transferred"
    bytes: int


@event
class UpdateHolding(UpdateTransition):
    """The device has a valid image, and the hub told it to wait with the activation."""

    type = "update.holding"


@event
class UpdateReleased(UpdateEvent):
    """The hub will release the device (send it the activation command), because a service user ordered it or because
    the time was reached."""

    type = "update.released"
    cause: str


@event
class UpdateDated(UpdateEvent):
    """A service user set the time at which a holding update is to be activated."""

    type = "update.dated"
    activate_at: str


@event
class UpdateActivationRefused(UpdateEvent):
    """The hub refused an activation command: its manufacturer image hash is not that of the image."""

    type = "update.activation_refused"
    level = "warning"
    given: str | None
    reason: str


@event
class UpdateActivationChanged(UpdateEvent):
    """The activation differs from the order, as the device reported that it decides by itself."""

    type = "update.activation_changed"
    level = "warning"
    activation: Literal["now", "hold", "at", "by-device"]
    cause: str


@event
class UpdateReleaseAnswered(UpdateEvent):
    """The device answered the activation command with ZCL ``status``, which ``meaning`` names."""

    type = "update.release_answered"
    level = "warning"
    status: int
    meaning: str


@event
class UpdateActivating(UpdateTransition):
    """The hub told the device to activate the image."""

    type = "update.activating"


@event
class UpdateInDoubt(UpdateTransition):
    """It is not known which version the device runs; the hub reads it whenever it hears the device."""

    type = "update.in_doubt"
    level = "warning"


@event
class UpdateConfirmed(UpdateTransition):
    """The hub read back that the device runs the new version; ``rests_on``: the frame that shows it, and its key."""

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
    """The device refused the image; ``cause`` says why."""

    type = "update.refused"
    level = "error"


@event
class UpdateCancelAsked(UpdateEvent):
    """A service user cancelled the update after the activation command was sent and before its acknowledgement."""

    type = "update.cancel_asked"
    level = "warning"


@event
class UpdateCancelled(UpdateTransition):
    """A service user cancelled the update, or gave up one in doubt."""

    type = "update.cancelled"


@event
class UpdateSuperseded(UpdateTransition):
    """Another update of the same device, ``by``, replaced this one."""

    type = "update.superseded"
    by: int


@event
class UpdatePowerLow(UpdateEvent):
    """The device is not on mains and its battery is below the configured ``wanted_percent``: the update waits."""

    type = "update.power_low"
    level = "warning"
    power_source: str | None
    battery_percent: float | None
    wanted_percent: float


@event
class UpdatePowerUnknown(UpdateEvent):
    """The device did not report its power source or battery level; the hub treats it as on mains."""

    type = "update.power_unknown"
    level = "warning"
    power_source: str | None


@event
class UpdatePowerGood(UpdateEvent):
    """The device has enough power again: the update continues."""

    type = "update.power_good"
    power_source: str | None
    battery_percent: float | None


@event
class UpdateImageMissing(UpdateEvent):
    """The image is not in the firmware store or may not be used, for ``reason``; the update waits for it."""

    type = "update.image_missing"
    level = "error"
    file_sha256: str
    reason: str


@event
class MessageShown(UpdateEvent):
    """The device accepted a message for its display (Messaging cluster)."""

    type = "message.shown"
    message: int
    text: str


@event
class MessageWithdrawn(UpdateEvent):
    """The hub withdrew the message from the device's display."""

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
    """Stage notice: the device runs the new version, or never did. ``result_code`` as in gbcs.md §1.5, CS09.

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
