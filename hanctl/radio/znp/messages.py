"""Long messages on Z-Stack, whose firmware cuts and reassembles by itself.

What comes in and is too long for one serial frame is only announced (AF_INCOMING_MSG_EXT) and must be fetched; the
library knows of neither. Source: zigpy.md §4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
import zigpy.types as t
import zigpy_znp.commands
import zigpy_znp.types as zt
from zigpy_znp.frames import GeneralFrame
from zigpy_znp.zigbee.application import ControllerApplication

from hanctl.radio.frames import SMART_ENERGY
from hanctl.radio.sending.fragmentation import room, too_long
from hanctl.radio.sending.turns import Turns

log = structlog.get_logger()
c: Any = zigpy_znp.commands
"""Untyped: the library makes these classes at import."""
z: Any = t
"""zigpy's types as constructors: half of them carry no annotations."""

WHOLE = 82
"""The longest payload of a frame under NWK security."""
LONGEST_SENT = 230
"""What one serial frame of 250 bytes holds."""
LARGEST_PART = 240
"""Bytes fetched at once."""
# An announcement without its data: the length is at 25, and three bytes follow it.
_ANNOUNCEMENT_SIZE = 30
_LENGTH = slice(25, 27)


class ZnpLongMessages(ControllerApplication):
    """zigpy-znp's application, with long messages in both directions."""

    _znp: Any

    def __init__(self, config: dict[str, Any], **options: Any) -> None:
        super().__init__(config, **options)
        self._turns = Turns()

    def _bind_callbacks(self) -> None:
        super()._bind_callbacks()
        self._take_announcements_first(self._znp)

    async def send_packet(self, packet: t.ZigbeePacket) -> None:
        """Send a packet; one that the firmware sends in blocks gets more time. Raises PayloadTooLong."""
        assert packet.dst is not None
        size = len(packet.data.serialize())
        fits = room(WHOLE, encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options)
        if size <= fits:
            await super().send_packet(packet)
            return
        unicast = packet.dst.addr_mode is t.AddrMode.NWK
        if not unicast or size > LONGEST_SENT:
            raise too_long(size, LONGEST_SENT if unicast else fits)
        async with self._turns.of(z.NWK(packet.dst.address)):
            await super().send_packet(packet.replace(extended_timeout=True))

    def _take_announcements_first(self, znp: Any) -> None:
        pass_on: Callable[[Any], bool | None] = znp.frame_received
        header = c.AF.IncomingMsgExt.Callback.header

        def frame_received(frame: Any) -> bool | None:
            if frame.header != header:
                return pass_on(frame)
            app: Any = self
            app.create_task(self._large_message(znp, frame))
            return True

        znp.frame_received = frame_received

    async def _large_message(self, znp: Any, frame: Any) -> None:
        data, size = bytes(frame.data), int.from_bytes(bytes(frame.data[_LENGTH]), "little")
        if len(data) == _ANNOUNCEMENT_SIZE:
            # The library's layout has the data follow its length; here they do not.
            frame = GeneralFrame(frame.header, zt.Bytes(data[: _LENGTH.start] + bytes(2) + data[_LENGTH.stop :]))
        try:
            announced = c.AF.IncomingMsgExt.Callback.from_frame(frame)
            payload = bytes(announced.Data) or await _fetch(znp, announced.TimeStamp, size)
        except Exception as error:
            log.warning("a long message was lost between dongle and hub", size=size, error=repr(error))
            return
        source = announced.SrcAddrModeAddress
        if source.mode != zt.AddrMode.NWK:
            # Only what comes from outside of the network has another kind of address.
            return
        # The library's own path is closed to it: its message type cannot hold more than 255 bytes.
        self.packet_received(
            t.ZigbeePacket(
                src=t.AddrModeAddress(t.AddrMode.NWK, z.NWK(source.address)),
                src_ep=announced.SrcEndpoint,
                dst=t.AddrModeAddress(t.AddrMode.NWK, self.state.node_info.nwk),
                dst_ep=announced.DstEndpoint,
                tsn=announced.TSN,
                profile_id=z.uint16_t(SMART_ENERGY),
                cluster_id=announced.ClusterId,
                data=t.SerializableBytes(payload),
                tx_options=t.TransmitOptions.APS_Encryption if announced.SecurityUse else t.TransmitOptions.NONE,
                radius=announced.MsgResultRadius,
                lqi=announced.LQI,
            )
        )


async def _fetch(znp: Any, stamp: int, size: int) -> bytes:
    """Read a message from the dongle's memory, and free the memory."""
    payload = b""
    while len(payload) < size:
        part = await znp.request(
            c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=len(payload), Length=min(LARGEST_PART, size - len(payload))),
            RspStatus=zt.Status.SUCCESS,
        )
        if not part.Data:
            raise ValueError(f"it ends after {len(payload)} bytes")
        payload += bytes(part.Data)
    await znp.request(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=0, Length=0))
    return payload
