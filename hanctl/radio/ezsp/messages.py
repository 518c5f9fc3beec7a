"""Long messages on EmberZNet, which leaves cutting and reassembling to its host.

bellows does not cut, and reassembles only for EZSP before version 14; so blocks are taken before it sees them, on all
versions. Source: zigpy.md §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import bellows.types as bt
import structlog
import zigpy.exceptions
import zigpy.types as t
from bellows.zigbee.application import ControllerApplication

from hanctl.radio.sending.fragmentation import LONGEST_MESSAGE, MessageId, Reassembly, cut, room, too_long
from hanctl.radio.sending.turns import Turns

log = structlog.get_logger()
b: Any = bt
z: Any = t
"""The libraries' types as constructors: many of them carry no annotations."""

INCOMING = "incomingMessageHandler"
FRAGMENT = bt.EmberApsOption.APS_OPTION_FRAGMENT
WHOLE = 82
"""The longest payload of a frame under NWK security, until the dongle says otherwise."""
CONFIRMATION_S = 8.0
"""The stack sends a block four times, each time waiting 1.6 s for its acknowledgement."""
SLEEPY_CONFIRMATION_S = 40.0
"""Each of the four times also waits for the device to wake up."""

# An incoming message begins alike in all versions since 8: a header of sequence, control (2 bytes) and identifier (2),
# then type, profile (2), cluster (2), two endpoints, options (2, little-endian).
_IDENTIFIER = slice(3, 5)
_INCOMING_IDENTIFIER = b"\x45\x00"
_OPTIONS_HIGH_BYTE = 13


class EzspLongMessages(ControllerApplication):
    """bellows' application, with long messages in both directions."""

    _ezsp: Any

    def __init__(self, config: dict[str, Any], **options: Any) -> None:
        super().__init__(config, **options)
        self._whole = WHOLE
        self._reassembly = Reassembly()
        self._turns = Turns()

    async def connect(self) -> None:
        await super().connect()
        self._take_blocks_first(self._ezsp)

    async def start_network(self) -> None:
        await super().start_network()  # type: ignore[no-untyped-call]
        (length,) = await self._ezsp.maximumPayloadLength()
        self._whole = int(length)

    # --- out

    async def send_packet(self, packet: t.ZigbeePacket) -> None:
        """Send a packet, in blocks if it does not fit one frame. Raises PayloadTooLong."""
        assert packet.dst is not None
        payload = packet.data.serialize()
        unicast = packet.dst.addr_mode is t.AddrMode.NWK
        fits = room(self._whole, encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options)
        if len(payload) <= fits:
            await super().send_packet(packet)
            return
        if not unicast or len(payload) > LONGEST_MESSAGE:
            raise too_long(len(payload), LONGEST_MESSAGE if unicast else fits)
        if not self.is_controller_running:
            raise zigpy.exceptions.DeliveryError("the dongle's network does not run")
        nwk = z.NWK(packet.dst.address)
        async with self._turns.of(nwk):
            await self._send_blocks(nwk, packet, payload)

    async def _send_blocks(self, nwk: t.NWK, packet: t.ZigbeePacket, payload: bytes) -> None:
        encrypted = t.TransmitOptions.APS_Encryption in packet.tx_options
        blocks = cut(payload, self._whole, encrypted=encrypted)
        options = FRAGMENT | bt.EmberApsOption.APS_OPTION_RETRY | bt.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY
        if encrypted:
            options |= bt.EmberApsOption.APS_OPTION_ENCRYPTION
        sequence = int(packet.tsn)
        for index, block in enumerate(blocks):
            frame = bt.EmberApsFrame(
                profileId=packet.profile_id,
                clusterId=packet.cluster_id,
                sourceEndpoint=packet.src_ep,
                destinationEndpoint=packet.dst_ep,
                options=options,
                groupId=len(blocks) << 8 | index,
                # The first is given a number by the stack, under which the others follow.
                sequence=sequence,
            )
            what = f"block {index + 1} of {len(blocks)}"
            patience = SLEEPY_CONFIRMATION_S if packet.extended_timeout else CONFIRMATION_S
            sequence = await self._send_block(nwk, frame, block, what, patience)

    async def _send_block(self, nwk: t.NWK, frame: bt.EmberApsFrame, block: bytes, what: str, patience_s: float) -> int:
        """Send one block and wait for its acknowledgement. Returns its APS counter."""
        tag = self._free_tag(nwk)
        confirmed = asyncio.get_running_loop().create_future()
        self._pending_requests[(nwk, tag)] = confirmed
        try:
            status, sequence = await self._ezsp.send_unicast(nwk=nwk, aps_frame=frame, message_tag=tag, data=block)
            if status == bt.sl_Status.OK:
                async with asyncio.timeout(patience_s):
                    status, _ = await confirmed
        except TimeoutError:
            raise zigpy.exceptions.DeliveryError(f"{what} was not confirmed in time") from None
        finally:
            del self._pending_requests[(nwk, tag)]
        status = bt.sl_Status.from_ember_status(status)
        if status != bt.sl_Status.OK:
            raise zigpy.exceptions.DeliveryError(f"{what} was not delivered: {status!r}", status)
        return int(sequence)

    def _free_tag(self, nwk: int) -> int:
        for _ in range(0x100):
            tag = int(self.get_sequence())
            if (nwk, tag) not in self._pending_requests:
                return tag
        raise zigpy.exceptions.DeliveryError("256 frames to the device wait for their confirmation already")

    # --- in

    def _take_blocks_first(self, ezsp: Any) -> None:
        pass_on: Callable[[bytes], None] = ezsp.frame_received

        def frame_received(data: bytes) -> None:
            if _is_block(data):
                self._block_received(ezsp, data)
            else:
                pass_on(data)

        ezsp.frame_received = frame_received

    def _block_received(self, ezsp: Any, data: bytes) -> None:
        schema = ezsp._protocol.COMMANDS[INCOMING][2]
        try:
            values, _ = b.deserialize_dict(data[_IDENTIFIER.stop :], schema)
        except ValueError:
            log.warning("a malformed block of a message was ignored", frame=data.hex())
            return
        # Names and order differ between versions; the type and the APS header come first, the payload last.
        kind, aps, *_, payload = arguments = list(values.values())
        if kind != bt.EmberIncomingMessageType.INCOMING_UNICAST:
            return
        sender = int(values["nwk"] if "nwk" in values else values["sender"])
        message_id = MessageId(
            sender,
            int(aps.sequence),
            int(aps.profileId),
            int(aps.clusterId),
            int(aps.sourceEndpoint),
            int(aps.destinationEndpoint),
            bt.EmberApsOption.APS_OPTION_ENCRYPTION in aps.options,
        )
        index, total = int(aps.groupId) & 0xFF, int(aps.groupId) >> 8
        taken = self._reassembly.take(message_id, index, total, bytes(payload), asyncio.get_running_loop().time())
        if taken.acknowledge:
            app: Any = self
            app.create_task(self._acknowledge(ezsp, sender, aps, index))
        if taken.message is not None:
            arguments[1] = aps.replace(options=aps.options & ~FRAGMENT, groupId=0)
            arguments[-1] = taken.message
            ezsp.handle_callback(INCOMING, arguments)

    async def _acknowledge(self, ezsp: Any, sender: int, aps: Any, index: int) -> None:
        """Tell the sender that the window which begins, and ends, with this block has arrived."""
        back = aps.replace(
            sourceEndpoint=aps.destinationEndpoint,
            destinationEndpoint=aps.sourceEndpoint,
            # High byte: which blocks from the one in the low byte on; those outside the window count as arrived.
            groupId=0xFF00 | index,
        )
        try:
            await ezsp.sendReply(bt.EmberNodeId(sender), back, b"")
        except Exception as error:
            # The sender repeats the block, and this with it; where the line is lost, others say so.
            log.debug("a block could not be acknowledged", nwk=sender, error=repr(error))


def _is_block(data: bytes) -> bool:
    return (
        len(data) > _OPTIONS_HIGH_BYTE
        and data[_IDENTIFIER] == _INCOMING_IDENTIFIER
        and bool(data[_OPTIONS_HIGH_BYTE] & FRAGMENT >> 8)
    )
