"""Plan upgrade pathways: the images that bring a device from its version to the wanted one.

An image may say which running versions it may be applied to; some have to be applied in order. Source: gbcs.md,
addendum (MP231: an image's allowed previous versions are published with it).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hanctl.model.records import Device, Image


def applies(image: Image, running: int | None, requires: tuple[int, ...] = ()) -> bool:
    """Tell whether the image may be applied to this running version, as far as known; ``requires``: see Image."""
    wanted = requires or image.requires
    return not wanted or running is None or running in wanted


def plan(device: Device, target: Image, requires: tuple[int, ...], store: Iterable[Image]) -> list[Image] | None:
    """Return the images to apply in order, ``target`` last; None if the store has no pathway.

    ``requires`` is the order's own for the target, in place of the image's. The way with the fewest steps is taken; on
    it, each image has a higher version than the one before.
    """
    running = device.current_version
    if running is None or applies(target, running, requires):
        return [target]
    steps = [image for image in store if _is_step(image, device, target)]
    ways: deque[tuple[int, list[Image]]] = deque([(running, [])])
    reached = {running}
    while ways:
        version, way = ways.popleft()
        if way and applies(target, version, requires):
            return [*way, target]
        for image in sorted(steps, key=lambda step: -step.file_version):
            if image.file_version > version and image.file_version not in reached and applies(image, version):
                reached.add(image.file_version)
                ways.append((image.file_version, [*way, image]))
    return None


def _is_step(image: Image, device: Device, target: Image) -> bool:
    return (
        (image.manufacturer_code, image.image_type) == (target.manufacturer_code, target.image_type)
        and image.file_sha256 != target.file_sha256
        and image.takes_hardware(device.hardware_version)
        and image.destination in (None, device.eui64)
    )
