"""Joining: what comes before all updates and changes."""

from __future__ import annotations

import pytest

from hanctl.hil.device import TrialDevice
from hanctl.hil.hub import Hub
from hanctl.hil.trial import Trial

OTHER_CODE = "00112233445566778899AABBCCDDEEFF"


@pytest.mark.device_unjoined
@pytest.mark.requirement("J1", covers="joining with the install code, key establishment, interview")
def test_it_joins_with_its_install_code(hub: Hub, device: TrialDevice, evidence: Trial) -> None:
    """The network is opened to the device with its install code. It joins, establishes a key with the hub where both
    have certificates, and answers the interview with its endpoints, Basic attributes and running version."""
    device.join()
    record = device.record
    assert record["state"] == "interviewed"
    assert any(0x0019 in endpoint["output_clusters"] for endpoint in record["endpoints"]), "no OTA Upgrade client"
    assert device.version is not None, "it does not tell the version that it runs"
    if hub.status["trust"]["certificates"]:
        assert record["keyed_at"] is not None, "no key was established"
    else:
        evidence.gaps.append("key establishment: this hub has no certificate")


@pytest.mark.device_unjoined
@pytest.mark.requirement("J2", covers="joining with an install code that is not the device's")
def test_it_is_not_let_in_with_another_install_code(hub: Hub, device: TrialDevice) -> None:
    """The network is opened to the device for four minutes with an install code that is not its own. It does not get
    in: the dongle may announce it, but it cannot read the network's key, and answers nothing. Forgotten again, it
    joins with its own."""
    device.open_network(OTHER_CODE, seconds=240)
    device.power_on()
    closed = hub.wait_for("join.closed", device=device.eui64, within="10m")
    assert closed["reason"] == "timed out"
    for answered in ("device.interviewed", "key.established", "device.version_changed"):
        hub.never(answered, device=device.eui64)
    device.remove()
    device.join()


@pytest.mark.requirement("J3", covers="a power cut of ten seconds, and one of ten minutes")
@pytest.mark.takes("10m")
def test_it_comes_back_after_a_power_cut(hub: Hub, device: TrialDevice) -> None:
    """The device's power is cut for ten seconds, and for ten minutes. Each time the hub hears it again, without
    another install code, and it is still the device that it was."""
    for off in ("10s", "10m"):
        device.power_cycle(off)
        assert device.joined
    hub.never("join.opened", device=device.eui64)
    hub.never("device.left", device=device.eui64)
