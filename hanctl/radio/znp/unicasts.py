"""Fast path for unicasts on Z-Stack, of which hundreds a second are sent and received.

zigpy-znp's way costs a frame schemas, listeners, packets and a task that holds a slot until the confirmation. Here the
four frames of it are packed and unpacked at once, and the confirmation is a call; the line itself, the order of
requests and everything else stay the library's. A test compares the layouts below with its schemas.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any

import zigpy_znp.commands
import zigpy_znp.types as zt
from zigpy_znp.frames import GeneralFrame

from hanctl.radio.application import HubApplication
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import SMART_ENERGY, IncomingFrame, OutgoingFrame
from hanctl.radio.sending.fragmentation import room
from hanctl.radio.sending.sender import Confirmed
from hanctl.radio.znp.messages import WHOLE

c: Any = zigpy_znp.commands
"""Untyped: the library makes these classes at import."""

RESPONSE_S = 15.0

# AF_DATA_REQUEST: destination, its endpoint, ours, cluster, number, options, radius, length.
REQUEST = Struct("<HBBHBBBB")
# AF_INCOMING_MSG: group, cluster, source, its endpoint, ours, broadcast, LQI, security, time, number, length; then the
# data, the source of the last hop and the radius.
INCOMING = Struct("<HHHBBBBBIBB")
INCOMING_TAIL = 3

_REQUEST_HEADER = c.AF.DataRequest.Req.header
_RESPONSE_HEADER = c.AF.DataRequest.Rsp.header
_CONFIRM_HEADER = c.AF.DataConfirm.Callback.header
_INCOMING_HEADER = c.AF.IncomingMsg.Callback.header

_ACK = int(c.af.TransmitOptions.ACK_REQUEST)
_ENCRYPT = int(c.af.TransmitOptions.ENABLE_SECURITY)
_NO_DISCOVERY = int(c.af.TransmitOptions.SUPPRESS_ROUTE_DISC_NETWORK)


class ZnpUnicasts(HubApplication):
    """Fast path beside zigpy-znp's own; a mixin that comes before its application in the bases of a class."""

    _znp: Any

    def __init__(self, config: dict[str, Any], **options: Any) -> None:
        super().__init__(config, **options)
        self._confirmations: dict[int, Confirmed] = {}
        self._answered: asyncio.Future[int] | None = None

    def _bind_callbacks(self) -> None:
        super()._bind_callbacks()  # type: ignore[misc]
        self._take_unicasts_first(self._znp)

    def takes(self, frame: OutgoingFrame) -> bool:
        """Tell whether the unicast can take the fast path: it fits, and is not ZDO, which Z-Stack handles."""
        return frame.destination_endpoint != 0 and len(frame.payload) <= room(WHOLE, encrypted=frame.aps_encrypted)

    async def transmit(self, frame: OutgoingFrame, number: int, confirmed: Confirmed) -> str | None:
        """Give the frame to the dongle; see ``Transmitter``. The profile is that of the source endpoint."""
        options = _NO_DISCOVERY
        if frame.aps_ack:
            options |= _ACK
        if frame.aps_encrypted:
            options |= _ENCRYPT
        request = REQUEST.pack(
            frame.destination_nwk,
            frame.destination_endpoint,
            frame.source_endpoint,
            frame.cluster,
            number,
            options,
            0,
            len(frame.payload),
        )
        # The confirmation may come in the same piece of serial data as the response: it is awaited from before.
        self._confirmations[number] = confirmed
        try:
            status = await self._request(request + frame.payload)
        except BaseException:
            self._confirmations.pop(number, None)
            raise
        if status:
            self._confirmations.pop(number, None)
        return _name(status)

    async def _request(self, data: bytes) -> int:
        """Send one AF_DATA_REQUEST in the library's order of requests. Returns the status."""
        znp = self._znp
        if znp is None:
            raise DeliveryFailed("the dongle is disconnected")
        async with znp._sync_request_lock():
            self._answered = asyncio.get_running_loop().create_future()
            try:
                znp._uart.send(GeneralFrame(_REQUEST_HEADER, zt.Bytes(data)))
                async with asyncio.timeout(RESPONSE_S):
                    return await self._answered
            finally:
                self._answered = None

    def _take_unicasts_first(self, znp: Any) -> None:
        pass_on = znp.frame_received

        def frame_received(frame: Any) -> bool | None:
            header, data = frame.header, frame.data
            if header == _INCOMING_HEADER:
                if self._incoming(data):
                    return True
            elif header == _CONFIRM_HEADER:
                confirmed = self._confirmations.pop(data[2], None)
                if confirmed is not None:
                    confirmed(_name(data[0]))
                    return True
            elif header == _RESPONSE_HEADER and self._answered is not None:
                if not self._answered.done():
                    self._answered.set_result(data[0])
                return True
            return pass_on(frame)  # type: ignore[no-any-return]

        znp.frame_received = frame_received

    def _incoming(self, data: bytes) -> bool:
        """Pass on a unicast. Returns False if it is something else."""
        if len(data) < INCOMING.size + INCOMING_TAIL:
            return False
        group, cluster, source, source_endpoint, endpoint, broadcast, lqi, security, _, counter, length = (
            INCOMING.unpack_from(data)
        )
        if group or broadcast or source == 0 or len(data) != INCOMING.size + length + INCOMING_TAIL:
            return False
        self._sink.frame_received(
            IncomingFrame(
                source_nwk=source,
                source_endpoint=source_endpoint,
                destination_endpoint=endpoint,
                # Z-Stack does not tell the profile: all of the hub's endpoints are Smart Energy.
                profile=SMART_ENERGY,
                cluster=cluster,
                payload=bytes(data[INCOMING.size : INCOMING.size + length]),
                aps_counter=counter,
                aps_encrypted=bool(security),
                broadcast=False,
                lqi=lqi,
            )
        )
        return True


def _name(status: int) -> str | None:
    """Return None for success, else the library's name of the status."""
    return None if status == zt.Status.SUCCESS else str(zt.Status(status).name)
