"""Updates: delivered, interrupted, refused, held, cancelled, reconciled, in order."""

from __future__ import annotations

import pytest

from hanctl.hil.api_client import RemoteError
from hanctl.hil.device import TrialDevice
from hanctl.hil.hub import Hub
from hanctl.hil.trial import Event, Expired, Trial
from hanctl.hil.update import OVER, OrderedUpdate

LATER = "10m"
"""How long a device is watched that is to do nothing."""
UNREACHABLE_VERSION = 0xFFFFFFFE


def check_activated(device: TrialDevice, update: OrderedUpdate, notice: Event) -> None:
    assert (notice["outcome"], notice["new_version"]) == ("activated", update.image.version)
    device.check_runs(update.image)


# --- F1


@pytest.mark.requirement(
    "F1", covers="delivery to a device of this type", not_covered="delivery to devices of other types than this one"
)
def test_an_image_is_delivered(device: TrialDevice, update: OrderedUpdate) -> None:
    """An update is ordered, to be held. The device fetches the whole image with the OTA Upgrade cluster and says that
    it is good; the service user gets the notice of the transfer. The update is cancelled then."""
    update.start(activate="hold")
    update.wait("transferred")
    assert update.record["offset"] == len(update.image.data)
    assert update.wait_notice("transfer")["outcome"] == "success"
    update.cancel()


@pytest.mark.requirement("F1", covers="a power cut in mid-transfer: the transfer goes on where it was")
def test_an_interrupted_transfer_goes_on_where_it_was(
    hub: Hub, device: TrialDevice, update: OrderedUpdate, evidence: Trial
) -> None:
    """In the middle of the transfer the device's power is cut for 30 seconds. It goes on with the transfer at the byte
    that it was at, give or take what was on the way and a last block or page, and finds the image good."""
    update.start(activate="hold")
    before, mark = update.wait_served(0.5), hub.mark()
    device.power_cycle("30s")
    update.wait("transferred")
    resumed = update.events("update.resumed", after=mark)
    assert resumed, "the hub does not say that the transfer was resumed"
    offset = min(event["offset"] for event in resumed)
    evidence.saw(f"it had been served up to byte {before}, and asked for byte {offset} when it was back")
    assert offset >= before - 2048, f"it began anew at byte {offset}, after it had been served up to byte {before}"
    update.cancel()


@pytest.mark.requirement("F1", covers="an image damaged by one bit is refused by the device")
def test_a_damaged_image_is_refused(device: TrialDevice, update: OrderedUpdate) -> None:
    """A copy of the image, with one bit of what is to be run turned over, is ordered, to be held: it would never be
    activated. The device fetches it, refuses it, and goes on with the version that it runs."""
    running = device.version
    try:
        update.start(update.damaged_image, activate="hold")
    except RemoteError as error:
        pytest.skip(f"this hub does not offer it to any device: {error}")
    try:
        update.wait("refused")
    except Expired as wrong:
        taken = update.events("update.transferred")
        assert not taken, "it took the damaged image for good"
        raise wrong
    assert update.wait_notice("transfer")["outcome"] == "failure"
    assert device.version == running


@pytest.mark.requirement("F1", covers="an image of another type is not offered to the device")
def test_an_image_of_another_type_is_not_offered(
    hub: Hub, device: TrialDevice, update: OrderedUpdate, evidence: Trial
) -> None:
    """A copy of the image, whose header names another image type, is ordered. The device does not fetch it: the hub
    refuses the order, or, where it does not know yet which type the device takes, never offers it."""
    running = device.version
    other = update.image.of_type(update.image.image_type ^ 0x0100)
    try:
        update.start(other, activate="hold")
    except RemoteError as refused:
        evidence.saw(f"the hub refused the order: {refused}")
    else:
        hub.let_pass(LATER)
        assert update.record["offset"] == 0
    hub.never("update.transferred")
    assert device.version == running


# --- F2


@pytest.mark.requirement("F2", covers="the device waits until the hub activates; the notice of the activation")
@pytest.mark.takes("10m")
def test_it_is_held_until_it_is_released(hub: Hub, device: TrialDevice, update: OrderedUpdate) -> None:
    """An update is ordered, to be held. Once it has the image the device goes on with its old version, for ten
    minutes, until it is released. Then it comes back with the new one, which is read from it, and the service user
    gets the notice of the activation."""
    update.start(activate="hold")
    update.wait("holding")
    hub.let_pass(LATER)
    assert update.state == "holding", f"told to wait, it did not: the update is {update.state}"
    device.check_runs(update.base_image)
    update.activate()
    update.wait("confirmed")
    check_activated(device, update, update.wait_notice("activation"))


@pytest.mark.requirement("F2", covers="an update that is held and cancelled is not activated")
@pytest.mark.takes("12m")
def test_a_cancelled_update_is_not_activated(hub: Hub, device: TrialDevice, update: OrderedUpdate) -> None:
    """An update is ordered, to be held, and cancelled once the device has the image. The device goes on with its old
    version, also after its power was cut."""
    update.start(activate="hold")
    update.wait("holding")
    update.cancel()
    assert update.wait_over() == "cancelled"
    hub.let_pass(LATER)
    device.power_cycle()
    hub.let_pass("2m")
    device.check_runs(update.base_image)
    hub.never("activation.notice")


# --- F3, F4


@pytest.mark.requirement("F3", covers="one order, with nothing said after it")
def test_one_request_distributes_and_activates(device: TrialDevice, update: OrderedUpdate) -> None:
    """One order is given, to be activated at once, and nothing else. The device ends on the new version, and the
    service user gets the notices of delivery, transfer and activation, each once."""
    if device.type == "hcalcs":
        pytest.skip("a load control switch is activated by a command of its own alone (F4)")
    update.start(activate="now")
    update.wait("confirmed")
    for kind, outcome in (("delivery", None), ("transfer", "success"), ("activation", "activated")):
        notice = update.wait_notice(kind)
        assert notice.get("outcome") == outcome
        assert len(update.events(f"{kind}.notice")) == 1
    device.check_runs(update.image)


@pytest.mark.requirement("F4", covers="activation by a command of its own, with the right hash alone")
@pytest.mark.takes("10m")
def test_activation_is_a_command_of_its_own_with_the_right_hash(
    hub: Hub, device: TrialDevice, update: OrderedUpdate, evidence: Trial
) -> None:
    """An image is distributed, to be held. A command to activate it with a wrong hash is refused, and the device keeps
    its version; the command with the hash of the manufacturer's image is carried out."""
    update.start(activate="hold")
    update.wait("holding")
    right = update.image.parsed.manufacturer_image_sha256
    if right is None:
        pytest.skip("the image has no one manufacturer image whose hash could be checked")
    with pytest.raises(RemoteError) as refused:
        update.activate(f"{int(right, 16) ^ 1:064x}")
    evidence.saw(f"a command with another hash was refused: {refused.value}")
    update.events("update.activation_refused")
    hub.let_pass(LATER)
    assert update.state == "holding", f"nothing told it to activate: the update is {update.state}"
    device.check_runs(update.base_image)
    update.activate(right)
    update.wait("confirmed")
    check_activated(device, update, update.wait_notice("activation"))


# --- F5


@pytest.mark.requirement("F5", covers="the message on the display, waiting, and going on once on mains")
def test_a_battery_device_is_asked_to_be_plugged_in(hub: Hub, device: TrialDevice, update: OrderedUpdate) -> None:
    """The device is unplugged from the mains, with less left in its battery than an update wants. An update waits, and
    the device takes a message for its display that asks for the mains. Once plugged in, the message is taken back, and
    the image is transferred."""
    if "battery" not in (device.record["power_source"] or ""):
        pytest.skip(f"the device says that it has no battery: its power source is {device.record['power_source']}")
    device.unplug()
    try:
        update.start(activate="hold")
        hub.wait_for("message.shown", device=device.eui64)
        hub.let_pass("2m")
        assert update.state == "ordered", f"on a low battery, the update is {update.state}"
    except Expired:
        level = device.record["battery_percent"]
        if update.record["offset"] and level is not None:
            pytest.skip(f"its battery is at {level:g} %, which is enough: [updates] battery_percent says from when on")
        raise
    finally:
        device.plug_in()
    hub.wait_for("message.withdrawn", device=device.eui64, within="30m")
    update.wait("transferred")


# --- F6


@pytest.mark.requirement("F6", covers="the state, the offset and what it waits for, at every stage")
def test_it_is_seen_where_the_image_is_at_every_stage(
    device: TrialDevice, update: OrderedUpdate, evidence: Trial
) -> None:
    """At each stage of an update, between its order and its activation, the hub is asked: it tells the stage, how many
    bytes the device has, and what the update waits for."""

    def look(*states: str) -> None:
        record = update.record
        evidence.saw(
            f"asked, the hub says: {record['state']}, {record['offset']} bytes, waits for {record['waits_for']}"
        )
        assert record["state"] in states
        assert record["waits_for"]

    update.start(activate="hold")
    look("ordered", "notified")
    update.wait("notified")
    update.wait("transferring")
    assert 0 < update.wait_served(0.3) <= len(update.image.data)
    look("transferring")
    update.wait("holding")
    look("holding")
    update.activate()
    update.wait("activating")
    look("activating")
    ended = update.wait_over()
    evidence.saw(f"the update ended {ended}")
    assert ended in OVER


# --- F7


@pytest.mark.requirement("F7", covers="a power cut right after the activation command")
def test_a_lost_activation_answer_is_reconciled(device: TrialDevice, update: OrderedUpdate) -> None:
    """A held update is released, and the device's power is cut as soon as it has the command: nobody hears what became
    of it. When it is back the hub reads its version, and the update is confirmed by that."""
    update.start(activate="hold")
    update.wait("holding")
    update.activate()
    update.wait("activating")
    device.power_cycle("60s")
    update.wait("confirmed")
    notice = update.wait_notice("activation")
    assert "read" in (notice["confirmed_by"] or "")
    check_activated(device, update, notice)


@pytest.mark.requirement("F7", covers="a device that is away for more than an hour after the activation command")
@pytest.mark.takes("70m")
def test_a_long_absence_after_the_command_is_reconciled(hub: Hub, device: TrialDevice, update: OrderedUpdate) -> None:
    """As before, but the device stays without power until the hub says that it does not know any more what it runs.
    The doubt ends by reading its version."""
    update.start(activate="hold")
    update.wait("holding")
    update.activate()
    update.wait("activating")
    device.power_off()
    hub.let_pass("70m")
    assert update.state == "in_doubt"
    update.events("update.in_doubt")
    device.come_back()
    update.wait("confirmed")
    check_activated(device, update, update.wait_notice("activation"))


# --- F8


@pytest.mark.requirement("F8", covers="an image whose prerequisite the device does not run is refused")
def test_an_image_without_its_prerequisite_is_refused(
    hub: Hub, device: TrialDevice, update: OrderedUpdate, evidence: Trial
) -> None:
    """An image is ordered for devices that run a version that this one does not run, and to which nothing leads. The
    order is refused, and nothing is transferred."""
    with pytest.raises(RemoteError) as refused:
        update.start(activate="hold", requires=[UNREACHABLE_VERSION])
    evidence.saw(f"the hub refused the order: {refused.value}")
    hub.never("update.notified")
    device.check_runs(update.base_image)


@pytest.mark.requirement("F8", covers="a prerequisite is applied first, and the image after it")
def test_a_prerequisite_is_applied_first(device: TrialDevice, update: OrderedUpdate) -> None:
    """The image after the next is ordered, for devices that run the next one. Both are applied, one after the other."""
    if device.type == "hcalcs":
        pytest.skip("each step of a load control switch needs an activation command of its own")
    update.add(update.image)
    update.start(update.next_image, activate="now", requires=[update.image.version])
    update.wait("confirmed")
    device.check_runs(update.image)
    update.follow()
    update.wait("confirmed")
    device.check_runs(update.next_image)
