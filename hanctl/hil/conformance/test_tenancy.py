"""Changes of tenancy and supplier: told, asked for, cleared, evidenced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanctl.hil.change import ANSWERED, Kind, OrderedChange
from hanctl.hil.device import TrialDevice
from hanctl.hil.hub import Hub
from hanctl.hil.trial import Expired, Trial

HOUSEHOLD = (Path(__file__).parent / "household.toml").read_text(encoding="utf-8")
OF_THE_TENANT = ("consumer", "credit")
PROVIDERS = {"electricity": {"id": 3303, "name": "Other Power"}, "gas": {"id": 4404, "name": "Other Gas"}}


@pytest.mark.requirement(
    "T1",
    covers="the publication of both kinds of change is taken by the device",
    not_covered="that the attributes can be read on the HAN: a display cannot be made to read them",
)
@pytest.mark.parametrize("kind", ["tenancy", "supplier"])
def test_the_publication_is_taken(hub: Hub, device: TrialDevice, tenancy: OrderedChange, kind: Kind) -> None:
    """A change is made. The device has a client of the Device Management cluster, takes the publication, and answers
    it with SUCCESS."""
    clients = [0x0708 in endpoint["output_clusters"] for endpoint in device.record["endpoints"]]
    assert any(clients), "it has no client of the Device Management cluster (0x0708)"
    tenancy.change(kind, providers=PROVIDERS if kind == "supplier" else {})
    tenancy.wait("told")
    event = hub.wait_for(*ANSWERED, change=tenancy.number, device=device.eui64)
    assert event["type"] == "change.acknowledged", f"it refused the publication with status {event.get('status')}"


@pytest.mark.requirement("T2", covers="a device that was off during the change is told when it is back")
@pytest.mark.takes("10m")
def test_it_is_told_after_having_been_off(hub: Hub, device: TrialDevice, tenancy: OrderedChange) -> None:
    """The device has no power when the tenant changes. When it is back it gets the publication."""
    device.power_off()
    tenancy.change()
    hub.let_pass("10m")
    assert not tenancy.events("told")
    device.come_back()
    tenancy.wait("told")


@pytest.mark.requirement("T2", covers="the device asks for the change by itself, and is answered")
def test_it_asks_by_itself(hub: Hub, device: TrialDevice, tenancy: OrderedChange, evidence: Trial) -> None:
    """A change was made, and the device's power is cut for a minute. It asks the hub for changes by itself, as it is
    obliged to: when it is back, or within the day."""
    tenancy.change()
    device.power_cycle("1m")
    try:
        tenancy.wait("queried")
    except Expired:
        evidence.saw("it did not ask when it was back")
        hub.let_pass("25h")
        assert tenancy.events("queried"), "it did not ask for changes within a day"


@pytest.mark.requirement(
    "T3",
    covers="what the hub holds of the household, before and after a change",
    not_covered="that reads of a device are refused: a display cannot be made to read on command",
)
def test_the_hub_clears_what_it_holds(hub: Hub, tenancy: OrderedChange, evidence: Trial) -> None:
    """The hub is given a household: credit, debt, consumption, top-ups. After a change of tenancy it holds none of the
    consumer's, or gives it to no device; the report says what was cleared, what is held, and why what is left stays."""
    hub.load(HOUSEHOLD)
    before = _held(hub)
    evidence.saw(f"the hub held of the tenant: {', '.join(name for _, name in before)}")
    tenancy.change()
    tenancy.wait("done")
    cleared = dict(tenancy.report()["change"]["cleared"])
    evidence.saw("cleared: " + ", ".join(f"{name} ({count})" for name, count in cleared.items()))
    after = _held(hub)
    left = [name for (endpoint, name), value in before.items() if after.get((endpoint, name)) == value]
    assert cleared
    assert left == [], f"the hub still gives to devices: {', '.join(left)}"


@pytest.mark.requirement(
    "T3",
    covers="what is dated before a cut-off that has passed, and balances, after a change that asks for no control bit",
    not_covered="that reads of a device are refused: a display cannot be made to read on command",
)
def test_the_hub_hides_what_is_dated_before_a_cut_off(hub: Hub, tenancy: OrderedChange, evidence: Trial) -> None:
    """The hub is given a household whose days and top-ups are of November 2025, and a change of tenancy since December
    2025. It gives none of them to a device any more, and credit and debt are as they were."""
    hub.load(HOUSEHOLD)
    tenancy.change(since="2025-12-01T00:00:00Z")
    tenancy.wait("done")
    change = tenancy.report()["change"]
    evidence.saw(f"cut-off {change['cut_off']}, carried out {change['done_at']}")
    items = {each["name"]: each for each in hub.get("/data", values=True)}
    for table in ("days", "top_ups"):
        assert items[table]["count"] == items[table]["hidden"] > 0, f"the hub still gives to devices: {table}"
    assert (items["credit_remaining"]["value"], items["accumulated_debt"]["value"]) == (1250, 4000)
    assert change["cleared"] == []


def _held(hub: Hub) -> dict[tuple[int, str], Any]:
    """What the hub holds of the tenant and may give to a device, with its values."""
    items = hub.get("/data", values=True)
    return {
        (each["endpoint"], each["name"]): each["value"]
        for each in items
        if each["data_class"] in OF_THE_TENANT and each["count"] > each["hidden"]
    }


@pytest.mark.requirement("T4", covers="the verdict on the device, and its basis, when told and three hours later")
def test_there_is_evidence_of_what_the_device_did(
    hub: Hub, device: TrialDevice, tenancy: OrderedChange, evidence: Trial
) -> None:
    """After a change of tenancy the report says of the device that it was told, when, and whether it cleared: by its
    own event, or by what was read back of it. It is looked at again after three hours."""
    tenancy.change()
    tenancy.wait("told")
    tenancy.wait_settled(within="10m")
    if evidence.device.longest_s >= 3 * 3600:
        hub.let_pass("3h")
    verdict = tenancy.verdict()
    assert verdict["told_at"] is not None
    if verdict["verdict"] == "acknowledged only":
        evidence.gaps.append("whether it cleared what it shows: it acknowledged, and tells nothing more. Look at it")
        return
    assert verdict["verdict"] != "still shows", f"it still shows what it was told to clear: {verdict['basis']}"
    assert verdict["settled"], f"the verdict is: {verdict['verdict']}; {verdict['basis']}"
