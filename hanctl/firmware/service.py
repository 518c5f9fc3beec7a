"""Updates as a service user sees them: order, activate, cancel, and how far they are.

States: ordered → notified → transferring → holding (where ordered with "hold") → activating → confirmed; or failed, or
cancelled. All of it is in the ledger before it is acted on, so a kill at any moment loses nothing:

- A release (``activate``) that could not be delivered is remembered as ``activation`` "now" of an update that is
  still "holding": it is tried again, and given at the device's next poll at the latest. The update is "activating"
  from when the device was told.
- An update is confirmed, and its notice written, in one transaction, when the version read back from the device is
  the ordered one; in whatever state the update is by then, as a device may activate of its own accord.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hanctl.clock import Clock
from hanctl.errors import InvalidInput, NotFound, Refused
from hanctl.eui64 import Eui64
from hanctl.firmware import ota
from hanctl.firmware.courier import Courier, HanLink, note_version
from hanctl.firmware.image import FormChoice
from hanctl.firmware.open_updates import OpenUpdates, Progress
from hanctl.firmware.server import OtaServer
from hanctl.firmware.store import FirmwareStore
from hanctl.ledger.events import (
    UpdateCancelled,
    UpdateFailed,
    UpdateOrdered,
    UpdateReleased,
)
from hanctl.ledger.image_events import ImageRemoved
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.records import Activation, Device, Image, Update
from hanctl.ledger.rows import time_text

GIVE_UP_AFTER = timedelta(hours=1)
"""A device told to activate does so within seconds, and no client waits longer than an hour (comms_hub.md §1.7)."""

_PRESENT = frozenset({"joined", "interviewed"})


class UpdateService:
    """Orders of firmware updates, and the images they are of.

    ``server`` is to be registered with the HAN; ``heard`` and ``returned`` are to be called at signs of life.
    """

    def __init__(self, ledger: Ledger, han: HanLink, store: FirmwareStore, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._open = OpenUpdates(ledger, store, clock)
        self._courier = Courier(ledger, han, self._open, clock)
        self.server = OtaServer(ledger, self._open, clock, self._queried)
        self.heard = self._courier.heard
        self.returned = self._courier.returned
        self.resume = self._courier.resume
        self.run = self._courier.run

    def start(self, device: Eui64, file_sha256: str, *, activation: Activation = "now") -> Update:
        """Order an update. The device is notified as soon as it can be reached.

        ``file_sha256``: the hash of an image in the store or an unambiguous beginning of it. Raises NotFound (device
        or image), Refused (it does not fit, or the device has an open update), InvalidInput, StoreError.
        """
        if activation not in {"now", "hold"}:
            raise InvalidInput(f"'{activation}' is no way to activate", "give now or hold")
        record = self._device(device)
        image = self._store.get(file_sha256)
        session = self._open.of(device)
        if session is not None:
            raise Refused(
                f"device {device} already has update {session.update.id}, which is {session.update.state}",
                f"wait for it, or cancel it: hanctl update cancel {session.update.id}",
            )
        _check_fit(record, image)
        self._store.read(image.file_sha256)
        with self._ledger.transaction():
            # An image may have come into the store's directory without the daemon.
            if self._ledger.images.get(image.file_sha256) is None:
                self._record_image(image)
            update = self._ledger.updates.create(
                device=device,
                file_sha256=image.file_sha256,
                manufacturer_image_sha256=image.manufacturer_image_sha256,
                manufacturer_code=image.manufacturer_code,
                image_type=image.image_type,
                file_version=image.file_version,
                size=image.size,
                activation=activation,
                ordered_at=self._clock.now(),
                old_version=record.current_version,
            )
            self._ledger.record(
                UpdateOrdered(
                    device=device,
                    update=update.id,
                    file_sha256=image.file_sha256,
                    file_version=image.file_version,
                    activation=activation,
                )
            )
        self._open.adopt(update)
        return update

    async def activate(self, update_id: int) -> Update:
        """Release a holding update. Where the device cannot be reached now, it is told when it can.

        Returns the update: "activating" where the device was told, else still "holding" with activation "now".
        Raises NotFound, or Refused where it is not holding.
        """
        update = self._get(update_id)
        session = self._open.get(update_id)
        if session is None or update.state != "holding":
            hint = (
                "it activates by itself: order it with --activate hold to decide when"
                if update.activation == "now" and session is not None
                else "only an update that is holding can be activated"
            )
            raise Refused(f"update {update_id} is {update.state}, not holding", hint)
        if update.activation == "hold":
            self._open.change(
                session,
                replace(session.update, activation="now"),
                UpdateReleased(device=update.device, update=update_id),
            )
        await self._courier.release(session)
        return self._get(update_id)

    def cancel(self, update_id: int) -> Update:
        """Cancel an update that the device was not yet told to activate; its next request is answered with ABORT.

        A device that was told, and was not seen to run the image for an hour, may be given up in the same way. Raises
        NotFound, or Refused where the update is over or the device was told to activate.
        """
        update = self._get(update_id)
        session = self._open.get(update_id)
        if session is None:
            raise Refused(f"update {update_id} is {update.state} already", "there is nothing left to cancel")
        told = update.activated_at
        if update.state == "activating" and told is not None and self._clock.now() - told < GIVE_UP_AFTER:
            raise Refused(
                f"the device of update {update_id} was told to activate",
                f"wait for it; it can be given up from {time_text(told + GIVE_UP_AFTER)}",
            )
        self._open.change(
            session,
            replace(session.update, state="cancelled", offset=session.offset, ended_at=self._clock.now()),
            UpdateCancelled(device=update.device, update=update_id),
        )
        return self._get(update_id)

    def progress(self, update_id: int) -> Progress:
        """How far an update is; of one that is over, how far it came. Raises NotFound."""
        session = self._open.get(update_id)
        if session is None:
            update = self._get(update_id)
            return Progress(update.offset, update.size, None, None)
        return Progress(session.offset, session.update.size, session.rate, session.last_heard)

    def add_image(self, data: bytes, *, form: FormChoice = "auto", name: str) -> Image:
        """Add an image to the store and the ledger; again is no error. Raises as ``FirmwareStore.add``."""
        image = self._store.add(data, form=form, name=name)
        if self._ledger.images.get(image.file_sha256) is None:
            with self._ledger.transaction():
                self._record_image(image)
        return image

    def remove_image(self, file_sha256: str) -> Image:
        """Remove an image. Raises as ``FirmwareStore.remove``, and Refused where an open update needs it."""
        image = self._store.get(file_sha256)
        update = self._open.uses(image.file_sha256)
        if update is not None:
            raise Refused(
                f"update {update.id} of device {update.device} needs this image",
                f"wait for it, or cancel it: hanctl update cancel {update.id}",
            )
        self._store.remove(image.file_sha256)
        with self._ledger.transaction():
            self._ledger.images.remove(image.file_sha256)
            self._ledger.record(ImageRemoved(file_sha256=image.file_sha256))
        return image

    def _record_image(self, image: Image) -> None:
        self._ledger.images.put(image)
        for event in self._store.added(image):
            self._ledger.record(event)

    def _get(self, update_id: int) -> Update:
        update = self._ledger.updates.get(update_id)
        if update is None:
            raise NotFound(f"there is no update {update_id}", "see: hanctl update list")
        return update

    def _device(self, eui64: Eui64) -> Device:
        device = self._ledger.devices.get(eui64)
        if device is None:
            raise NotFound(f"device {eui64} is not known", "see: hanctl device list")
        if device.state not in _PRESENT:
            raise Refused(
                f"device {eui64} is {device.state}: it is not on the network",
                f"let it join first: hanctl join --eui {eui64}",
            )
        return device

    def _queried(self, eui64: Eui64, query: ota.QueryNextImageRequest) -> None:
        session = self._open.of(eui64)
        self._learn(eui64, query)
        if session is None:
            return
        update = session.update
        if (query.manufacturer_code, query.image_type) != (update.manufacturer_code, update.image_type):
            return
        session.queried_version = int(query.current_file_version)
        if session.queried_version != update.file_version:
            return
        if update.state in {"ordered", "notified"}:
            reason = f"the device runs version 0x{update.file_version:08x} already; nothing was transferred"
            self._open.change(
                session,
                replace(update, state="failed", ended_at=self._clock.now(), reason=reason),
                UpdateFailed(device=eui64, update=update.id, reason=reason),
            )
        else:
            self._courier.check_version(session)

    def _learn(self, eui64: Eui64, query: ota.QueryNextImageRequest) -> None:
        """Note what a query says of the device; of a device with several images, the first one's facts are kept."""
        device = self._ledger.devices.get(eui64)
        if device is None:
            return
        news: dict[str, Any] = {}
        if device.manufacturer_code is None:
            news["manufacturer_code"] = int(query.manufacturer_code)
        if device.image_type is None:
            news["image_type"] = int(query.image_type)
        elif device.image_type != query.image_type:
            return
        if query.hardware_version not in {None, device.hardware_version}:
            news["hardware_version"] = int(query.hardware_version)
        if news:
            self._ledger.devices.put(replace(device, **news))
        note_version(self._ledger, eui64, int(query.current_file_version))


def _check_fit(device: Device, image: Image) -> None:
    """Refuse an image that cannot be for this device, as far as the device is known."""
    see = "see: hanctl device show, hanctl firmware show"
    if image.destination is not None and image.destination != device.eui64:
        raise Refused(f"the image is for device {image.destination} alone", see)
    if device.manufacturer_code is not None and device.manufacturer_code != image.manufacturer_code:
        raise Refused(
            f"the image is of manufacturer 0x{image.manufacturer_code:04x},"
            f" the device of 0x{device.manufacturer_code:04x}",
            see,
        )
    if device.image_type is not None and device.image_type != image.image_type:
        raise Refused(
            f"the image has type 0x{image.image_type:04x}, the device takes 0x{device.image_type:04x}",
            see,
        )
    if not image.takes_hardware(device.hardware_version):
        raise Refused(
            f"the image is for hardware 0x{image.hardware_min:04x} to 0x{image.hardware_max:04x},"
            f" the device has 0x{device.hardware_version:04x}",
            see,
        )
    if device.current_version is not None and image.file_version <= device.current_version:
        same = image.file_version == device.current_version
        raise Refused(
            f"the device runs 0x{device.current_version:08x}, "
            + ("which is this image" if same else f"newer than this image, 0x{image.file_version:08x}"),
            "order an image with a higher file version",
        )
