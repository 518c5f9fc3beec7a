"""What a device is found to run decides about its update, in each state that a word of it may find the update in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from firmware_fakes import DISPLAY, NEW, OLD, START

from hanctl.model.records import Update
from hanctl.updates.serving.reconciliation import (
    COUNTING_DOWN,
    NORMAL,
    OUT_OF_BAND,
    READ_BACK,
    WAITING,
    VersionFinding,
    doubt,
    reconcile,
)

OTHER_VERSION = 0x0009
ORDERED = Update(7, DISPLAY, "", None, 0x1234, 1, NEW, 100, "hold", START, old_version=OLD, notices=("delivery",))
HOLDING = replace(ORDERED, state="holding", transferred_at=START, notices=("delivery", "transfer"))
ACTIVATING = replace(HOLDING, state="activating", released_at=START, release_tried_at=START, activated_at=START)
LOST = replace(ACTIVATING, state="in_doubt")
AWAY = replace(HOLDING, state="in_doubt")
CANCELLED = replace(HOLDING, state="in_doubt", released_at=START, release_tried_at=START, cancel_asked_at=START)


@pytest.mark.parametrize(
    ("update", "version", "status", "after"),
    [
        (ORDERED, NEW, None, "failed"),
        (replace(HOLDING, state="ordered"), NEW, None, "confirmed"),
        (replace(HOLDING, state="notified"), NEW, None, "confirmed"),
        (ORDERED, OLD, None, None),
        (ORDERED, OTHER_VERSION, None, None),
        (replace(ORDERED, state="transferring"), NEW, None, "confirmed"),
        (replace(ORDERED, state="transferring"), OLD, NORMAL, None),
        (replace(ORDERED, state="verifying"), NEW, None, "confirmed"),
        (HOLDING, NEW, None, "confirmed"),
        (HOLDING, OLD, WAITING, None),
        (HOLDING, OLD, None, None),
        (HOLDING, OLD, NORMAL, "ordered"),
        (ACTIVATING, NEW, None, "confirmed"),
        (ACTIVATING, OLD, None, None),
        (ACTIVATING, OLD, WAITING, None),
        (ACTIVATING, OLD, COUNTING_DOWN, None),
        (ACTIVATING, OLD, NORMAL, "ordered"),
        (ACTIVATING, OTHER_VERSION, None, "failed"),
        (LOST, NEW, None, "confirmed"),
        (LOST, OLD, None, None),
        (LOST, OLD, WAITING, "holding"),
        (LOST, OLD, COUNTING_DOWN, "activating"),
        (LOST, OLD, NORMAL, "ordered"),
        (LOST, OTHER_VERSION, None, "failed"),
        (AWAY, NEW, None, "confirmed"),
        (AWAY, OLD, None, "holding"),
        (AWAY, OLD, WAITING, "holding"),
        (AWAY, OLD, OUT_OF_BAND, "holding"),
        (AWAY, OLD, COUNTING_DOWN, "activating"),
        (AWAY, OLD, NORMAL, "ordered"),
        (CANCELLED, NEW, None, "confirmed"),
        (CANCELLED, OLD, None, "cancelled"),
        (CANCELLED, OLD, WAITING, "cancelled"),
        (CANCELLED, OLD, COUNTING_DOWN, "activating"),
    ],
)
def test_what_it_comes_to(update: Update, version: int, status: int | None, after: str | None) -> None:
    step = reconcile(
        update,
        VersionFinding(version, status, "version read back", READ_BACK),
        START + timedelta(minutes=5),
        "ppmid",
        1,
    )
    assert (None if step is None else step.update.state) == after
    if step is None:
        return
    told = {event.type: event.model_dump() for event in step.events}
    assert f"update.{'postponed' if after == 'ordered' else after}" in told
    activation = told.get("activation.notice")
    if after == "confirmed":
        assert activation is not None and activation["outcome"] == "activated"
        assert "transfer" in step.update.notices
    elif after == "failed" and "transfer" in update.notices:
        assert activation is not None and activation["outcome"] == "failed"
    else:
        assert activation is None


def test_a_device_that_keeps_coming_back_as_it_was_is_given_up() -> None:
    for update in (ACTIVATING, LOST):
        step = reconcile(update, VersionFinding(OLD, NORMAL, "version read back", READ_BACK), START, "ppmid", 3)
        assert step is not None
        assert step.update.state == "failed"
        assert "3 times" in (step.update.reason or "")


def test_a_cancellation_waits_for_what_may_be_under_way() -> None:
    found = VersionFinding(OLD, WAITING, "version read back", READ_BACK)
    assert reconcile(CANCELLED, found, START + timedelta(seconds=59), "ppmid", 1) is None
    assert reconcile(CANCELLED, found, START + timedelta(seconds=60), "ppmid", 1) is not None


def test_the_same_version_again_is_no_evidence_until_the_device_is_done() -> None:
    again = replace(ACTIVATING, old_version=NEW, allow_reinstall=True)
    for status, seconds, confirmed in (
        (WAITING, 3600, False),
        (COUNTING_DOWN, 3600, False),
        (NORMAL, 1, True),
        (None, 59, False),
        (None, 60, True),
    ):
        step = reconcile(
            again,
            VersionFinding(NEW, status, "version read back", READ_BACK),
            START + timedelta(seconds=seconds),
            "ppmid",
            1,
        )
        assert (step is not None) == confirmed
    assert (
        reconcile(replace(ORDERED, allow_reinstall=True), VersionFinding(NEW, None, "", READ_BACK), START, "ppmid", 0)
        is None
    )
    assert (
        reconcile(replace(again, state="transferring"), VersionFinding(NEW, NORMAL, "", READ_BACK), START, "ppmid", 0)
        is None
    )


def test_doubt_begins_an_hour_after_the_word_to_activate() -> None:
    assert doubt(ACTIVATING, START + timedelta(minutes=59)) is None
    step = doubt(ACTIVATING, START + timedelta(hours=1))
    assert step is not None and step.update.state == "in_doubt"
    assert doubt(HOLDING, START + timedelta(days=9)) is None
