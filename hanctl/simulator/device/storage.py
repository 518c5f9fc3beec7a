"""Memory of a simulated device that survives a power cut: network, running version, and received image."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hanctl.base.eui64 import Eui64
from hanctl.simulator.device.ota.frames import ImageId
from hanctl.simulator.dongle import Flash, SimulatorError

COUNTER_STEP = 1024


class Phase(Enum):
    """State of the image slot."""

    EMPTY = "empty"
    PARTIAL = "partial"
    COMPLETE = "complete"
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Membership:
    """The network a device is on."""

    nwk: int
    key: bytes = field(repr=False)


class DeviceStorage:
    """The memory: in RAM alone, or in two files under ``directory`` named after the EUI64: JSON, and the image slot.

    The offset of a download is the length of the image slot, so it is never ahead of the bytes.
    """

    def __init__(self, factory_version: int, eui64: Eui64, directory: Path | None = None) -> None:
        stem = eui64.replace(":", "")
        self._flash = Flash(None if directory is None else directory / f"device-{stem}.json")
        self._slot_path = None if directory is None else directory / f"device-{stem}.image"
        self.running_version = factory_version
        self.membership: Membership | None = None
        self.link_key: bytes | None = None
        """The key that was established with the trust centre."""
        self.partner_keys: dict[Eui64, bytes] = {}
        self.image: ImageId | None = None
        self.image_size = 0
        self.applied = False
        self.write_error_at: int | None = None
        self._slot = bytearray()
        self._frame_counter = 0
        self._load()

    @property
    def phase(self) -> Phase:
        if self.image is None:
            return Phase.EMPTY
        if self.applied:
            return Phase.APPLIED
        return Phase.COMPLETE if self.offset >= self.image_size else Phase.PARTIAL

    @property
    def offset(self) -> int:
        """Bytes received of the image in the slot."""
        return len(self._slot)

    def slot(self) -> bytes:
        """Return the bytes in the image slot."""
        return bytes(self._slot)

    def begin(self, image: ImageId, size: int) -> None:
        """Erase the slot for a new image of ``size`` bytes."""
        self.image, self.image_size, self.applied = image, size, False
        self._clear_slot()
        self._save()

    def append(self, data: bytes) -> None:
        """Write the next bytes. Raises OSError where the storage fails."""
        if self.write_error_at is not None and self.offset + len(data) > self.write_error_at:
            raise OSError(f"cannot write at {self.offset}")
        self._slot += data
        if self._slot_path is not None:
            with self._slot_path.open("ab") as file:
                file.write(data)

    def erase(self) -> None:
        """Delete the image."""
        self.image, self.image_size, self.applied = None, 0, False
        self._clear_slot()
        self._save()

    def apply(self, *, runs: bool) -> None:
        """Take note that the image was booted: it ``runs`` from now on, or did not come up. It stays in the slot."""
        assert self.image is not None
        if runs:
            self.running_version = self.image.version
        self.applied = True
        self._save()

    def set_membership(self, membership: Membership | None, *, keeps_keys: bool = False) -> None:
        """Set the network. On another one, or none, drop the established keys, unless they let the device in."""
        known = membership is not None and self.membership is not None and membership.key == self.membership.key
        if not (known or keeps_keys):
            self.link_key = None
            self.partner_keys.clear()
        self.membership = membership
        self._save()

    def set_link_key(self, key: bytes | None) -> None:
        self.link_key = key
        self._save()

    def next_frame_counter(self) -> int:
        """Return the next outgoing frame counter. What is kept is ahead of it, so that none is used twice."""
        self._frame_counter += 1
        if self._frame_counter % COUNTER_STEP == 1:
            self._save()
        return self._frame_counter

    def set_partner_key(self, partner: Eui64, key: bytes) -> None:
        self.partner_keys[partner] = key
        self._save()

    def _clear_slot(self) -> None:
        self._slot.clear()
        if self._slot_path is not None:
            self._slot_path.parent.mkdir(parents=True, exist_ok=True)
            self._slot_path.write_bytes(b"")

    def _save(self) -> None:
        member, image = self.membership, self.image
        self._flash.save(
            {
                "running_version": self.running_version,
                "membership": None if member is None else {"nwk": member.nwk, "key": member.key.hex()},
                "link_key": None if self.link_key is None else self.link_key.hex(),
                "partner_keys": {eui64: key.hex() for eui64, key in self.partner_keys.items()},
                "image": None if image is None else asdict(image),
                "image_size": self.image_size,
                "applied": self.applied,
                "frame_counter": -(-self._frame_counter // COUNTER_STEP) * COUNTER_STEP,
            }
        )

    def _load(self) -> None:
        content: dict[str, Any] = self._flash.load()
        if not content:
            return
        try:
            self.running_version = int(content["running_version"])
            member, image = content["membership"], content["image"]
            self.membership = None if member is None else Membership(member["nwk"], bytes.fromhex(member["key"]))
            self.link_key = None if content["link_key"] is None else bytes.fromhex(content["link_key"])
            self.partner_keys = {Eui64(e): bytes.fromhex(key) for e, key in content["partner_keys"].items()}
            self.image = None if image is None else ImageId(**image)
            self.image_size, self.applied = int(content["image_size"]), bool(content["applied"])
            self._frame_counter = int(content.get("frame_counter", 0))
        except (KeyError, TypeError, ValueError) as error:
            raise SimulatorError(
                f"{self._flash.path} does not hold a simulated device's state", "name another directory, or remove it"
            ) from error
        if self.image is not None and self._slot_path is not None and self._slot_path.exists():
            self._slot += self._slot_path.read_bytes()[: self.image_size]
