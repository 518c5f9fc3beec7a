"""What the OTA server answers, as a table: what is ordered, what the device asks, what it is told and what happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from firmware_fakes import DISPLAY, OTHER, START

from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.model.records import Image, Update
from hanctl.updates.life import gates
from hanctl.updates.serving import ota
from hanctl.updates.serving.decisions import Decision, Situation, image_block, query_next_image
from hanctl.updates.serving.ends import upgrade_end

DATA = bytes(range(100))
IMAGE = Image(
    file_sha256="a" * 64,
    manufacturer_image_sha256=None,
    form="zigbee",
    name="display.ota",
    manufacturer_code=0x1234,
    image_type=1,
    file_version=2,
    stack_version=2,
    header_string="",
    size=len(DATA),
    trailing_bytes=0,
    added_at=START,
)
FOR_HARDWARE = replace(IMAGE, hardware_min=2, hardware_max=4)
ORDERED = Update(
    id=7,
    device=DISPLAY,
    file_sha256=IMAGE.file_sha256,
    manufacturer_image_sha256=None,
    manufacturer_code=0x1234,
    image_type=1,
    file_version=2,
    size=len(DATA),
    activation="now",
    ordered_at=START,
)
NOTIFIED = replace(ORDERED, state="notified", notified_at=START)
TRANSFERRING = replace(NOTIFIED, state="transferring", transfer_started_at=START, offset=100)
VERIFYING = replace(TRANSFERRING, state="verifying")
HELD_NOTICES = ("delivery", "transfer")
HOLDING = replace(VERIFYING, state="holding", activation="hold", transferred_at=START, notices=HELD_NOTICES)
ACTIVATING = replace(
    HOLDING, state="activating", activation="now", released_at=START, release_tried_at=START, activated_at=START
)
IN_DOUBT = replace(ACTIVATING, state="in_doubt")
CANCELLING = replace(IN_DOUBT, activation="hold", activated_at=None, cancel_asked_at=START)
EARLIER = START - timedelta(hours=1)
CANCELLED = replace(TRANSFERRING, state="cancelled")
WINDOW = gates.WaitReason("window", "its window", START + timedelta(minutes=20))


def decide(request: ota.OtaRequest, update: Update | None, **more: Any) -> Decision:
    wait = None if update is None else gates.release(update, None, START, gates.Rules())
    facts = {"update": update, "image": IMAGE, "data": DATA, "release_wait": wait, "device_type": "ppmid", **more}
    situation = Situation(DISPLAY, START, **facts)
    if isinstance(request, ota.QueryNextImageRequest):
        return query_next_image(request, situation)
    if isinstance(request, ota.ImageBlockRequest):
        return image_block(request, situation)
    assert isinstance(request, ota.UpgradeEndRequest)
    return upgrade_end(request, situation)


def query(running: int = 1, hardware: int | None = None, **fields: int) -> ota.QueryNextImageRequest:
    values = {"manufacturer_code": 0x1234, "image_type": 1, **fields}
    return ota.QueryNextImageRequest(
        field_control=hardware is not None, current_file_version=running, hardware_version=hardware, **values
    )


def block(offset: int = 0, size: int | None = 63, **fields: int) -> ota.ImageBlockRequest:
    values = {"manufacturer_code": 0x1234, "image_type": 1, "file_version": 2, **fields}
    return ota.ImageBlockRequest(field_control=0, file_offset=offset, max_data_size=size, **values)


def end(status: int = 0, **fields: int) -> ota.UpgradeEndRequest:
    values = {"manufacturer_code": 0x1234, "image_type": 1, "file_version": 2, **fields}
    return ota.UpgradeEndRequest(status=status, **values)


OFFER = Reply(0x02, bytes.fromhex("00 3412 0100 02000000 64000000"))
NO_IMAGE = Reply(0x02, b"\x98")
UNKNOWN_IMAGE = DefaultReply(Status.NO_IMAGE_AVAILABLE)
ABORT_BLOCK = Reply(0x05, b"\x95")
ABORTED = DefaultReply(Status.ABORT)
TAKEN = DefaultReply(Status.SUCCESS)
ACTIVATE = Reply(0x07, bytes.fromhex("3412 0100 02000000 00000000 00000000"))
HOLD = Reply(0x07, bytes.fromhex("3412 0100 02000000 00000000 ffffffff"))


def wait_reply(seconds: int) -> Reply:
    return Reply(0x05, b"\x97" + bytes(4) + seconds.to_bytes(4, "little"))


def data_reply(offset: int, length: int) -> Reply:
    head = bytes.fromhex("00 3412 0100 02000000") + offset.to_bytes(4, "little") + bytes([length])
    return Reply(0x05, head + DATA[offset : offset + length])


@dataclass(frozen=True)
class Row:
    title: str
    update: Update | None
    request: ota.OtaRequest
    reply: Reply | DefaultReply
    state: str | None = None
    """The state from now on; None: the update is not changed."""
    events: tuple[str, ...] = ()
    refused: str | None = None
    more: dict[str, Any] | None = None


NOT_SENT = ("update.failed", "transfer.notice")
IN_VAIN = ("update.failed", "activation.notice")
FOR_0 = replace(IMAGE, requires=(0,))
QUERIES = [
    Row("nothing ordered", None, query(), NO_IMAGE),
    Row("ordered", ORDERED, query(), OFFER, "ordered"),
    Row("ordered, and the running version unknown", ORDERED, query(0xFFFFFFFF), OFFER),
    Row("other manufacturer", ORDERED, query(manufacturer_code=0x1235), NO_IMAGE, refused="manufacturer"),
    Row("any manufacturer", ORDERED, query(manufacturer_code=0xFFFF), NO_IMAGE, refused="manufacturer"),
    Row("other image type", ORDERED, query(image_type=2), NO_IMAGE, refused="image-type"),
    Row("runs it already", ORDERED, query(2), NO_IMAGE),
    Row("runs it already, to be installed again", replace(ORDERED, allow_reinstall=True), query(2), OFFER, "ordered"),
    Row("runs a newer one", ORDERED, query(3), NO_IMAGE, "failed", NOT_SENT),
    Row("runs a newer one, to go back", replace(ORDERED, allow_downgrade=True), query(3), OFFER, "ordered"),
    Row("the image is not for what it runs", ORDERED, query(), NO_IMAGE, "failed", NOT_SENT, more={"image": FOR_0}),
    Row("ordered for what it runs", replace(ORDERED, requires=(1,)), query(), OFFER, "ordered", more={"image": FOR_0}),
    Row("not in its window", ORDERED, query(), NO_IMAGE, more={"transfer_wait": WINDOW}),
    Row("hardware below", ORDERED, query(hardware=1), NO_IMAGE, "failed", NOT_SENT, more={"image": FOR_HARDWARE}),
    Row("hardware at minimum", ORDERED, query(hardware=2), OFFER, "ordered", more={"image": FOR_HARDWARE}),
    Row("hardware at maximum", ORDERED, query(hardware=4), OFFER, "ordered", more={"image": FOR_HARDWARE}),
    Row("hardware above", ORDERED, query(hardware=5), NO_IMAGE, "failed", NOT_SENT, more={"image": FOR_HARDWARE}),
    Row("hardware not told", ORDERED, query(), OFFER, "ordered", more={"image": FOR_HARDWARE}),
    Row("hardware told, image for any", ORDERED, query(hardware=9), OFFER, "ordered"),
    Row(
        "for another device",
        ORDERED,
        query(),
        NO_IMAGE,
        "failed",
        NOT_SENT,
        more={"image": replace(IMAGE, destination=OTHER)},
    ),
    Row("for this device", ORDERED, query(), OFFER, "ordered", more={"image": replace(IMAGE, destination=DISPLAY)}),
    Row("lost the image while holding", replace(HOLDING, old_version=1), query(), OFFER),
    Row("lost the image while activating", replace(ACTIVATING, old_version=1), query(), OFFER),
    Row("rolled back twice", replace(ACTIVATING, old_version=1), query(), OFFER, more={"activations": 2}),
    Row("rolled back thrice", ACTIVATING, query(), NO_IMAGE, "failed", IN_VAIN, more={"activations": 3}),
    Row("asks again, in doubt", replace(IN_DOUBT, old_version=1), query(), OFFER),
    Row("asks again, to be cancelled", CANCELLING, query(), NO_IMAGE),
    Row("image not in the store", ORDERED, query(), NO_IMAGE, refused="image-gone", more={"image": None}),
]
RESUMED_TO_THE_END = ("update.resumed", "update.verifying")
BLOCKS = [
    Row("first block", NOTIFIED, block(), data_reply(0, 56), "transferring", ("update.transferring",)),
    Row("first block, not notified", ORDERED, block(), data_reply(0, 56), "transferring", ("update.transferring",)),
    Row("resumes", TRANSFERRING, block(20), data_reply(20, 56), "transferring", ("update.resumed",)),
    Row("resumes with the last", TRANSFERRING, block(56), data_reply(56, 44), "verifying", RESUMED_TO_THE_END),
    Row("not in its window", TRANSFERRING, block(20), wait_reply(1200), more={"transfer_wait": WINDOW}),
    Row(
        "without power",
        NOTIFIED,
        block(),
        wait_reply(600),
        more={"transfer_wait": gates.WaitReason("power", "mains power")},
    ),
    Row("one more while it verifies", VERIFYING, block(60), data_reply(60, 40), more={"started": True}),
    Row(
        "begins anew while it verifies", VERIFYING, block(), data_reply(0, 56), "transferring", ("update.transferring",)
    ),
    Row("begins anew, in doubt", IN_DOUBT, block(), data_reply(0, 56), "transferring", ("update.transferring",)),
    Row("begins anew, to be cancelled", CANCELLING, block(), ABORT_BLOCK, "cancelled", ("update.cancelled",)),
    Row("next block", TRANSFERRING, block(20), data_reply(20, 56), more={"started": True}),
    Row("client's own block size", TRANSFERRING, block(20, 40), data_reply(20, 40), more={"started": True}),
    Row("block size not told", TRANSFERRING, block(20, None), data_reply(20, 56), more={"started": True}),
    Row(
        "last byte",
        TRANSFERRING,
        block(99),
        data_reply(99, 1),
        "verifying",
        ("update.verifying",),
        more={"started": True},
    ),
    Row("at the end", TRANSFERRING, block(100), UNKNOWN_IMAGE, refused="block-range", more={"started": True}),
    Row("beyond", TRANSFERRING, block(0xFFFFFFFF), UNKNOWN_IMAGE, refused="block-range", more={"started": True}),
    Row("of no bytes", TRANSFERRING, block(0, 0), UNKNOWN_IMAGE, refused="block-range", more={"started": True}),
    Row("nothing ordered", None, block(), UNKNOWN_IMAGE, refused="no-update"),
    Row("other manufacturer", TRANSFERRING, block(manufacturer_code=9), UNKNOWN_IMAGE, refused="other-image"),
    Row("other image type", TRANSFERRING, block(image_type=9), UNKNOWN_IMAGE, refused="other-image"),
    Row("other version", TRANSFERRING, block(file_version=9), UNKNOWN_IMAGE, refused="other-image"),
    Row("cancelled", None, block(), ABORT_BLOCK, more={"ended": CANCELLED}),
    Row(
        "cancelled, other image",
        None,
        block(file_version=9),
        UNKNOWN_IMAGE,
        refused="no-update",
        more={"ended": CANCELLED},
    ),
    Row("stray block while holding", HOLDING, block(), data_reply(0, 56), more={"started": True}),
    Row("downloads again", ACTIVATING, block(), data_reply(0, 56), "transferring", ("update.transferring",)),
    Row(
        "of what another update superseded",
        replace(TRANSFERRING, id=8, file_version=3),
        block(),
        ABORT_BLOCK,
        more={"ended": replace(TRANSFERRING, state="superseded")},
    ),
    Row("image not in the store", NOTIFIED, block(), wait_reply(300), refused="image-gone", more={"image": None}),
]
HELD = replace(TRANSFERRING, activation="hold")
RELEASED = replace(HOLDING, released_at=START, release_tried_at=START)
DATED = replace(HELD, activation="at", activate_at=START + timedelta(days=40))
DUE = replace(HOLDING, activation="at", activate_at=START - timedelta(seconds=1))
FOUND_GOOD = ("update.verifying", "update.transferred", "transfer.notice")
TO_ACTIVATE = (*FOUND_GOOD, "update.activating")
TO_HOLD = (*FOUND_GOOD, "update.holding")
GAVE_UP = ("update.interrupted", "update.notified")
FOR_GOOD = ("update.interrupted", *NOT_SENT)
ENDS = [
    Row("good, activate now", TRANSFERRING, end(), ACTIVATE, "activating", TO_ACTIVATE),
    Row("good, verified", VERIFYING, end(), ACTIVATE, "activating", TO_ACTIVATE[1:]),
    Row("good, hold", HELD, end(), HOLD, "holding", TO_HOLD),
    Row("good, for a date far ahead", DATED, end(), HOLD, "holding", TO_HOLD),
    Row("good, the device decides", replace(HELD, activation="by-device"), end(), HOLD, "holding", TO_HOLD),
    Row("good, not in its window", TRANSFERRING, end(), HOLD, "holding", TO_HOLD, more={"release_wait": WINDOW}),
    Row("poll after the date", DUE, end(), ACTIVATE, "activating", ("update.released", "update.activating")),
    Row("asks again, in doubt and released", IN_DOUBT, end(), ACTIVATE, "activating", ("update.activating",)),
    Row("asks again, in doubt", replace(HOLDING, state="in_doubt"), end(), HOLD, "holding", ("update.holding",)),
    Row("asks again, to be cancelled", CANCELLING, end(), ABORTED, "cancelled", ("update.cancelled",)),
    Row(
        "asks again when it may not any more",
        ACTIVATING,
        end(),
        HOLD,
        "holding",
        ("update.holding",),
        more={"release_wait": WINDOW},
    ),
    Row("had the image already", NOTIFIED, end(), ACTIVATE, "activating", TO_ACTIVATE),
    Row("sent again while activating", ACTIVATING, end(), ACTIVATE),
    Row("hourly poll while holding", HOLDING, end(), HOLD),
    Row("poll after the release", RELEASED, end(), ACTIVATE, "activating", ("update.activating",)),
    Row("nothing ordered", None, end(), ABORTED, refused="no-update"),
    Row("other version", TRANSFERRING, end(file_version=9), ABORTED, refused="other-image"),
    Row("cancelled", None, end(), ABORTED, more={"ended": CANCELLED}),
    Row(
        "good, but which",
        TRANSFERRING,
        ota.UpgradeEndRequest(status=0),
        DefaultReply(Status.INVALID_FIELD),
        refused="short",
    ),
    Row("found invalid", VERIFYING, end(0x96), TAKEN, "refused", ("update.refused", "transfer.notice")),
    Row("found invalid when told to activate", ACTIVATING, end(0x96), TAKEN, "failed", IN_VAIN),
    Row(
        "found invalid, ids left out",
        TRANSFERRING,
        ota.UpgradeEndRequest(status=0x96),
        TAKEN,
        "refused",
        ("update.refused", "transfer.notice"),
    ),
    Row("needs more images", TRANSFERRING, end(0x99), TAKEN, "failed", NOT_SENT),
    Row("gave up", TRANSFERRING, end(0x95), TAKEN, "notified", GAVE_UP),
    Row("gave up while holding", HOLDING, end(0x95), TAKEN, "notified", GAVE_UP),
    Row(
        "gave up, to be cancelled",
        CANCELLING,
        end(0x95),
        TAKEN,
        "cancelled",
        ("update.interrupted", "update.cancelled"),
    ),
    Row(
        "gave up here twice before",
        TRANSFERRING,
        end(0x95),
        TAKEN,
        "failed",
        FOR_GOOD,
        more={"given_up_here": 2},
    ),
    Row("gave up, said again", NOTIFIED, end(0x95), TAKEN),
    Row(
        "gave up, never notified",
        replace(TRANSFERRING, notified_at=None),
        end(0x95),
        TAKEN,
        "ordered",
        ("update.interrupted", "update.postponed"),
    ),
    Row("invalid, but another image", TRANSFERRING, end(0x96, file_version=9), TAKEN, refused="other-image"),
    Row("gave up, nothing ordered", None, end(0x95), TAKEN),
]


@pytest.mark.parametrize(
    "row",
    QUERIES + BLOCKS + ENDS,
    ids=[
        f"{name}: {row.title}" for name, rows in (("query", QUERIES), ("block", BLOCKS), ("end", ENDS)) for row in rows
    ],
)
def test_answers(row: Row) -> None:
    decision = decide(row.request, row.update, **(row.more or {}))
    assert decision.reply == row.reply
    assert (decision.update.state if decision.update else None) == row.state
    assert tuple(event.type for event in decision.events) == row.events
    assert (decision.refusal.kind if decision.refusal else None) == row.refused


def test_the_first_query_tells_the_old_version() -> None:
    changed = decide(query(1), ORDERED).update
    assert changed is not None
    assert changed.old_version == 1
    assert decide(query(1), changed).update is None


def test_a_download_made_again_forgets_the_first_one() -> None:
    changed = decide(block(), replace(ACTIVATING, transfer_started_at=EARLIER)).update
    assert changed is not None
    assert (changed.transferred_at, changed.activated_at, changed.offset) == (None, None, 0)
    assert changed.transfer_started_at == EARLIER


def test_whoever_gave_up_begins_anew_with_its_next_block() -> None:
    given_up = decide(end(0x95), TRANSFERRING, started=True)
    assert given_up.started is False
    assert given_up.update is not None
    assert decide(block(), given_up.update, started=given_up.started).events[0].type == "update.transferring"


def test_what_the_device_found_good_is_all_transferred() -> None:
    changed = decide(end(), replace(TRANSFERRING, offset=56)).update
    assert changed is not None
    assert (changed.offset, changed.transferred_at) == (len(DATA), START)


def test_the_activation_says_who_asked_for_it() -> None:
    for update, why in ((TRANSFERRING, "at once"), (RELEASED, "by command"), (DUE, "its date has come")):
        assert why in decide(end(), update).events[-1].model_dump()["cause"]


def test_a_verdict_says_which_reason_the_firmware_transfer_alert_has() -> None:
    """Codes: gbcs.md §1.5, CCS08."""
    for decision, code, reason in (
        (decide(end(), VERIFYING), "8F8A", 0),
        (decide(end(0x96), VERIFYING), "8F89", 1),
        (decide(query(hardware=9), ORDERED, image=FOR_HARDWARE), "8F89", 2),
        (decide(end(0x99), VERIFYING), "8F89", 3),
    ):
        (notice,) = (event.model_dump() for event in decision.events if event.type == "transfer.notice")
        assert (notice["alert_code"], notice["reason_code"]) == (code, reason)
