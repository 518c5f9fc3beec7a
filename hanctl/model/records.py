"""Records of devices, images and updates. They are immutable: to change one, ``dataclasses.replace`` and store it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hanctl.base.eui64 import Eui64
from hanctl.model.update_states import UpdateState

DeviceType = Literal["ppmid", "ihd", "hcalcs", "esme", "gsme", "unknown"]
DeviceState = Literal["expected", "joined", "interviewed", "left", "removed"]
Activation = Literal["now", "hold", "at", "by-device"]
Priority = Literal["low", "normal", "high"]


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """Simple descriptor of one endpoint."""

    endpoint: int
    profile: int
    device_id: int
    input_clusters: tuple[int, ...]
    output_clusters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the HAN as last known.

    ``keyed_at``: when it established the link key that the dongle holds for it; None where it has none but that of its
    install code. A removed device keeps it until the dongle has given the key up. ``battery_percent``: what is left,
    where the device tells. ``activation_policy``, ``timeout_policy``: UpgradeActivationPolicy (1: it is activated out
    of band only) and UpgradeTimeoutPolicy (1: it does not activate for want of answers), comms_hub.md §1.4.
    """

    eui64: Eui64
    added_at: datetime
    device_type: DeviceType = "unknown"
    state: DeviceState = "expected"
    nwk: int | None = None
    endpoints: tuple[EndpointRecord, ...] = ()
    manufacturer_code: int | None = None
    manufacturer_name: str | None = None
    model: str | None = None
    power_source: str | None = None
    sleepy: bool = False
    image_type: int | None = None
    hardware_version: int | None = None
    current_version: int | None = None
    battery_percent: float | None = None
    activation_policy: int | None = None
    timeout_policy: int | None = None
    joined_at: datetime | None = None
    last_seen: datetime | None = None
    keyed_at: datetime | None = None
    removed_at: datetime | None = None
    removed_reason: str | None = None

    @property
    def present(self) -> bool:
        """Tell whether the device belongs to the HAN, reachable at present or not."""
        return self.state in ("joined", "interviewed", "left")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the firmware store. Hashes are lower-case hex SHA-256.

    ``requires``: running versions that the image may be applied to; empty: any.
    """

    file_sha256: str
    manufacturer_image_sha256: str | None
    form: Literal["zigbee", "gb"]
    name: str
    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int
    header_string: str
    size: int
    trailing_bytes: int
    added_at: datetime
    hardware_min: int | None = None
    hardware_max: int | None = None
    destination: Eui64 | None = None
    security_credential_version: int | None = None
    tags: tuple[int, ...] = ()
    requires: tuple[int, ...] = ()

    def takes_hardware(self, version: int | None) -> bool:
        """Tell whether the image is for this hardware version; it is if either says nothing (comms_hub.md §1.5)."""
        if version is None or self.hardware_min is None or self.hardware_max is None:
            return True
        return self.hardware_min <= version <= self.hardware_max


@dataclass(frozen=True, slots=True)
class Update:
    """One update of one device. ``offset`` is the highest byte offset served plus its length; bytes.

    As ordered: ``activation`` ("at": not before ``activate_at``), ``window`` and ``transfer_window`` (times of the day,
    "01:00-05:00", in which it may be activated and transferred), ``requires`` (running versions, one of which the
    device must have), ``steps`` (file_sha256 of the images to be applied after it), ``follows`` (the update before it
    in such a chain).

    ``released_at``: since when the device is to be told to activate; ``release_tried_at``: when that was first sent
    (whether it arrived may not be known); ``cancel_asked_at``: a cancellation came after that. ``message``: the
    Messaging message that is on the device's display for this update, where one is. ``notices``: the stages of which
    the service user was told.
    """

    id: int
    device: Eui64
    file_sha256: str
    manufacturer_image_sha256: str | None
    manufacturer_code: int
    image_type: int
    file_version: int
    size: int
    activation: Activation
    ordered_at: datetime
    activate_at: datetime | None = None
    window: str | None = None
    transfer_window: str | None = None
    priority: Priority = "normal"
    allow_downgrade: bool = False
    allow_reinstall: bool = False
    ignore_power: bool = False
    requires: tuple[int, ...] = ()
    steps: tuple[str, ...] = ()
    follows: int | None = None
    state: UpdateState = "ordered"
    old_version: int | None = None
    offset: int = 0
    notified_at: datetime | None = None
    transfer_started_at: datetime | None = None
    transferred_at: datetime | None = None
    released_at: datetime | None = None
    release_tried_at: datetime | None = None
    activated_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    message: int | None = None
    notices: tuple[str, ...] = ()
