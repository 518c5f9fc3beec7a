"""What a simulated device does when tenancy or supplier change: the clients of Device Management and Messaging. Pure.

Packed by hand. Source: comms_hub.md §2.3 (commands), §2.5 (what devices of the reference stack do), §3.4 (messages).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hanctl.simulator import zcl
from hanctl.simulator.device.spec import (
    CALENDAR,
    DEVICE_MANAGEMENT,
    EVENTS,
    MESSAGING,
    PRICE,
    TIME,
    ShownSpec,
    TenancySpec,
)

CLUSTERS = frozenset({DEVICE_MANAGEMENT, MESSAGING, PRICE, CALENDAR})

PUBLISH_TENANCY, PUBLISH_SUPPLIER, UPDATE_CIN = 0x00, 0x01, 0x06
GET_TENANCY, GET_SUPPLIER = 0x00, 0x01
DISPLAY_MESSAGE, CANCEL_MESSAGE, CANCEL_ALL_MESSAGES = 0x00, 0x01, 0x03
PUBLISH_EVENT = 0x00
GENERAL_LOG, REPORT_TO_HAN = 0x03, 0x01
FIRST_EVENT = {PUBLISH_TENANCY: 0x06C0, PUBLISH_SUPPLIER: 0x06C4}
"""Received; the next is actioned, then cancelled, then rejected."""
RECEIVED, ACTIONED, CANCELLED = 0, 1, 2

CONSUMER_BITS, SUPPLIER_BITS = 0x631C, 0x0460
"""Bits of the control that ask for what such a device shows of its consumer, and of its supplier."""
NOW, CANCEL = 0x00000000, 0xFFFFFFFF
DAY_S = 86400
_SIZES = {0x20: 1, 0x21: 2, 0x22: 3, 0x23: 4, 0x25: 6, 0x2B: 4, 0xE2: 4}
"""Bytes by ZCL data type."""


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """A frame that the client sends of its own accord; ``endpoint``: the hub's."""

    cluster: int
    command: int
    payload: bytes
    endpoint: int
    cluster_specific: bool = True
    to_client: bool = False


@dataclass(frozen=True, slots=True)
class _Change:
    command: int
    provider: int
    event: int
    time: int
    control: int
    endpoint: int


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """The status for a Default Response, and what is said afterwards."""

    status: int
    says: tuple[Unsolicited, ...] = ()


class TenancyClient:
    """The clients of one device. ``now`` is in seconds of any steady clock; the device learns the time from the hub.

    ``shown`` is what its screen shows, by (cluster, attribute), and ``messages`` the texts by number; both survive a
    power cut, as flash does. ``deadline``: when ``timer`` is to be called, or None.
    """

    def __init__(self, spec: TenancySpec) -> None:
        self.spec = spec
        self.shown = {(each.cluster, each.attribute): each.value for each in spec.data}
        self.messages: dict[int, bytes] = {}
        self.customer_id = spec.customer_id.encode()
        self.published: list[tuple[int, int]] = []
        """(command, issuer event) of each change that it took, in order."""
        self.not_found = 0
        """How many of its queries were answered that there is no change."""
        self._due: list[tuple[float, _Change]] = []
        self._without_time: list[_Change] = []
        self._offset: float | None = None
        self._next_query: float | None = None
        self._restore_at: float | None = None

    # --- time

    @property
    def deadline(self) -> float | None:
        waits = [at for at, _ in self._due]
        waits += [each for each in (self._next_query, self._restore_at) if each is not None]
        return min(waits, default=None)

    def started(self, now: float) -> list[Unsolicited]:
        """Begin, as the device is on the network and may speak Smart Energy."""
        if self.spec.queries == "start":
            self._next_query = now + self.spec.query_after_s
        return [self._ask_time()] if self.spec.queries == "midnight" or self._without_time else []

    def stopped(self) -> None:
        """Stop the queries, as the device is off the network or without power."""
        self._next_query = None

    def time_read(self, payload: bytes, now: float) -> None:
        """Take the hub's time from a Read Attributes Response of one attribute."""
        if len(payload) < 8 or payload[2] != zcl.SUCCESS:
            return
        self._offset = struct.unpack_from("<I", payload, 4)[0] - now
        self._due += [
            (max(now + self.spec.action_s, change.time - self._offset), change) for change in self._without_time
        ]
        self._without_time.clear()
        if self.spec.queries == "midnight":
            self._next_query = self._midnight(now)

    def timer(self, now: float) -> list[Unsolicited]:
        """Do what is due at ``now``."""
        says: list[Unsolicited] = []
        due = [change for at, change in self._due if at <= now]
        self._due = [each for each in self._due if each[0] > now]
        for change in due:
            says += self._act(change, now)
        if self._restore_at is not None and self._restore_at <= now:
            self._restore_at = None
            self.shown = {(each.cluster, each.attribute): each.value for each in self.spec.data}
        if self._next_query is not None and self._next_query <= now:
            self._next_query = self._midnight(now) if self.spec.queries == "midnight" else None
            for endpoint in self.spec.servers:
                says += [
                    Unsolicited(DEVICE_MANAGEMENT, command, b"", endpoint) for command in (GET_TENANCY, GET_SUPPLIER)
                ]
        return says

    def _midnight(self, now: float) -> float | None:
        return None if self._offset is None else now + DAY_S - (now + self._offset) % DAY_S

    # --- commands

    def receive(self, cluster: int, command: int, payload: bytes, endpoint: int, now: float) -> CommandAnswer:
        """Handle a command of the hub's server side."""
        if self.spec.behaviour == "deaf":
            return CommandAnswer(zcl.SUCCESS)
        try:
            if cluster == MESSAGING:
                return CommandAnswer(self._message(command, payload))
            if cluster != DEVICE_MANAGEMENT:
                return CommandAnswer(zcl.SUCCESS)
            if command == PUBLISH_TENANCY:
                provider, event, _, time, control = struct.unpack("<IIBII", payload)
                return self._publish(_Change(command, provider, event, time, control, endpoint), now)
            if command == PUBLISH_SUPPLIER:
                provider, event, _, _, time, control, name = struct.unpack_from("<IIBIIIB", payload)
                if name in (0, 0xFF) and self.spec.behaviour == "reference":
                    return CommandAnswer(zcl.INVALID_VALUE)
                return self._publish(_Change(command, provider, event, time, control, endpoint), now)
            if command == UPDATE_CIN:
                return CommandAnswer(self._update_customer_id(payload))
        except (struct.error, IndexError):
            return CommandAnswer(zcl.MALFORMED_COMMAND)
        return CommandAnswer(zcl.UNSUP_COMMAND)

    def refused(self, command: int, status: int) -> None:
        """Count a query that got a Default Response NOT_FOUND instead of a publication."""
        if command in (GET_TENANCY, GET_SUPPLIER) and status == zcl.NOT_FOUND:
            self.not_found += 1

    def attributes(self, cluster: int) -> zcl.Attributes:
        """Return the attributes of a cluster that can be read; most clusters have none."""
        return {
            each.attribute: zcl.Attribute(each.type, self._packed(each))
            for each in self.spec.data
            if each.cluster == cluster and self.spec.serves
        }

    def _packed(self, each: ShownSpec) -> bytes:
        return self.shown.get((each.cluster, each.attribute), 0).to_bytes(_SIZES[each.type], "little", signed=False)

    def _publish(self, change: _Change, now: float) -> CommandAnswer:
        if self.spec.behaviour == "reference":
            # It writes attributes that it has not, and gives the status of that; of suppliers it only takes note.
            return CommandAnswer(self.spec.refuses_with if change.command == PUBLISH_TENANCY else zcl.SUCCESS)
        if change.time == CANCEL:
            kept = [each for each in self._due if (each[1].provider, each[1].event) != (change.provider, change.event)]
            cancelled, self._due = len(self._due) > len(kept), kept
            return CommandAnswer(zcl.SUCCESS, self._report(change, CANCELLED, now) if cancelled else ())
        latest = max((event for command, event in self.published if command == change.command), default=0)
        if change.event <= latest:
            return CommandAnswer(zcl.SUCCESS)
        self.published.append((change.command, change.event))
        says = self._report(change, RECEIVED, now)
        if change.time == NOW:
            self._due.append((now + self.spec.action_s, change))
        elif self._offset is None:
            self._without_time.append(change)
            says += (self._ask_time(),)
        else:
            self._due.append((max(now + self.spec.action_s, change.time - self._offset), change))
        return CommandAnswer(zcl.SUCCESS, says)

    def _ask_time(self) -> Unsolicited:
        return Unsolicited(TIME, zcl.READ_ATTRIBUTES, b"\x00\x00", self.spec.servers[0], cluster_specific=False)

    def _act(self, change: _Change, now: float) -> tuple[Unsolicited, ...]:
        of_consumer = change.command == PUBLISH_TENANCY and change.control & CONSUMER_BITS
        of_supplier = change.control & SUPPLIER_BITS
        for each in self.spec.data:
            if of_supplier if each.supplier else of_consumer:
                self.shown.pop((each.cluster, each.attribute), None)
        if of_consumer:
            self.messages.clear()
            self.customer_id = b""
            if self.spec.behaviour == "caching":
                self._restore_at = now + self.spec.restore_after_s
        return self._report(change, ACTIONED, now)

    def _report(self, change: _Change, what: int, now: float) -> tuple[Unsolicited, ...]:
        if not self.spec.reports:
            return ()
        event, time = FIRST_EVENT[change.command] + what, int(now + (self._offset or 0))
        body = struct.pack("<BHIBB", GENERAL_LOG, event, time & 0xFFFFFFFF, REPORT_TO_HAN, 0)
        return (Unsolicited(EVENTS, PUBLISH_EVENT, body, change.endpoint, to_client=True),)

    def _message(self, command: int, payload: bytes) -> int:
        if command == DISPLAY_MESSAGE:
            number, _, _, _, length = struct.unpack_from("<IBIHB", payload)
            self.messages[number] = payload[12 : 12 + length]
            return zcl.SUCCESS
        if command == CANCEL_MESSAGE:
            (number,) = struct.unpack_from("<I", payload)
            return zcl.SUCCESS if self.messages.pop(number, None) is not None else zcl.NOT_FOUND
        if command == CANCEL_ALL_MESSAGES and self.spec.behaviour != "reference":
            self.messages.clear()
            return zcl.SUCCESS
        return zcl.UNSUP_COMMAND

    def _update_customer_id(self, payload: bytes) -> int:
        _, _, provider, length = struct.unpack_from("<IIIB", payload)
        if self.spec.behaviour == "reference" and provider != self.spec.provider_id:
            return zcl.NOT_AUTHORIZED
        self.customer_id = payload[13 : 13 + length]
        return zcl.SUCCESS
