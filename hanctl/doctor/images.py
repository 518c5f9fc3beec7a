"""Check the firmware store: is there anything in it that cannot be used?"""

from __future__ import annotations

from pathlib import Path

from hanctl.base.clock import Clock
from hanctl.doctor.finding import Finding, fail, ok, warn
from hanctl.images.store import FirmwareStore, StoreError


def judge_images(path: Path, clock: Clock) -> Finding:
    """Judge the records in the firmware store, each of which is read with its image."""
    store = FirmwareStore(path, clock)
    try:
        wrong, count = store.left_aside(), len(store.list())
    except StoreError as error:
        return fail("images", str(error), error.hint)
    images = "1 image" if count == 1 else f"{count} images"
    if wrong:
        return warn(
            "images",
            f"{images} can be used; left aside: {'; '.join(wrong)}",
            f"add each of them again (hanctl firmware add FILE), or delete it from {path}",
        )
    return ok("images", f"{images} in {path}")
