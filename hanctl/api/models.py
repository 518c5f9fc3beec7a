"""What the API takes and gives, where the ledger's records do not say it already."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hanctl.firmware.image_check import NOT_LOOKED_AT
from hanctl.firmware.open_updates import Progress
from hanctl.firmware.signature import Verdict
from hanctl.firmware.store import StoredImage
from hanctl.ledger.records import Activation, DeviceType, Image, Update
from hanctl.trust.device_log import LogEntry

MAX_ID = 2**63 - 1
"""The highest number the ledger can hold."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JoinOrder(_Order):
    """Let one device join. The install code is taken, never given back."""

    eui64: str
    install_code: SecretStr
    seconds: int | None = Field(None, ge=1, le=3600)
    device_type: DeviceType | None = None


class JoinAnswer(BaseModel):
    """The network is open to this device for so many seconds; ``key_within``: once on it, it has so many for a key."""

    eui64: str
    seconds: int
    key_within: float | None = None


class UpdateOrder(_Order):
    """Order an update; ``image`` is a file_sha256 or an unambiguous beginning of it."""

    device: str
    image: str
    activation: Activation = "now"


@dataclass(frozen=True, slots=True)
class UpdateView(Update):
    """An update with its live progress: bytes per second, and when the device last asked for a block."""

    rate: float | None = None
    last_heard: datetime | None = None


def update_view(update: Update, progress: Progress) -> UpdateView:
    values: dict[str, Any] = {field.name: getattr(update, field.name) for field in fields(Update)}
    values["offset"] = max(update.offset, progress.offset)
    return UpdateView(**values, rate=progress.rate, last_heard=progress.last_heard)


@dataclass(frozen=True, slots=True)
class ImageView(Image):
    """An image with why it was read in this form, what the parser remarked, and the verdict on its signature."""

    form_reason: str = ""
    notes: tuple[str, ...] = ()
    signature: Verdict = NOT_LOOKED_AT


def image_view(stored: StoredImage, signature: Verdict) -> ImageView:
    values: dict[str, Any] = {field.name: getattr(stored.record, field.name) for field in fields(Image)}
    return ImageView(**values, form_reason=stored.form_reason, notes=tuple(stored.parsed.notes), signature=signature)


class AttributeOrder(_Order):
    """The value of an attribute, as a person writes it: a number, a text, or a time with its offset."""

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
    """A device that may join, for so many seconds more."""

    eui64: str
    seconds: float


class CertificateView(BaseModel):
    """A certificate of the hub."""

    suite: int
    subject: str
    issuer: str


class TrustView(BaseModel):
    """Keys: without a certificate, devices have only those of their install codes.

    ``key_capacity``: for how many devices the dongle has room; null where it does not matter or is not known.
    """

    certificates: list[CertificateView]
    keys_required: bool
    keyed_devices: int
    key_capacity: int | None


class DeviceLogView(BaseModel):
    """The device log; ``removed``: the last fifteen, the latest first."""

    devices: list[LogEntry]
    removed: list[LogEntry]


class StatusView(BaseModel):
    """The hub in a few words."""

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
    last_event: int


class ErrorView(BaseModel):
    """What went wrong, what to do, and the exit code the command line gives for it."""

    code: str
    message: str
    hint: str
    exit_code: int


class ErrorAnswer(BaseModel):
    """Every error has this form."""

    error: ErrorView
