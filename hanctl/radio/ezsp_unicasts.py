"""The short way for unicasts on EZSP: frames that are sent and received by the hundred a second.

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

from hanctl.radio.application import HubApplication
from hanctl.radio.fragmentation import room
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.radio.sender import Confirmed

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
    incoming: Struct
    sender: int
    """Where in ``incoming`` the sender, the LQI and the RSSI are."""
    lqi: int
    rssi: int
    status_type: Any


# sendUnicast, its response, incomingMessageHandler.
BEFORE_14 = Layout(
    Struct(f"<BH{_APS}BB"),
    Struct("<BB"),
    Struct(f"<B{_APS}BbHBBB"),
    sender=10,
    lqi=8,
    rssi=9,
    status_type=bt.EmberStatus,
)
SINCE_14 = Layout(
    Struct(f"<BH{_APS}HB"),
    Struct("<IB"),
    Struct(f"<B{_APS}H8sBBBbIB"),
    sender=8,
    lqi=12,
    rssi=13,
    status_type=bt.sl_Status,
)


class _Confirmation:
    """Stands where bellows keeps the future of a message it sent, and is told as that would be."""

    __slots__ = ("_confirmed", "_pending", "_tag")

    def __init__(self, pending: dict[Any, Any], tag: tuple[int, int], confirmed: Confirmed) -> None:
        self._pending = pending
        self._tag = tag
        self._confirmed = confirmed
        pending[tag] = self

    def set_result(self, result: tuple[Any, str]) -> None:
        if self._pending.pop(self._tag, None) is self:
            self._confirmed(_name(result[0]))

    def cancel(self) -> None:
        """The dongle did not take the frame."""
        self._pending.pop(self._tag, None)


class Unicasts(HubApplication):
    """The short way beside bellows' own; comes before bellows' application in the bases of a class."""

    _ezsp: Any
    _whole: int
    _pending_requests: dict[Any, Any]
    _layout: Layout | None = None

    async def connect(self) -> None:
        await super().connect()  # type: ignore[safe-super]
        version = self._ezsp.ezsp_version
        if version >= FIRST_VERSION:
            self._layout = BEFORE_14 if version < 14 else SINCE_14
            self._take_unicasts_first(self._ezsp, self._layout)

    def takes(self, frame: OutgoingFrame) -> bool:
        """Whether the frame, a unicast, can go the short way: it fits in one frame, and the versions agree."""
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
        confirmation = _Confirmation(self._pending_requests, (nwk, number), confirmed)
        try:
            status = await self._command(request + frame.payload)
        except BaseException:
            confirmation.cancel()
            raise
        if status:
            confirmation.cancel()
            return _name(self._layout.status_type(status))
        return None

    async def _command(self, request: bytes) -> int:
        """One sendUnicast command, in bellows' order of commands and under its sequence number: the status."""
        protocol = self._ezsp._protocol
        async with protocol._send_semaphore(priority=LOW_PRIORITY):
            sequence = protocol._seq
            protocol._seq = (sequence + 1) % 256
            answered = asyncio.get_running_loop().create_future()
            protocol._awaiting[sequence] = (SEND_UNICAST, None, answered)
            try:
                await protocol._gw.send_data(_HEADER.pack(sequence, *_COMMAND, SEND_UNICAST) + request)
                async with asyncio.timeout(COMMAND_S):
                    status: int = await answered
            finally:
                protocol._awaiting.pop(sequence, None)
        return status

    def _take_unicasts_first(self, ezsp: Any, layout: Layout) -> None:
        pass_on = ezsp.frame_received
        header, incoming = _HEADER.size, _HEADER.size + layout.incoming.size
        response = _HEADER.size + layout.response.size

        def frame_received(data: bytes) -> None:
            if len(data) >= incoming and data[3:header] == b"\x45\x00":
                fields = layout.incoming.unpack_from(data, header)
                ordinary = fields[0] == _UNICAST and not fields[5] & _FRAGMENT
                if ordinary and fields[-1] == len(data) - incoming and fields[layout.sender] != 0:
                    self._incoming(layout, fields, bytes(data[incoming:]))
                    return
            elif len(data) == response and data[3:header] == b"\x34\x00":
                waiting = ezsp._protocol._awaiting.pop(data[0], None)
                if waiting is not None and waiting[0] == SEND_UNICAST and waiting[1] is None:
                    if not waiting[2].done():
                        waiting[2].set_result(layout.response.unpack_from(data, header)[0])
                    return
                if waiting is not None:
                    ezsp._protocol._awaiting[data[0]] = waiting
            pass_on(data)

        ezsp.frame_received = frame_received

    def _incoming(self, layout: Layout, fields: tuple[Any, ...], payload: bytes) -> None:
        self._sink.frame_received(
            IncomingFrame(
                source_nwk=fields[layout.sender],
                source_endpoint=fields[3],
                destination_endpoint=fields[4],
                profile=fields[1],
                cluster=fields[2],
                payload=payload,
                aps_counter=fields[7],
                aps_encrypted=bool(fields[5] & _ENCRYPTION),
                broadcast=False,
                lqi=fields[layout.lqi],
                rssi=fields[layout.rssi],
            )
        )


def _name(status: Any) -> str | None:
    """None for success, else what the library calls the status since version 14."""
    unified = bt.sl_Status.from_ember_status(status)
    return None if unified == bt.sl_Status.OK else str(unified.name)
