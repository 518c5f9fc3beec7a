"""The fixture ``tenancy``: changes of tenancy and supplier, and what is known of the device under test after one."""

from __future__ import annotations

from typing import Any, Literal

from hanctl.cli.options import duration
from hanctl.hil.device import TrialDevice
from hanctl.hil.trial import Event, Expired, Trial, in_words, matching

Kind = Literal["tenancy", "supplier"]
SETTLED = ("change.reported", "change.seen_cleared", "change.confirmed")
ANSWERED = ("change.acknowledged", "change.refused")


class OrderedChange:
    """The last change that the test ordered. ``number``: the hub's for it, 0 before."""

    def __init__(self, trial: Trial, device: TrialDevice) -> None:
        self._trial = trial
        self._device = device
        self.number = 0
        self._place = trial.began

    def change(self, kind: Kind = "tenancy", **options: Any) -> int:
        """Order a change, at once unless ``at`` is given; its number.

        ``options``: as the API takes them (docs/api.md).
        """
        self._place = self._trial.mark()
        made = self._trial.driver.run(self._trial.api.post("/changes", {"kind": kind, **options}))
        self.number = int(made["change"]["id"])
        self._trial.saw(f"change of {kind} {self.number} was ordered: {', '.join(made['control_names'])}")
        return self.number

    def report(self) -> dict[str, Any]:
        """Return the evidence of the change as it is now, as ``hanctl tenancy report --json`` does."""
        return dict(self._trial.driver.run(self._trial.api.get(f"/changes/{self.number}/report")))

    def verdict(self) -> dict[str, Any]:
        """Return what is known of the device: "verdict", "basis", "settled" and more."""
        found = next((each for each in self.report()["devices"] if each["eui64"] == self._device.eui64), None)
        if found is None:
            raise Expired(f"change {self.number} does not concern the device")
        self._trial.saw(f"verdict on the device after change {self.number}: {found['verdict']}; {found['basis']}")
        return dict(found)

    def wait(self, what: str, within: str | None = None, **fields: Any) -> Event:
        """Wait for an event of the change: "done", or, of the device, "told", "acknowledged", "queried", …"""
        __tracebackhide__ = True
        of_device = {} if what == "done" else {"device": self._device.eui64}
        wanted = matching(f"change.{what}", {"change": self.number, **of_device, **fields})
        within_s = self._trial.device.answer_s if within is None else duration(within)
        return self._trial.wait_for(f"change.{what} of change {self.number}", wanted, within_s, after=self._place)

    def events(self, what: str) -> list[Event]:
        """Return the events of a kind that there were of this change and the device, as evidence."""
        found = self._trial.events(after=self._place, device=self._device.eui64, type=f"change.{what}")
        return [self._trial.saw_event(event) for event in found if event["change"] == self.number]

    def wait_settled(self, within: str | None = None) -> dict[str, Any]:
        """Wait until more than an acknowledgement says that the device cleared; the verdict, also where none does."""
        within_s = self._trial.device.answer_s if within is None else duration(within)
        place = self._place
        while not self.verdict()["settled"]:
            try:
                place = self._trial.wait_for(
                    f"evidence that the device cleared, within {in_words(within_s)}",
                    matching(SETTLED, {"change": self.number, "device": self._device.eui64}),
                    within_s,
                    after=place,
                )["id"]
            except Expired:
                break
        return self.verdict()
