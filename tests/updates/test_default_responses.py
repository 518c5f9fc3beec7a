"""What a device's Default Response to an offer or to the activation command comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from firmware_fakes import DISPLAY, START, make_device

from hanctl.model.records import Update
from hanctl.updates.serving.default_responses import offer_answered, release_answered

ORDERED = Update(
    id=7,
    device=DISPLAY,
    file_sha256="a" * 64,
    manufacturer_image_sha256=None,
    manufacturer_code=0x1234,
    image_type=1,
    file_version=2,
    size=100,
    activation="hold",
    ordered_at=START,
    notices=("delivery", "transfer"),
)
HOLDING = replace(ORDERED, state="holding", transferred_at=START)
TRIED = replace(HOLDING, released_at=START, release_tried_at=START)
ACTIVATING = replace(TRIED, state="activating", activated_at=START)
CANCELLING = replace(TRIED, state="in_doubt", cancel_asked_at=START)
SUCCESS, FAILURE, NOT_AUTHORIZED, UNSUP, INVALID_VALUE = 0x00, 0x01, 0x7E, 0x81, 0x87


@pytest.mark.parametrize(
    ("update", "status", "state", "activation"),
    [
        (TRIED, SUCCESS, None, None),
        (ACTIVATING, SUCCESS, None, None),
        # Nothing was said to it that this could be an answer to.
        (HOLDING, FAILURE, None, None),
        (replace(ORDERED, state="transferring"), FAILURE, None, None),
        # Trap 3: once it counts down it accepts no further command, and cannot be stopped.
        (TRIED, FAILURE, "activating", "hold"),
        (ACTIVATING, FAILURE, "activating", "hold"),
        (CANCELLING, FAILURE, "activating", "hold"),
        (TRIED, NOT_AUTHORIZED, "holding", "by-device"),
        (ACTIVATING, NOT_AUTHORIZED, "holding", "by-device"),
        (ACTIVATING, INVALID_VALUE, "failed", "hold"),
        (ACTIVATING, UNSUP, "holding", "hold"),
        (TRIED, UNSUP, "holding", "hold"),
        (ACTIVATING, 0xEE, "holding", "hold"),
    ],
)
def test_answers_to_the_activation_command(
    update: Update, status: int, state: str | None, activation: str | None
) -> None:
    answer = release_answered(update, make_device(), status, START)
    if state is None:
        assert answer is None
        return
    assert answer is not None
    after = answer.step.update
    assert (after.state, after.activation, after.cancel_asked_at) == (state, activation, None)
    assert answer.step.events[0].type == "update.release_answered"
    assert (answer.device is not None and answer.device.activation_policy == 1) == (status == NOT_AUTHORIZED)
    notices = [event.model_dump()["outcome"] for event in answer.step.events if event.type == "activation.notice"]
    assert notices == (["failed"] if state == "failed" else [])


@pytest.mark.parametrize(("status", "refused"), [(0x89, True), (0x85, True), (0x80, False), (0x00, False)])
@pytest.mark.parametrize("state", ["ordered", "notified", "transferring", "holding"])
def test_answers_to_the_offer_of_an_image(state: str, status: int, refused: bool) -> None:
    update = replace(ORDERED, state=state, notices=("delivery",))  # type: ignore[arg-type]
    answer = offer_answered(update, make_device(), status, START)
    if not refused or state not in {"ordered", "notified"}:
        assert answer is None
        return
    assert answer is not None
    assert answer.step.update.state == "refused"
    assert [event.type for event in answer.step.events] == ["update.refused", "transfer.notice"]
    assert answer.step.events[1].model_dump()["reason_code"] == 1


@pytest.mark.parametrize("update", [TRIED, ACTIVATING])
def test_a_device_that_may_be_told_and_says_not_authorized_has_restarted_and_is_told_when_it_asks(
    update: Update,
) -> None:
    answer = release_answered(update, replace(make_device(), activation_policy=0), NOT_AUTHORIZED, START)
    assert answer is not None and answer.device is None
    assert (answer.step.update.state, answer.step.update.activation) == ("holding", "hold")
    assert "does not know its server" in answer.step.events[0].model_dump()["meaning"]
