"""Events of hub, dongle, HAN, devices, backups and ledger. Their names are an interface: docs/events.md.

Anybody who may read the log may see every field of an event: it holds no key, install code or consumer value.
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
    """The daemon is stopping cleanly, for ``reason``."""

    type = "hub.stopped"
    reason: str


@event
class ConfigReloaded(Event):
    """The hub read its configuration again: the configuration keys in ``applied`` are in force, those in ``restart``
    wait for a restart."""

    type = "config.reloaded"
    applied: list[str]
    restart: list[str]


@event
class ConfigRefused(Event):
    """The hub read its configuration again and found it not valid: the one before stays in force."""

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
    """The network opened to this device alone, for ``seconds``."""

    type = "join.opened"
    seconds: int


@event
class JoinClosed(DeviceEvent):
    """The network closed again to this device, for ``reason``."""

    type = "join.closed"
    reason: Literal["joined", "timed out", "cancelled", "dongle lost"]


@event
class PartnerKeyGiven(DeviceEvent):
    """The device asked for a link key with another device, and the dongle gave both one. Never sent on Z-Stack."""

    type = "partner_key.given"
    limited = True


@event
class PartnerKeyRefused(DeviceEvent):
    """The device asked for a link key with another device, and the dongle gave none, for ``reason``."""

    type = "partner_key.refused"
    level = "warning"
    limited = True
    reason: str


@event
class JoinRefused(DeviceEvent):
    """A device was not admitted, or was told to leave after it had joined, for ``reason``."""

    type = "join.refused"
    level = "warning"
    limited = True
    reason: str


@event
class DeviceJoined(DeviceEvent):
    """A device joined, or rejoined (``rejoin``); ``nwk``: its network address."""

    type = "device.joined"
    nwk: int
    rejoin: bool


@event
class DeviceClaimed(DeviceEvent):
    """Another radio claimed to be this device; the hub ignored the claim. Sent at most once an hour.

    ``how``: what was claimed, and what contradicts it.
    """

    type = "device.claimed"
    level = "warning"
    limited = True
    how: str


@event
class DeviceInterviewed(DeviceEvent):
    """The hub read the device's descriptors and Basic attributes."""

    type = "device.interviewed"
    device_type: str
    manufacturer_code: int | None
    manufacturer_name: str | None
    model: str | None
    power_source: str | None
    sleepy: bool


@event
class DeviceInterviewFailed(DeviceEvent):
    """The device did not answer the interview; the hub tries again when it next hears the device."""

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
    """The device was removed, as it established no key in the configured time; ``reason`` says how far it came."""

    type = "device.evicted"
    level = "warning"
    reason: str


@event
class KeyEstablished(DeviceEvent):
    """The hub and the device established a link key (CBKE); the hub now serves Smart Energy clusters to the device.

    ``seconds``: from the first message until both sides had proved that they hold the key.
    """

    type = "key.established"
    suite: int
    seconds: float


@event
class KeyFailed(DeviceEvent):
    """Key establishment with the device failed at ``stage``; ``status``: of the Terminate message, if there was one."""

    type = "key.failed"
    level = "warning"
    limited = True
    stage: str
    reason: str
    status: str | None


@event
class RequestRefused(DeviceEvent):
    """The hub refused the device's requests to a Smart Energy cluster: ``count`` since the last such event."""

    type = "request.refused"
    level = "warning"
    limited = True
    cluster: int
    reason: Literal["not encrypted", "no key established"]
    count: int


@event
class CertificateLoaded(Event):
    """The hub loaded a certificate to establish keys with; ``subject`` is the dongle's EUI64."""

    type = "certificate.loaded"
    suite: int
    subject: str
    issuer: str


BackupKind = Literal["network", "ledger"]


@event
class BackupWritten(Event):
    """The hub wrote a backup: of the network with its keys, to restore to another dongle (a secret file), or of the
    ledger without household data."""

    type = "backup.written"
    kind: BackupKind = "network"
    path: str
    link_keys: int | None = None


@event
class BackupFailed(Event):
    """The hub could not write a backup. It tries again: the network after the next change of a key, or when the dongle
    is back; the ledger within an hour."""

    type = "backup.failed"
    level = "warning"
    kind: BackupKind = "network"
    reason: str


@event
class LedgerRestored(Event):
    """The hub restored the ledger from a backup and kept the old file as ``kept``. Everything after ``until`` is lost:
    load household data again, and order again the updates and changes of tenancy ordered since then, even those
    that were done."""

    type = "ledger.restored"
    level = "warning"
    backup: str
    until: str | None
    kept: str | None
    reason: str


@event
class DeviceVersionRead(DeviceEvent):
    """The hub learnt that the device runs ``new_version``, other than the version on record; ``old_version`` null: none
    was on record."""

    type = "device.version_changed"
    limited = True
    old_version: int | None
    new_version: int


@event
class DevicePowerRead(DeviceEvent):
    """The device reported another power source or battery level than the one on record."""

    type = "device.power_changed"
    limited = True
    power_source: str | None
    battery_percent: float | None


@event
class OtaRequestRefused(DeviceEvent):
    """The device asked for an image or block that no order covers; it was refused. ``update``: its open update."""

    type = "ota.request_refused"
    level = "warning"
    limited = True
    update: int | None = None
    request: str
    reason: str


@event
class NoticeDelivered(Event):
    """The webhook accepted a notice, after ``attempts``."""

    type = "notice.delivered"
    notice: int
    attempts: int


@event
class NoticeDelayed(Event):
    """The webhook did not accept a notice; the hub tries again after ``delay_s``."""

    type = "notice.delayed"
    level = "warning"
    notice: int
    attempts: int
    delay_s: float
    reason: str


@event
class ConsoleOpened(Event):
    """The hub opened a display's debug console and records it; its lines are not events."""

    type = "console.opened"
    console: str
    port: str


@event
class ConsoleLost(Event):
    """The console's port disappeared or cannot be opened; the hub keeps trying."""

    type = "console.lost"
    level = "warning"
    console: str
    port: str
    reason: str


@event
class LedgerStalled(Event):
    """The hub could not write the ledger for ``seconds``, as the disk was full. No record is incomplete."""

    type = "ledger.stalled"
    level = "error"
    seconds: float


@event
class ClockBehind(Event):
    """The clock read ``now`` at start, earlier than the last event: it is not set yet, or was ahead before."""

    type = "clock.behind"
    level = "warning"
    now: str
    last_event: str


@event
class ClockSet(Event):
    """The clock of the machine was set while the hub ran: ``seconds`` forward, or back if negative."""

    type = "clock.set"
    seconds: float


@event
class LedgerPruned(Event):
    """The hub removed ``events`` old events ([retention]), all with ids below ``below``."""

    type = "ledger.pruned"
    events: int
    below: int
