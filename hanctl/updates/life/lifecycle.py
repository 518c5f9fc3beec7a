"""Make the transitions of an update: pure functions from an update to the next one and its events.

Which steps there are, ``ledger.update_states`` says; each is an event with its cause, and the stage notices go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hanctl.ledger.rows import time_text
from hanctl.model import update_events as events
from hanctl.model.event import Event
from hanctl.model.records import Update
from hanctl.model.update_states import UpdateState, check
from hanctl.updates.life import stage_notices
from hanctl.updates.life.stage_notices import Reason, Told

_EVENTS: dict[UpdateState, type[Event]] = {
    "ordered": events.UpdatePostponed,
    "notified": events.UpdateNotified,
    "transferring": events.UpdateTransferring,
    "verifying": events.UpdateVerifying,
    "holding": events.UpdateHolding,
    "activating": events.UpdateActivating,
    "in_doubt": events.UpdateInDoubt,
    "confirmed": events.UpdateConfirmed,
    "failed": events.UpdateFailed,
    "refused": events.UpdateRefused,
    "cancelled": events.UpdateCancelled,
    "superseded": events.UpdateSuperseded,
}


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """The new update and the events that led to it."""

    update: Update
    events: tuple[Event, ...] = ()

    def then(self, step: Callable[..., UpdateStep], *arguments: Any, **named: Any) -> UpdateStep:
        """Append a further step."""
        following = step(self.update, *arguments, **named)
        return UpdateStep(following.update, self.events + following.events)

    def noted(self, told: Told) -> UpdateStep:
        """Add a stage notice, if it was not sent before."""
        update, notices = told
        return UpdateStep(update, self.events + notices)


def move(
    update: Update, to: UpdateState, cause: str, *, extra: dict[str, Any] | None = None, **changes: Any
) -> UpdateStep:
    """Move to another state; ``changes``: fields of the update, ``extra``: fields of the event.

    Raises IllegalTransition.
    """
    check(update.state, to)
    event = _EVENTS[to].model_validate(
        {"device": update.device, "update": update.id, "was": update.state, "cause": cause, **(extra or {})}
    )
    return UpdateStep(replace(update, state=to, **changes), (event,))


def transferring(update: Update, offset: int, now: datetime, cause: str) -> UpdateStep:
    """Begin a transfer, or begin it again: what the device did with an earlier copy no longer counts."""
    return move(
        update,
        "transferring",
        cause,
        extra={"offset": offset, "size": update.size},
        offset=offset,
        transfer_started_at=update.transfer_started_at or now,
        transferred_at=None,
        activated_at=None,
        release_tried_at=None,
    )


def verifying(update: Update, cause: str) -> UpdateStep:
    """Note that the device has every byte."""
    return move(update, "verifying", cause, offset=update.size)


def found_good(update: Update, now: datetime, device_type: str) -> UpdateStep:
    """Note that the device found the image valid and holds it until it is told to activate it."""
    here = UpdateStep(update)
    if update.state != "verifying":
        here = here.then(verifying, "the device says that it has the image")
    transferred = events.UpdateTransferred(device=update.device, update=update.id, bytes=update.size)
    here = UpdateStep(replace(here.update, transferred_at=now, offset=update.size), (*here.events, transferred))
    return here.noted(stage_notices.transferred(here.update, device_type))


def released(update: Update, now: datetime, cause: str) -> UpdateStep:
    """Release the update: from now on the hub tells the device to activate."""
    if update.released_at is not None:
        return UpdateStep(update)
    event = events.UpdateReleased(device=update.device, update=update.id, cause=cause)
    return UpdateStep(replace(update, released_at=now), (event,))


def activating(update: Update, now: datetime, cause: str) -> UpdateStep:
    """Note that the device was told to activate the image."""
    return move(
        update,
        "activating",
        cause,
        released_at=update.released_at or now,
        release_tried_at=update.release_tried_at or now,
        activated_at=now,
    )


def confirmed(update: Update, now: datetime, device_type: str, by: str, rests_on: str) -> UpdateStep:
    """Confirm that the device runs the ordered version, by ``by``; ``rests_on``: the frame and its key."""
    here = move(
        update,
        "confirmed",
        by,
        extra={"old_version": update.old_version, "new_version": update.file_version, "rests_on": rests_on},
        offset=update.size,
        ended_at=now,
    )
    # A device may activate what it has before it has said that it is good, for want of answers.
    here = here.noted(stage_notices.transferred(here.update, device_type, why="the device runs the image"))
    return here.noted(stage_notices.activated(here.update, device_type, now, by, rests_on))


def failed(
    update: Update,
    now: datetime,
    device_type: str,
    cause: str,
    *,
    refused: bool = False,
    reason: Reason = "file transfer failure",
) -> UpdateStep:
    """End the update without success; ``refused``: by the device's own verdict on the image."""
    here = move(update, "refused" if refused else "failed", cause, ended_at=now, reason=cause)
    if "transfer" in update.notices:
        return here.noted(stage_notices.not_activated(here.update, device_type, cause))
    return here.noted(stage_notices.transferred(here.update, device_type, reason, cause))


def cancelled(update: Update, now: datetime, cause: str) -> UpdateStep:
    """End the update as cancelled by a service user."""
    return move(update, "cancelled", cause, ended_at=now, reason=cause)


def superseded(update: Update, by: int, now: datetime) -> UpdateStep:
    """End the update as superseded by another."""
    cause = f"update {by} took its place"
    return move(update, "superseded", cause, extra={"by": by}, ended_at=now, reason=cause)


def ordered_event(update: Update, cause: str) -> Event:
    """Return the first event of an update."""
    return events.UpdateOrdered(
        device=update.device,
        update=update.id,
        file_sha256=update.file_sha256,
        file_version=update.file_version,
        activation=update.activation,
        activate_at=time_text(update.activate_at) if update.activate_at else None,
        follows=update.follows,
        cause=cause,
    )
