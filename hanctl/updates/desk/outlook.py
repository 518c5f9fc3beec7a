"""Describe the progress of an update, and in one sentence what it waits for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hanctl.model.records import Device, Update
from hanctl.updates.life.gates import WaitReason
from hanctl.updates.life.open_updates import Session

QUIET_S = 60.0
"""A transfer whose device was not heard for so long is said to have stopped."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes served and in all, bytes per second and seconds left (None: not known), when the device last asked.

    ``waits_for`` completes "it waits for …"; None: it is over. ``followed_by``: the update of the next step.
    """

    offset: int
    size: int
    rate: float | None = None
    seconds_left: float | None = None
    last_heard: datetime | None = None
    waits_for: str | None = None
    followed_by: int | None = None


def of_ended(update: Update, following: Update | None) -> Progress:
    """Return the progress of an update that is over."""
    return Progress(update.offset, update.size, followed_by=None if following is None else following.id)


def of_open(session: Session, device: Device, wait: WaitReason | None, now: datetime, dongle_gone: bool) -> Progress:
    """Return the progress of an open update; ``wait``: what its order makes it wait for."""
    update = session.update
    heard = session.last_heard or device.last_seen
    rate = session.rate if update.state in {"transferring", "verifying"} else None
    left = (update.size - session.offset) / rate if rate else None
    if dongle_gone:
        waits = "the dongle, which is gone: it is reopened as soon as it is back"
    elif wait is not None:
        waits = wait.text
    else:
        waits = _turn(update, heard, now)
    return Progress(session.offset, update.size, rate, left, session.last_heard, waits)


def _turn(update: Update, heard: datetime | None, now: datetime) -> str:
    """Say whether the hub or the device acts next, if the order has nothing to wait for."""
    match update.state:
        case "ordered":
            return "the device to be reached: it is tried again by and by, and whenever it is heard"
        case "notified":
            return "the device to ask for the image"
        case "transferring":
            quiet = None if heard is None else (now - heard).total_seconds()
            stopped = "" if quiet is None or quiet < QUIET_S else f"; it has not asked for {_duration(quiet)}"
            return f"the device's next request for a block{stopped}"
        case "verifying":
            return "the device's verdict on the image"
        case "holding":
            return "the device to take the activation command: at its next poll at the latest"
        case "activating":
            return "the device to come back with the new version, which is read from it then"
        case "in_doubt":
            return (
                "a sign of life of the device: what it runs is read from it then; "
                f"to give it up: hanctl update cancel {update.id}"
            )
    return "nothing"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
