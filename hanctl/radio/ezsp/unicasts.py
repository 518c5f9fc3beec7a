"""Fast path for unicasts on EZSP, of which hundreds a second are sent and received.

bellows' way costs a frame schemas, packets, locks and a task that holds a slot until the confirmation. Here the three
frames of it are packed and unpacked at once, and the confirmation is a call; the line itself, the order of commands
and everything else stay bellows'. A test compares the layouts below with its schemas, in every version.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from struct import Struct
from typing import Any

import bellows.types as bt
from bellows.ash import DataFrame

from hanctl.radio.application import HubApplication
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.radio.sending.batched import BatchedWrites
from hanctl.radio.sending.fragmentation import room
from hanctl.radio.sending.sender import Confirmed

SEND_UNICAST = 0x0034
MESSAGE_SENT = 0x003F
INCOMING_MESSAGE = 0x0045
FIRST_VERSION = 8
"""The first with these frame headers."""
COMMAND_S = 10.0
LOW_PRIORITY = -1
"""As bellows ranks commands that send."""

_ENCRYPTION = int(bt.EmberApsOption.APS_OPTION_ENCRYPTION)
_RETRY = int(bt.EmberApsOption.APS_OPTION_RETRY)
_FRAGMENT = int(bt.EmberApsOption.APS_OPTION_FRAGMENT)
_ROUTE_DISCOVERY = int(bt.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY)
_UNICAST = int(bt.EmberIncomingMessageType.INCOMING_UNICAST)
_DIRECT = int(bt.EmberOutgoingMessageType.OUTGOING_DIRECT)

# Sequence, frame control (2 bytes), identifier.
_HEADER = Struct("<BBBH")
_IDENTIFIER = Struct("<H")
_IDENTIFIER_AT = slice(3, 5)
_COMMAND = (0x00, 0x01)

# The APS frame: profile, cluster, source and destination endpoint, options, group, sequence.
_APS = "HHBBHHB"


@dataclass(frozen=True, slots=True)
class Layout:
    """The frames of a range of versions, without their header; each message ends with its length."""

    request: Struct
    """Type, destination, APS frame, tag."""
    response: Struct
    """Status, sequence."""
    sent: Struct
    """Of messageSentHandler; where in it are destination, tag and status."""
    sent_fields: tuple[int, int, int]
    incoming: Struct
    """Of incomingMessageHandler; where in it are sender, LQI and RSSI."""
    incoming_fields: tuple[int, int, int]
    status: Any
    """The type of a status."""


BEFORE_14 = Layout(
    request=Struct(f"<BH{_APS}BB"),
    response=Struct("<BB"),
    sent=Struct(f"<BH{_APS}BBB"),
    sent_fields=(1, 9, 10),
    incoming=Struct(f"<B{_APS}BbHBBB"),
    incoming_fields=(10, 8, 9),
    status=bt.EmberStatus,
)
SINCE_14 = Layout(
    request=Struct(f"<BH{_APS}HB"),
    response=Struct("<IB"),
    sent=Struct(f"<IBH{_APS}HB"),
    sent_fields=(2, 10, 0),
    incoming=Struct(f"<B{_APS}H8sBBBbIB"),
    incoming_fields=(8, 12, 13),
    status=bt.sl_Status,
)


class _Confirmation:
    """Stand-in for the future that bellows keeps for each message it sent."""

    __slots__ = ("_confirmed",)

    def __init__(self, confirmed: Confirmed) -> None:
        self._confirmed = confirmed

    def set_result(self, result: tuple[Any, str]) -> None:
        self._confirmed(_name(result[0]))


class EzspUnicasts(HubApplication):
    """Fast path beside bellows' own; a mixin that comes before bellows' application in the bases of a class."""

    _ezsp: Any
    _ash: Any
    _whole: int
    _pending_requests: dict[Any, Any]
    _layout: Layout | None = None

    async def connect(self) -> None:
        await super().connect()  # type: ignore[safe-super]
        # Behind the proxy that bellows has for its thread, which the hub does without.
        self._ash = self._ezsp._gw._obj._transport
        if self._ash._transport is not None:
            self._ash._transport = BatchedWrites(self._ash._transport)
        version = self._ezsp.ezsp_version
        if version >= FIRST_VERSION:
            self._layout = BEFORE_14 if version < 14 else SINCE_14
            self._take_unicasts_first(self._ezsp, self._layout)

    def takes(self, frame: OutgoingFrame) -> bool:
        """Tell whether the unicast can take the fast path: it fits in one frame, and the versions agree."""
        return self._layout is not None and len(frame.payload) <= room(self._whole, encrypted=frame.aps_encrypted)

    async def transmit(self, frame: OutgoingFrame, number: int, confirmed: Confirmed) -> str | None:
        """Give the frame to the dongle; see ``Transmitter``."""
        assert self._layout is not None
        if frame.sleepy:
            await self.prepare_sleepy(frame.destination_nwk)
        options = _ROUTE_DISCOVERY
        if frame.aps_encrypted:
            options |= _ENCRYPTION
        if frame.aps_ack:
            options |= _RETRY
        nwk = frame.destination_nwk
        request = self._layout.request.pack(
            _DIRECT,
            nwk,
            frame.profile,
            frame.cluster,
            frame.source_endpoint,
            frame.destination_endpoint,
            options,
            0,
            0,
            number,
            len(frame.payload),
        )
        # The confirmation may come in the same piece of serial data as the response: it is awaited from before.
        self._pending_requests[nwk, number] = _Confirmation(confirmed)
        try:
            status = await self._command(request + frame.payload)
        except BaseException:
            self._pending_requests.pop((nwk, number), None)
            raise
        if status:
            self._pending_requests.pop((nwk, number), None)
            return _name(self._layout.status(status))
        return None

    async def _command(self, request: bytes) -> int:
        """Send one sendUnicast command in bellows' order of commands, with its sequence number. Returns the status."""
        protocol = self._ezsp._protocol
        async with protocol._send_semaphore(priority=LOW_PRIORITY):
            sequence = protocol._seq
            protocol._seq = (sequence + 1) % 256
            answered = asyncio.get_running_loop().create_future()
            protocol._awaiting[sequence] = (SEND_UNICAST, None, answered)
            try:
                data = _HEADER.pack(sequence, *_COMMAND, SEND_UNICAST) + request
                # Not by way of send_data: its task and its shield are for callers that may be cancelled.
                await self._ash._send_data_frame(DataFrame(0, False, 0, data))
                async with asyncio.timeout(COMMAND_S):
                    status: int = await answered
            finally:
                protocol._awaiting.pop(sequence, None)
        return status

    def _take_unicasts_first(self, ezsp: Any, layout: Layout) -> None:
        pass_on = ezsp.frame_received
        takers = {
            _IDENTIFIER.pack(INCOMING_MESSAGE): self._incoming,
            _IDENTIFIER.pack(MESSAGE_SENT): self._sent,
            _IDENTIFIER.pack(SEND_UNICAST): self._answered,
        }

        def frame_received(data: bytes) -> None:
            taker = takers.get(data[_IDENTIFIER_AT])
            if taker is None or not taker(layout, data):
                pass_on(data)

        ezsp.frame_received = frame_received

    def _answered(self, layout: Layout, data: bytes) -> bool:
        """Take the response to a command of the fast path."""
        waiting = self._ezsp._protocol._awaiting.get(data[0])
        if waiting is None or waiting[1] is not None or len(data) < _HEADER.size + layout.response.size:
            return False
        if not waiting[2].done():
            waiting[2].set_result(layout.response.unpack_from(data, _HEADER.size)[0])
        return True

    def _sent(self, layout: Layout, data: bytes) -> bool:
        """Take the outcome of a frame of the fast path."""
        if len(data) < _HEADER.size + layout.sent.size:
            return False
        fields = layout.sent.unpack_from(data, _HEADER.size)
        destination, tag, status = layout.sent_fields
        sent = fields[destination], fields[tag]
        confirmation = self._pending_requests.get(sent)
        if not isinstance(confirmation, _Confirmation):
            return False
        del self._pending_requests[sent]
        confirmation.set_result((layout.status(fields[status]), ""))
        return True

    def _incoming(self, layout: Layout, data: bytes) -> bool:
        """Take a complete unicast of another node."""
        begin = _HEADER.size + layout.incoming.size
        if len(data) < begin:
            return False
        fields = layout.incoming.unpack_from(data, _HEADER.size)
        sender, lqi, rssi = layout.incoming_fields
        if fields[0] != _UNICAST or fields[5] & _FRAGMENT or fields[-1] != len(data) - begin or fields[sender] == 0:
            return False
        self._sink.frame_received(
            IncomingFrame(
                source_nwk=fields[sender],
                source_endpoint=fields[3],
                destination_endpoint=fields[4],
                profile=fields[1],
                cluster=fields[2],
                payload=bytes(data[begin:]),
                aps_counter=fields[7],
                aps_encrypted=bool(fields[5] & _ENCRYPTION),
                broadcast=False,
                lqi=fields[lqi],
                rssi=fields[rssi],
            )
        )
        return True


def _name(status: Any) -> str | None:
    """Return None for success, else the library's name of the status since version 14."""
    if status == 0:
        return None
    unified = bt.sl_Status.from_ember_status(status)
    return None if unified == bt.sl_Status.OK else str(unified.name)
