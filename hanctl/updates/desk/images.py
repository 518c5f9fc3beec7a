"""Keep the images of the store and of the ledger together."""

from __future__ import annotations

from hanctl.base.errors import Refused
from hanctl.images.image import FormChoice
from hanctl.images.store import FirmwareStore
from hanctl.ledger.ledger import Ledger
from hanctl.model.image_events import ImageRemoved
from hanctl.model.records import Image
from hanctl.updates.life.open_updates import OpenUpdates


class OrderableImages:
    """The images that may be ordered."""

    def __init__(self, ledger: Ledger, store: FirmwareStore, updates: OpenUpdates) -> None:
        self._ledger = ledger
        self._store = store
        self._updates = updates

    def add(self, data: bytes, *, form: FormChoice = "auto", name: str, requires: tuple[int, ...] = ()) -> Image:
        """Add an image to the store and the ledger; adding it again is no error. Raises as ``FirmwareStore.add``."""
        image = self._store.add(data, form=form, name=name, requires=requires)
        with self._ledger.transaction():
            self.note(image)
        return image

    def remove(self, file_sha256: str) -> Image:
        """Remove an image. Raises as ``FirmwareStore.remove``, and Refused if an open update needs it."""
        image = self._store.get(file_sha256)
        update = self._updates.uses(image.file_sha256)
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

    def note(self, image: Image) -> None:
        """Record an image of the store in the ledger, inside a transaction."""
        known = self._ledger.images.get(image.file_sha256)
        if known != image:
            self._ledger.images.put(image)
        if known is not None:
            return
        for event in self._store.added(image):
            self._ledger.record(event)
