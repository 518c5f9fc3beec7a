"""Request and answer models of the API that are not records of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from hanctl.images.image_check import NOT_LOOKED_AT
from hanctl.images.signature import Verdict
from hanctl.images.stored_image import StoredImage
from hanctl.model.records import Activation, Device, DeviceType, Image, Priority, Update
from hanctl.trust.device_log import LogEntry
from hanctl.updates.desk.outlook import Progress
from hanctl.updates.life.orders import Match, Order

MAX_ID = 2**63 - 1
"""The highest number the ledger can hold."""
MAX_NUMBER = 999_999_999
"""The highest number of an update or change that is asked for: shorter than any secret, as errors repeat it."""
Version = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JoinOrder(_Order):
    """Let one device join. No answer ever contains the install code."""

    eui64: str
    install_code: SecretStr
    seconds: int | None = Field(None, ge=1, le=3600)
    device_type: DeviceType | None = None


class BackupAnswer(BaseModel):
    """Where the backups are."""

    network: str
    ledger: str


class JoinAnswer(BaseModel):
    """Seconds the network is open to this device; ``key_within``: seconds it then has to establish a key."""

    eui64: str
    seconds: int
    key_within: float | None = None


class UpdateOptions(_Order):
    """Options of an order; ``image`` is a file_sha256 or a unique prefix of it.

    ``window`` and ``transfer_window``: "01:00-05:00", British local time. ``requires``: running versions, one of which
    a device must have, in place of the image's own.
    """

    image: str
    activation: Activation = "now"
    activate_at: AwareDatetime | None = None
    window: str | None = None
    transfer_window: str | None = None
    priority: Priority = "normal"
    allow_downgrade: bool = False
    allow_reinstall: bool = False
    ignore_power: bool = False
    supersede: bool = False
    requires: tuple[Version, ...] = ()

    def order(self) -> Order:
        """Return these options as an order for the update service."""
        return Order(**{field.name: getattr(self, field.name) for field in fields(Order)})


class UpdateOrder(UpdateOptions):
    """Order an update of one device."""

    device: str


class DeviceMatch(_Order):
    """Select all devices on the network that fit every condition given; versions are inclusive."""

    device_type: DeviceType | None = None
    manufacturer_code: int | None = Field(None, ge=0, le=0xFFFF)
    lowest_version: Version | None = None
    highest_version: Version | None = None

    def match(self) -> Match:
        """Return these conditions as the update service takes them."""
        return Match(**self.model_dump())


class OrderForMany(UpdateOptions):
    """Order an update of these devices, or of all that match; ``dry_run``: only report what it would do."""

    devices: list[str] | None = Field(None, min_length=1)
    match: DeviceMatch | None = None
    dry_run: bool = False


class ActivationOrder(_Order):
    """Release a holding update, now or at the time given."""

    manufacturer_image_sha256: str | None = Field(None, max_length=64)
    at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class UpdateView(Update):
    """An update with its progress: bytes per second, seconds left, time of the device's last request.

    ``waits_for`` completes "it waits for …"; ``followed_by``: the update of the next step of its chain.
    """

    rate: float | None = None
    seconds_left: float | None = None
    last_heard: datetime | None = None
    waits_for: str | None = None
    followed_by: int | None = None


def update_view(update: Update, progress: Progress) -> UpdateView:
    values: dict[str, Any] = {field.name: getattr(update, field.name) for field in fields(Update)}
    live = {field.name: getattr(progress, field.name) for field in fields(Progress)}
    return UpdateView(**values | live | {"offset": max(update.offset, progress.offset)})


class OutcomeView(BaseModel):
    """Outcome of an order for one device; ``reason`` says what happens, or why nothing does.

    ``versions``: the file versions of the images to be applied, one after the other. ``update``: the one that was made.
    """

    device: str
    accepted: bool
    reason: str
    hint: str
    versions: list[int]
    supersedes: int | None
    remarks: list[str]
    update: UpdateView | None


class NoticeView(BaseModel):
    """A stage notice; ``delivered_at``: when the webhook accepted it, if there is one."""

    event: dict[str, Any]
    delivered_at: datetime | None


class ReportView(BaseModel):
    """Report of an update. ``chain``: the updates of its chain of steps; ``image``: None if it was removed."""

    update: UpdateView
    device: Device
    image: Image | None
    chain: list[int]
    events: list[dict[str, Any]]
    notices: list[NoticeView]


@dataclass(frozen=True, slots=True)
class ImageView(Image):
    """An image, with why it was read in this form, remarks of the parser, and the verdict on its signature."""

    form_reason: str = ""
    notes: tuple[str, ...] = ()
    signature: Verdict = NOT_LOOKED_AT


def image_view(stored: StoredImage, signature: Verdict) -> ImageView:
    values: dict[str, Any] = {field.name: getattr(stored.record, field.name) for field in fields(Image)}
    return ImageView(**values, form_reason=stored.form_reason, notes=tuple(stored.parsed.notes), signature=signature)


class AttributeOrder(_Order):
    """Value of an attribute as a person writes it: number, text, or time with its offset."""

    value: str


class NetworkView(BaseModel):
    """The network as it runs."""

    channel: int
    pan_id: int
    extended_pan_id: str


class DongleView(BaseModel):
    """The dongle; its identity is known while it is open."""

    state: Literal["open", "reopening"]
    path: str
    radio: str
    eui64: str | None = None
    firmware: str | None = None


class JoinView(BaseModel):
    """A device that may join, and for how many seconds more."""

    eui64: str
    seconds: float


class CertificateView(BaseModel):
    """A certificate of the hub."""

    suite: int
    subject: str
    issuer: str


class TrustView(BaseModel):
    """State of key establishment: without a certificate, devices have only the keys of their install codes.

    ``key_capacity``: for how many devices the dongle has room; null where it does not matter or is not known.
    """

    certificates: list[CertificateView]
    keys_required: bool
    keyed_devices: int
    key_capacity: int | None


class DeviceLogView(BaseModel):
    """The device log; ``removed``: the last 15, latest first."""

    devices: list[LogEntry]
    removed: list[LogEntry]


class StatusView(BaseModel):
    """State of the hub: dongle, network, devices and updates."""

    version: str
    pid: int
    started_at: datetime
    state_dir: str
    firmware_store: str
    dongle: DongleView
    network: NetworkView | None
    joins: list[JoinView]
    trust: TrustView
    devices: int
    open_updates: int
    pending_notices: int
    ledger_full_since: datetime | None
    last_event: int


class ReloadView(BaseModel):
    """Keys of the configuration that changed: those in force now, and those that need a restart."""

    applied: list[str]
    restart: list[str]


class ErrorView(BaseModel):
    """What went wrong, what to do, and the exit code the command line gives for it."""

    code: str
    message: str
    hint: str
    exit_code: int


class ErrorAnswer(BaseModel):
    """Every error has this form."""

    error: ErrorView
