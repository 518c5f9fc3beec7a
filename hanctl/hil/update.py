"""The fixture ``update``: one update of the device under test, and the images that there are for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from hanctl.cli.options import duration
from hanctl.hil.api_client import RemoteError, now
from hanctl.hil.device import TrialDevice
from hanctl.hil.trial import Event, Expired, Trial, in_words, matching
from hanctl.hil.under_test import ImageFile

OVER = ("confirmed", "failed", "refused", "cancelled", "superseded")


class OrderedUpdate:
    """The last update that the test ordered. ``number``: the hub's for it, 0 before."""

    def __init__(self, trial: Trial, device: TrialDevice) -> None:
        self._trial = trial
        self._device = device
        self.number = 0
        self._place = trial.began

    # --- images

    @property
    def base_image(self) -> ImageFile:
        """The version that a test begins with."""
        return self._given(self._trial.device.base_image, "base_image")

    @property
    def image(self) -> ImageFile:
        """What the device is updated to."""
        return self._given(self._trial.device.image, "image")

    @property
    def next_image(self) -> ImageFile:
        """What comes after that."""
        return self._given(self._trial.device.next_image, "next_image")

    @property
    def damaged_image(self) -> ImageFile:
        """A damaged copy of ``image``. Order it to be held, as a device may take it for good."""
        if not self._trial.device.damaged_image:
            pytest.skip("a damaged image may not be offered to this device: [hil] damaged_image is false")
        return self.image.damaged()

    def add(self, image: ImageFile, requires: tuple[int, ...] = ()) -> str:
        """Add an image to the hub's store; its file_sha256."""
        adding = self._trial.api.upload("/images", image.data, name=image.name, requires=list(requires) or None)
        return str(self._trial.driver.run(adding)["file_sha256"])

    # --- orders

    def start(self, image: ImageFile | None = None, activate: str = "now", **options: Any) -> int:
        """Order an update to ``image``, to be activated "now", on command ("hold"), or "by-device"; its number.

        ``options``: as the API takes them (docs/api.md), such as ``allow_downgrade``, ``requires``. Raises RemoteError
        where the hub refuses.
        """
        wanted = image or self.image
        order = {"device": self._device.eui64, "image": self.add(wanted), "activation": activate, **options}
        place = self._trial.mark()
        self.number = int(self._trial.driver.run(self._trial.api.post("/updates", order))["id"])
        self._place = place
        self._trial.saw(
            f"update {self.number} was ordered: {wanted.name}, version 0x{wanted.version:08x}, "
            f"SHA-256 {wanted.parsed.file_sha256[:16]}…, {len(wanted.data)} bytes, activation {activate}"
        )
        return self.number

    def activate(self, manufacturer_image_sha256: str | None = None) -> None:
        """Release the update where it holds. Raises RemoteError where the hub refuses."""
        given = {"manufacturer_image_sha256": manufacturer_image_sha256}
        self._post("activate", given)

    def cancel(self) -> None:
        """Cancel it. Raises RemoteError where the hub refuses."""
        self._post("cancel")

    def follow(self) -> int:
        """Go on with the update that follows this one in its chain; its number."""
        self.number = int(self.record["followed_by"])
        return self.number

    # --- what became of it

    @property
    def record(self) -> dict[str, Any]:
        """The update as it is now, as ``hanctl update show --json``."""
        return dict(self._trial.driver.run(self._trial.api.get(f"/updates/{self.number}")))

    @property
    def state(self) -> str:
        return str(self.record["state"])

    def wait(self, state: str, within: str | None = None) -> Event:
        """Wait until it came to this state (docs/updates.md), or "transferred". Fails where it ended otherwise."""
        __tracebackhide__ = True
        ends = [f"update.{each}" for each in OVER if each != state]
        return self._trial.wait_for(
            f"update {self.number} {state}",
            matching(f"update.{state}", {"update": self.number}),
            self._patience(within),
            after=self._place,
            never=matching(ends, {"update": self.number}),
        )

    def wait_over(self, within: str | None = None) -> str:
        """Wait until it is over; the state that it ended in."""
        __tracebackhide__ = True
        ended = self._trial.wait_for(
            f"the end of update {self.number}",
            matching([f"update.{each}" for each in OVER], {"update": self.number}),
            self._patience(within),
            after=self._place,
        )
        return str(ended["type"]).removeprefix("update.")

    def wait_notice(self, kind: str, within: str | None = None) -> Event:
        """Wait for the stage notice "delivery", "transfer" or "activation" of this update."""
        __tracebackhide__ = True
        wanted = matching(f"{kind}.notice", {"update": self.number})
        return self._trial.wait_for(
            f"{kind}.notice of update {self.number}", wanted, self._patience(within), after=self._place
        )

    def wait_served(self, part: float = 0.5, within: str | None = None) -> int:
        """Wait until this part of the image was served, 0 to 1; the offset. Fails where the update is over before."""
        __tracebackhide__ = True
        within_s = self._patience(within)
        wanted = int(part * self.record["size"])
        record = self._trial.driver.run(self._served(wanted, within_s))
        if record["offset"] < wanted:
            raise Expired(
                f"update {self.number} was not served up to byte {wanted} within {in_words(within_s)}: it is "
                f"{record['state']} at byte {record['offset']}, and waits for {record['waits_for']}"
            )
        self._trial.saw(f"update {self.number} was {record['state']}, at byte {record['offset']} of {record['size']}")
        return int(record["offset"])

    def events(self, type: str, after: int | None = None) -> list[Event]:  # noqa: A002
        """Return the events of this type of this update, or those after ``after`` (``hub.mark()``), as evidence."""
        found = self._trial.events(after=after or self._place, update=self.number, type=type)
        return [self._trial.saw_event(event) for event in found]

    # --- before and after a test

    def begin_at_base(self) -> None:
        """Have the device run the version that a test begins with."""
        __tracebackhide__ = True
        base = self._trial.device.base_image
        if base is None:
            image, running = self._trial.device.image, self._device.version
            if image is not None and running is not None and running >= image.version:
                pytest.skip(f"the device runs 0x{running:08x} already, and there is no [hil] base_image to go back to")
            return
        if self._device.version == base.version:
            return
        self.start(base, "hold", allow_downgrade=True, allow_reinstall=True)
        self.wait("holding")
        self.activate(base.parsed.manufacturer_image_sha256)
        self.wait("confirmed")
        self.number = 0

    def finish(self) -> None:
        """Leave no update open: cancel it, or see it out where it is too late for that.

        A device that holds the image hears of that at its next poll, in an hour perhaps; or at once, if it starts anew.
        """
        if not self.number or not self._trial.driver.lasting:
            return
        if self.state not in OVER:
            with suppress(RemoteError):
                self.cancel()
        if self.state not in OVER:
            self.wait_over(within=f"{self._trial.device.answer_s:.0f}s")
        record = self.record
        if record["state"] == "cancelled" and record["transferred_at"] and self._trial.driver.switches_power:
            self._device.power_cycle()

    def _post(self, what: str, body: dict[str, Any] | None = None) -> None:
        self._trial.driver.run(self._trial.api.post(f"/updates/{self.number}/{what}", body))

    def _patience(self, within: str | None) -> float:
        times = self._trial.device
        return times.transfer_s + times.answer_s if within is None else duration(within)

    async def _served(self, offset: int, within_s: float) -> dict[str, Any]:
        deadline = now() + within_s
        while True:
            record = await self._trial.api.wait(f"/updates/{self.number}", deadline - now(), offset=offset)
            if record["offset"] >= offset or record["ended_at"] is not None or now() >= deadline:
                return dict(record)

    @staticmethod
    def _given(image: ImageFile | None, key: str) -> ImageFile:
        if image is None:
            pytest.skip(f"there is no such image: [hil] has no {key}")
        return image
