"""Decide what a version read from a device means for its update (F7). Pure.

Evidence: CurrentFileVersion, and ImageUpgradeStatus where the device tells it. Source: comms_hub.md §1.4, §1.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hanctl.model.records import Update
from hanctl.updates.life import lifecycle
from hanctl.updates.life.lifecycle import UpdateStep
from hanctl.updates.serving import decisions

NORMAL, WAITING, COUNTING_DOWN, OUT_OF_BAND = 0, 3, 4, 6
"""ImageUpgradeStatus: no image, one that waits for the word to activate it, one that is about to be."""
_WAITING = frozenset({WAITING, OUT_OF_BAND})

DOUBT_AFTER = timedelta(hours=1)
"""A device told to activate does so within seconds, and no client waits longer than an hour (comms_hub.md §1.7)."""

READ_BACK = "its Read Attributes Response under its link key, to a secret that it alone could read"
QUERY = "its Query Next Image Request under its link key, by the dongle's key counters or its own word to a secret"
"""What a finding rests on."""

SETTLED_AFTER = timedelta(seconds=60)
"""An activation command still under way is with its device by then, and the grace of three seconds is over (§1.7)."""


@dataclass(frozen=True, slots=True)
class VersionFinding:
    """The running version, ImageUpgradeStatus where it says something, and how it was learnt: "version read back".

    ``rests_on``: the frame that shows it, and its key.

    A device that has just started tells NORMAL though it may have an image that it will verify again (§1.7, resume).
    """

    version: int
    status: int | None
    how: str
    rests_on: str


def reconcile(
    update: Update, found: VersionFinding, now: datetime, device_type: str, activations: int
) -> UpdateStep | None:
    """Return the next state of the update for the version that the device runs; None: no change.

    ``activations``: how often the device was told to activate the image.
    """
    if found.version == update.file_version:
        return _runs_it(update, found, now, device_type)
    runs = f"the device runs 0x{found.version:08x}"
    if update.state in {"activating", "in_doubt"} and update.old_version not in (None, found.version):
        return lifecycle.failed(update, now, device_type, f"{runs}, neither what it ran before nor what was ordered")
    match update.state:
        case "holding" if found.status == NORMAL:
            return lifecycle.move(update, "ordered", f"{runs} and has no image any more: it is asked anew")
        case "activating" if found.status == NORMAL:
            return _not_activated(update, runs, now, device_type, activations, found)
        case "in_doubt" if update.cancel_asked_at is not None:
            return _cancelled_or_not(update, runs, found, now)
        case "in_doubt":
            return _doubt_over(update, runs, found, now, device_type, activations)
    return None


def _runs_it(update: Update, found: VersionFinding, now: datetime, device_type: str) -> UpdateStep | None:
    if update.state in {"ordered", "notified"} and "transfer" not in update.notices:
        if update.allow_reinstall:
            return None
        reason = f"the device runs version 0x{update.file_version:08x} already; nothing was transferred"
        return lifecycle.failed(update, now, device_type, reason)
    if update.old_version == update.file_version:
        # The same version once more shows nothing by itself: the device must be done with the image as well.
        told = update.activated_at is not None and now - update.activated_at >= SETTLED_AFTER
        done = found.status == NORMAL or (found.status is None and told)
        if update.state not in {"activating", "in_doubt"} or not done:
            return None
    return lifecycle.confirmed(update, now, device_type, found.how, found.rests_on)


def _not_activated(
    update: Update, runs: str, now: datetime, device_type: str, activations: int, found: VersionFinding
) -> UpdateStep:
    """Fail or repeat an activation whose device has neither the image nor the version."""
    if activations >= decisions.ACTIVATIONS:
        return lifecycle.failed(update, now, device_type, decisions.activated_in_vain(activations, found.version))
    return lifecycle.move(update, "ordered", f"{runs} and has no image any more: it is asked anew")


def _cancelled_or_not(update: Update, runs: str, found: VersionFinding, now: datetime) -> UpdateStep | None:
    if found.status == COUNTING_DOWN:
        return lifecycle.move(
            update, "activating", "the device counts down: the cancellation came too late", cancel_asked_at=None
        )
    assert update.cancel_asked_at is not None
    if now - update.cancel_asked_at < SETTLED_AFTER:
        return None
    return lifecycle.cancelled(update, now, f"{runs}: the activation command did not reach it")


def _doubt_over(
    update: Update, runs: str, found: VersionFinding, now: datetime, device_type: str, activations: int
) -> UpdateStep | None:
    if found.status == COUNTING_DOWN:
        return lifecycle.activating(update, now, "the device counts down")
    if found.status in _WAITING or (found.status is None and update.release_tried_at is None):
        return lifecycle.move(update, "holding", f"{runs}, and waits for the word to activate", activated_at=None)
    if found.status is None:
        return None
    return _not_activated(update, runs, now, device_type, activations, found)


def doubt(update: Update, now: datetime) -> UpdateStep | None:
    """Move the update to "in_doubt" if the device has not been seen to run the image for too long."""
    told = update.activated_at
    if update.state != "activating" or told is None or now - told < DOUBT_AFTER:
        return None
    return lifecycle.move(
        update, "in_doubt", "an hour after it was told to activate, the device was not seen to run it"
    )
