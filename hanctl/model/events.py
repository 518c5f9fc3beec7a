"""Every event of the hub but those of images and updates, typed. Names are an interface: docs/events.md.

An event holds only what may be shown to anybody who may read the log: no key, no install code, no consumer value.
"""

from __future__ import annotations

from typing import Literal

from hanctl.model.event import DeviceEvent, Event, event


@event
class HubStarted(Event):
    """The daemon has started and holds its state directory."""

    type = "hub.started"
    version: str


@event
class HubStopped(Event):
    """The daemon is stopping in good order."""

    type = "hub.stopped"
    reason: str


@event
class ConfigReloaded(Event):
    """The configuration was read again: the keys that changed and are in force, and those that wait for a restart."""

    type = "config.reloaded"
    applied: list[str]
    restart: list[str]


@event
class ConfigRefused(Event):
    """The configuration was read again and cannot be used, for this reason: the one before stays in force."""

    type = "config.refused"
    level = "warning"
    reason: str


@event
class DongleOpened(Event):
    """The dongle answered and its network is running."""

    type = "dongle.opened"
    path: str
    radio: str
    dongle_eui64: str
    firmware: str


@event
class DongleLost(Event):
    """The serial line was lost, or the dongle reset itself."""

    type = "dongle.lost"
    level = "warning"
    reason: str


@event
class DongleReopening(Event):
    """Opening the dongle failed and will be tried again after ``delay_s``."""

    type = "dongle.reopening"
    level = "warning"
    attempt: int
    delay_s: float
    reason: str


@event
class NetworkFormed(Event):
    """A new network was formed."""

    type = "network.formed"
    channel: int
    pan_id: int
    extended_pan_id: str


@event
class NetworkResumed(Event):
    """The network stored in the dongle was resumed."""

    type = "network.resumed"
    channel: int
    pan_id: int
    extended_pan_id: str


@event
class JoinOpened(DeviceEvent):
    """The network is open to this device alone."""

    type = "join.opened"
    seconds: int


@event
class JoinClosed(DeviceEvent):
    """The network is closed again."""

    type = "join.closed"
    reason: Literal["joined", "timed out", "cancelled", "dongle lost"]


@event
class PartnerKeyGiven(DeviceEvent):
    """The device asked for a link key with another, and the dongle's firmware gave both one. Z-Stack does not tell."""

    type = "partner_key.given"


@event
class PartnerKeyRefused(DeviceEvent):
    """The device asked for a link key with another, and the dongle's firmware gave none, for this reason."""

    type = "partner_key.refused"
    level = "warning"
    reason: str


@event
class JoinRefused(DeviceEvent):
    """A device was not let in, or was told to leave the network that it had got into, for this reason."""

    type = "join.refused"
    level = "warning"
    reason: str


@event
class DeviceJoined(DeviceEvent):
    """A device joined, or came back with a new network address."""

    type = "device.joined"
    nwk: int
    rejoin: bool


@event
class DeviceClaimed(DeviceEvent):
    """Somebody claims to be the device, and is not: nothing was changed by it. Told at most once an hour.

    ``how``: what was claimed, and what speaks against it.
    """

    type = "device.claimed"
    level = "warning"
    how: str


@event
class DeviceInterviewed(DeviceEvent):
    """The device's descriptors and Basic attributes were read."""

    type = "device.interviewed"
    device_type: str
    manufacturer_code: int | None
    manufacturer_name: str | None
    model: str | None
    power_source: str | None
    sleepy: bool


@event
class DeviceInterviewFailed(DeviceEvent):
    """The device did not answer the interview; it is tried again at its next sign of life."""

    type = "device.interview_failed"
    level = "warning"
    reason: str


@event
class DeviceLeft(DeviceEvent):
    """The device left the network."""

    type = "device.left"
    level = "warning"


@event
class DeviceEvicted(DeviceEvent):
    """The device did not establish a key in the configured time and was removed; ``reason`` says how far it came."""

    type = "device.evicted"
    level = "warning"
    reason: str


@event
class KeyEstablished(DeviceEvent):
    """A link key was established with the device, and the dongle has it: Smart Energy clusters are open to it.

    ``seconds``: from the first message until both sides had proved that they have the key.
    """

    type = "key.established"
    suite: int
    seconds: float


@event
class KeyFailed(DeviceEvent):
    """Key establishment with the device failed; ``stage`` says how far it had come, ``status`` how it was ended."""

    type = "key.failed"
    level = "warning"
    stage: str
    reason: str
    status: str | None


@event
class RequestRefused(DeviceEvent):
    """The device's requests to a Smart Energy cluster were not served; ``count``: so many since the last such event."""

    type = "request.refused"
    level = "warning"
    cluster: int
    reason: Literal["not encrypted", "no key established"]
    count: int


@event
class CertificateLoaded(Event):
    """The hub has this certificate to establish keys with; it names the dongle's own address."""

    type = "certificate.loaded"
    suite: int
    subject: str
    issuer: str


BackupKind = Literal["network", "ledger"]


@event
class BackupWritten(Event):
    """A backup was written: of the network with its keys, to be restored to another dongle (the file is secret), or of
    the ledger without the household."""

    type = "backup.written"
    kind: BackupKind = "network"
    path: str
    link_keys: int | None = None


@event
class BackupFailed(Event):
    """No backup could be written. The network's is tried again after the next change of a key, or when the dongle is
    back; the ledger's within an hour."""

    type = "backup.failed"
    level = "warning"
    kind: BackupKind = "network"
    reason: str


@event
class LedgerRestored(Event):
    """A backup took the ledger's place, which is kept as ``kept``. What happened after ``until`` is not known any more:
    household data has to be loaded again, and updates and changes of tenancy that were ordered since then have to be
    ordered again, even if they were done."""

    type = "ledger.restored"
    level = "warning"
    backup: str
    until: str | None
    kept: str | None
    reason: str


@event
class DeviceVersionRead(DeviceEvent):
    """The running firmware version was learnt and differs from the one on record."""

    type = "device.version_changed"
    old_version: int | None
    new_version: int


@event
class DevicePowerRead(DeviceEvent):
    """The device tells another power source than the one on record, or its battery another level."""

    type = "device.power_changed"
    power_source: str | None
    battery_percent: float | None


@event
class OtaRequestRefused(DeviceEvent):
    """A device asked for an image, or part of one, that is not ordered for it. ``update`` is its open update."""

    type = "ota.request_refused"
    level = "warning"
    update: int | None = None
    request: str
    reason: str


@event
class NoticeDelivered(Event):
    """The webhook accepted a notice."""

    type = "notice.delivered"
    notice: int
    attempts: int


@event
class NoticeDelayed(Event):
    """The webhook did not accept a notice; it will be tried again after ``delay_s``."""

    type = "notice.delayed"
    level = "warning"
    notice: int
    attempts: int
    delay_s: float
    reason: str


@event
class ConsoleOpened(Event):
    """The console of a display is being recorded; its lines are no events."""

    type = "console.opened"
    console: str
    port: str


@event
class ConsoleLost(Event):
    """The console's port went away, or cannot be opened; it is tried again until it is back."""

    type = "console.lost"
    level = "warning"
    console: str
    port: str
    reason: str


@event
class LedgerStalled(Event):
    """The ledger could not be written for so many seconds, as its disk was full. Nothing was written by halves."""

    type = "ledger.stalled"
    level = "error"
    seconds: float


@event
class ClockBehind(Event):
    """The hub started at ``now`` by its clock, before its last event: the clock is not set yet, or was ahead then."""

    type = "clock.behind"
    level = "warning"
    now: str
    last_event: str


@event
class ClockSet(Event):
    """The clock was put forward, or back (below 0), by so many seconds while the hub ran."""

    type = "clock.set"
    seconds: float


@event
class LedgerPruned(Event):
    """So many events that need not be kept any longer ([retention]) were removed, all before the event ``below``."""

    type = "ledger.pruned"
    events: int
    below: int
