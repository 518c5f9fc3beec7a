"""The fixture ``device``: the device under test, its joining and its plugs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanctl.cli.options import duration
from hanctl.hil.api_client import RemoteError, now
from hanctl.hil.trial import Event, Expired, Trial, in_words, matching
from hanctl.hil.under_test import ImageFile

ON_THE_HAN = ("joined", "interviewed")
OFF_S = "10s"


class TrialDevice:
    """The device under test. ``eui64`` and ``type`` are the bench's; the rest is as the hub has it now."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._driver = trial.driver
        self.eui64 = trial.device.eui64
        self.type = trial.device.device_type

    @property
    def record(self) -> dict[str, Any]:
        """All that the hub knows of it, as ``hanctl device show --json``; empty where it does not know it."""
        devices = self._driver.run(self._trial.api.get("/devices"))
        return next((dict(each) for each in devices if each["eui64"] == self.eui64), {})

    @property
    def joined(self) -> bool:
        return self.record.get("state") in ON_THE_HAN

    @property
    def version(self) -> int | None:
        """The file version that it runs, as last read from it."""
        found = self.record.get("current_version")
        self._trial.saw(f"the device runs version {'unknown' if found is None else f'0x{found:08x}'}")
        return found

    def check_runs(self, image: ImageFile) -> None:
        """Fail unless it runs this image."""
        __tracebackhide__ = True
        running = self.version
        if running != image.version:
            told = "no version that it tells" if running is None else f"version 0x{running:08x}"
            pytest.fail(f"the device runs {told}, and not 0x{image.version:08x}")

    def facts(self) -> dict[str, str]:
        """Return what was tested, for the head of a report."""
        record, status = self.record, self._driver.run(self._trial.api.get("/status"))
        dongle, network = status["dongle"], status["network"]
        running = record.get("current_version")
        return {
            "device": f"{self.eui64} ({self.type})",
            "model": " ".join(filter(None, (record.get("manufacturer_name"), record.get("model")))) or "not known",
            "version": "not known" if running is None else f"0x{running:08x}",
            "bench": self._driver.description,
            "dongle": f"{dongle['eui64'] or 'gone'}, {dongle['firmware'] or 'firmware not known'}",
            "radio": dongle["radio"].upper() + ("" if network is None else f", channel {network['channel']}"),
            "hub": f"hanctl {status['version']}",
        }

    # --- joining

    def join(self, install_code: str | None = None, *, within: str | None = None) -> Event:
        """Let it join, with its own install code or another, give it power, and wait until it was interviewed."""
        __tracebackhide__ = True
        within_s = self._trial.device.join_s if within is None else duration(within)
        place = self.open_network(install_code, seconds=min(3600, int(within_s)))
        self.power_on()
        interviewed = matching("device.interviewed", {"device": self.eui64})
        evicted = matching(("device.evicted", "device.left"), {"device": self.eui64})
        event = self._trial.wait_for("device.interviewed", interviewed, within_s, after=place, never=evicted)
        for told in self._trial.events(after=place, device=self.eui64):
            if told["type"] in ("device.joined", "key.established", "device.version_changed"):
                self._trial.saw_event(told)
        return event

    def open_network(self, install_code: str | None = None, *, seconds: int = 240) -> int:
        """Open the network to it alone; the last event before that."""
        order = {
            "eui64": self.eui64,
            "install_code": install_code or self._trial.device.install_code,
            "seconds": seconds,
            "device_type": self.type,
        }
        place = self._trial.mark()
        self._driver.run(self._trial.api.post("/join", order))
        return place

    def begin_unjoined(self) -> None:
        """Have it off the HAN, where that can be undone."""
        if not self.joined:
            return
        if not self._trial.device.leaves_and_joins:
            pytest.skip(
                "the device is on the HAN, and [hil] leaves_and_joins does not say that it may be told to leave"
            )
        self.remove()

    def remove(self) -> None:
        """Have the hub tell it to leave and forget it."""
        try:
            self._driver.run(self._trial.api.delete(f"/devices/{self.eui64}"))
        except RemoteError as error:
            if error.code != "not-found":
                raise

    # --- power

    def power_off(self) -> None:
        self._needs(self._driver.switches_power, "power_off and power_on")
        self._driver.run(self._driver.power(on=False))

    def power_on(self) -> None:
        """Give it power, where the bench can; a device that has power keeps it."""
        if self._driver.switches_power:
            self._driver.run(self._driver.power(on=True))

    def power_cycle(self, off: str = OFF_S, *, within: str | None = None) -> None:
        """Cut its power for so long, and wait until it is heard again."""
        __tracebackhide__ = True
        self.power_off()
        self._driver.run(asyncio.sleep(duration(off)))
        self._trial.saw(f"the device was without power for {off}")
        self.come_back(within=within)

    def come_back(self, *, within: str | None = None) -> None:
        """Give it power, and wait until the hub hears it."""
        __tracebackhide__ = True
        before = self.record.get("last_seen")
        self.power_on()
        self.wait_heard(before, within=within)

    def wait_heard(self, after: str | None = None, *, within: str | None = None) -> None:
        """Wait until the hub hears it, after this time (ISO 8601), or after it was heard last."""
        __tracebackhide__ = True
        within_s = self._trial.device.answer_s if within is None else duration(within)
        since = after or self.record.get("last_seen")
        if not self._driver.run(self._heard(since, within_s)):
            raise Expired(f"the device was not heard within {in_words(within_s)}; the last that was heard: {since}")
        self._trial.saw(f"the device was heard again, at {self.record['last_seen']}")

    def unplug(self) -> None:
        """Take a battery device from the mains."""
        self._needs(self._driver.switches_mains, "mains_off and mains_on")
        self._driver.run(self._driver.mains(on=False))

    def plug_in(self) -> None:
        """Plug a battery device into the mains."""
        self._needs(self._driver.switches_mains, "mains_off and mains_on")
        self._driver.run(self._driver.mains(on=True))

    @property
    def console(self) -> list[str]:
        """What it said on its console since the test began."""
        return self._driver.console_lines()

    def _needs(self, able: bool, keys: str) -> None:
        if not able:
            pytest.skip(f"this bench cannot do that: [hil] has no {keys}")

    async def _heard(self, since: str | None, within_s: float) -> bool:
        deadline = now() + within_s
        path = f"/devices/{self.eui64}"
        while True:
            record = await self._trial.api.wait(path, deadline - now(), seen_after=since)
            if record["last_seen"] is not None and record["last_seen"] != since:
                return True
            if now() >= deadline:
                return False
