"""APS messages: to the medium and from it."""

from __future__ import annotations

import bellows.types as t

from hanctl.base.eui64 import to_bytes
from hanctl.simulator import zdo
from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.configuration import Configuration
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.network import Networking
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.tables import Tables
from hanctl.simulator.network.fragmentation import MAX_PAYLOAD
from hanctl.simulator.network.medium import (
    BROADCAST_RX_ON,
    COORDINATOR,
    FIRST_BROADCAST,
    ApsFrame,
    ExtendedHeader,
    Node,
)
from hanctl.simulator.network.stack import SendError

NO_INDEX = 0xFF
LOOPBACK_LQI, LOOPBACK_RSSI = 255, 0
ALL_ENDPOINTS = 0xFF

OPTION_ENCRYPTION = int(t.EmberApsOption.APS_OPTION_ENCRYPTION)
OPTION_RETRY = int(t.EmberApsOption.APS_OPTION_RETRY)
OPTION_ROUTE_DISCOVERY = int(t.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY)
OPTION_FRAGMENT = int(t.EmberApsOption.APS_OPTION_FRAGMENT)
OPTION_SOURCE_EUI64 = int(t.EmberApsOption.APS_OPTION_SOURCE_EUI64)

ZDO_APP_RECEIVES_SUPPORTED = 0x01
ZDO_APP_HANDLES_UNSUPPORTED = 0x02
ZDO_APP_HANDLES_ENDPOINT = 0x04
ZDO_APP_HANDLES_BINDING = 0x08
_ENDPOINT_REQUESTS = frozenset((zdo.SIMPLE_DESC_REQ, zdo.ACTIVE_EP_REQ, zdo.MATCH_DESC_REQ))
_BINDING_REQUESTS = frozenset((0x0020, zdo.BIND_REQ, 0x0022))
_SUPPORTED_REQUESTS = (
    frozenset((zdo.NWK_ADDR_REQ, zdo.IEEE_ADDR_REQ, zdo.NODE_DESC_REQ, zdo.POWER_DESC_REQ)) | _ENDPOINT_REQUESTS
)

_REFUSALS = {
    SendError.NETWORK_DOWN: Outcome.NETWORK_DOWN,
    SendError.TOO_LONG: Outcome.TOO_LONG,
    SendError.BUSY: Outcome.BUSY,
    SendError.NO_LINK_KEY: Outcome.NO_LINK_KEY,
}
Counter = t.EmberCounterType


class MessagingFrames:
    """Handlers of the messaging commands, and what the stack tells of frames."""

    def __init__(self, ncp: EzspFirmware, configuration: Configuration, networking: Networking, tables: Tables) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._networking = networking
        self._tables = tables
        self.counters = [0] * 40

    def _count(self, counter: int) -> None:
        self.counters[counter] = (self.counters[counter] + 1) & 0xFFFF

    # --- out

    @command("sendUnicast")
    def send_unicast(self, a: Arguments) -> Values:
        kind, destination = int(a["type"]), int(a["indexOrDestination"])
        node: int | None = destination
        if kind == t.EmberOutgoingMessageType.OUTGOING_VIA_ADDRESS_TABLE:
            node = self._tables.node_id_at(destination)
        elif kind != t.EmberOutgoingMessageType.OUTGOING_DIRECT:
            return {"status": Outcome.INVALID_CALL, "sequence": 0}
        if node is None or node >= FIRST_BROADCAST:
            return {"status": Outcome.BAD_ARGUMENT, "sequence": 0}
        return self._send(a, kind, destination, node)

    @command("sendBroadcast")
    def send_broadcast(self, a: Arguments) -> Values:
        destination = int(a["destination"])
        if destination < FIRST_BROADCAST:
            return {"status": Outcome.BAD_ARGUMENT, "sequence": 0}
        return self._send(a, int(t.EmberOutgoingMessageType.OUTGOING_BROADCAST), destination, destination)

    @command("sendMulticast")
    def send_multicast(self, a: Arguments) -> Values:
        group = int(a["apsFrame"].groupId)
        kind = int(t.EmberOutgoingMessageType.OUTGOING_MULTICAST)
        return self._send(a, kind, group, BROADCAST_RX_ON, group=group)

    @command("proxyBroadcast", "sendMulticastWithAlias")
    def send_with_alias(self, a: Arguments) -> Values:
        return {"status": Outcome.NOT_SUPPORTED, "sequence": 0, "apsSequence": 0}

    @command("sendReply")
    def send_reply(self, a: Arguments) -> Values:
        # The reply rides in the APS acknowledgement, so nothing is reported about it.
        aps, contents = a["apsFrame"], bytes(a["messageContents"])
        if int(aps.options) & OPTION_FRAGMENT:
            return self._acknowledge_block(int(a["sender"]), aps, contents)
        if not contents:
            return {"status": Outcome.OK}
        frame = _outgoing(aps, int(a["sender"]), int(aps.sequence), contents)
        refused = self._ncp.stack.send(frame, lambda _: None)
        return {"status": Outcome.OK if refused is None else _REFUSALS[refused]}

    def _acknowledge_block(self, sender: int, aps: t.EmberApsFrame, contents: bytes) -> Values:
        """Acknowledge a window for the host. groupId: first block in the low byte, what arrived in the high byte."""
        if contents:
            return {"status": Outcome.BAD_ARGUMENT}
        first, arrived = int(aps.groupId) & 0xFF, int(aps.groupId) >> 8
        if arrived & 0x01:
            self._ncp.stack.acknowledge_block(sender, int(aps.sequence), first)
        return {"status": Outcome.OK}

    def _send(self, a: Arguments, kind: int, shown: int, destination: int, group: int | None = None) -> Values:
        stack = self._ncp.stack
        aps, contents, tag = a["apsFrame"], bytes(a["messageContents"]), int(a["messageTag"])
        block = None
        if int(aps.options) & OPTION_FRAGMENT:
            block = _block(aps)
            if block is None or kind != t.EmberOutgoingMessageType.OUTGOING_DIRECT:
                return {"status": Outcome.BAD_ARGUMENT, "sequence": 0}
        # Later blocks go under the counter that the stack gave to the first one.
        sequence = int(aps.sequence) if block is not None and block.index else stack.next_counter()
        frame = _outgoing(aps, destination, sequence, contents, group, block)
        sent = t.EmberApsFrame(**{**aps.as_dict(), "sequence": sequence})
        boots = self._ncp.boots

        def done(delivered: bool) -> None:
            if self._ncp.boots != boots:
                # The firmware that sent it has been reset since.
                return
            if kind == t.EmberOutgoingMessageType.OUTGOING_DIRECT:
                good, bad = Counter.COUNTER_APS_DATA_TX_UNICAST_SUCCESS, Counter.COUNTER_APS_DATA_TX_UNICAST_FAILED
                self._count(good if delivered else bad)
            self._ncp.callback(
                "messageSentHandler",
                type=kind,
                indexOrDestination=shown,
                apsFrame=sent,
                messageTag=tag,
                status=Outcome.OK if delivered else Outcome.DELIVERY_FAILED,
                messageContents=contents if self._configuration.contents_in_callback else b"",
            )

        refused = stack.send(frame, done)
        if refused is None and (frame.profile, frame.cluster) == (0, zdo.MGMT_NWK_UPDATE_REQ):
            self._networking.channel_announced(frame)
        if refused is not None:
            return {"status": _REFUSALS[refused], "sequence": 0}
        if frame.broadcast:
            self._count(Counter.COUNTER_APS_DATA_TX_BROADCAST)
        self._ncp.note_counter(encrypted=frame.encrypted)
        return {"status": Outcome.OK, "sequence": sequence}

    @command("maximumPayloadLength")
    def maximum_payload_length(self, a: Arguments) -> Values:
        return {"apsLength": MAX_PAYLOAD}

    @command("sendRawMessage", "sendRawMessageExtended")
    def send_raw_message(self, a: Arguments) -> Values:
        # Inter-PAN frames: nothing in this medium listens for them.
        return {"status": Outcome.OK if self._ncp.stack.up else Outcome.NETWORK_DOWN}

    @command("sendManyToOneRouteRequest")
    def send_many_to_one_route_request(self, a: Arguments) -> Values:
        return {"status": Outcome.OK if self._ncp.stack.up else Outcome.NETWORK_DOWN}

    @command("setConcentrator")
    def set_concentrator(self, a: Arguments) -> Values:
        return {"status": Outcome.OK if int(a["minTime"]) <= int(a["maxTime"]) else Outcome.BAD_ARGUMENT}

    @command("setSourceRouteDiscoveryMode")
    def set_source_route_discovery_mode(self, a: Arguments) -> Values:
        return {"remainingTime": 0}

    # --- in

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        """Pass a frame that reached the dongle to the host, where it is for the host."""
        if not self._for_host(frame):
            return
        if frame.group is not None:
            kind = t.EmberIncomingMessageType.INCOMING_MULTICAST
        elif frame.broadcast:
            kind = t.EmberIncomingMessageType.INCOMING_BROADCAST
            self._count(Counter.COUNTER_APS_DATA_RX_BROADCAST)
        else:
            kind = t.EmberIncomingMessageType.INCOMING_UNICAST
            self._count(Counter.COUNTER_APS_DATA_RX_UNICAST)
        options = OPTION_ROUTE_DISCOVERY
        options |= OPTION_RETRY if frame.ack_request and not frame.broadcast else 0
        options |= OPTION_ENCRYPTION if frame.encrypted else 0
        options |= OPTION_FRAGMENT if frame.block is not None else 0
        options |= OPTION_SOURCE_EUI64 if frame.network_source is not None else 0
        long_address = t.EUI64.deserialize(
            bytes(8) if frame.network_source is None else to_bytes(frame.network_source)
        )[0]
        if frame.network_source is not None and "incomingSenderEui64Handler" in self._ncp.codec:
            # Newer protocols have it in the message itself.
            self._ncp.callback("incomingSenderEui64Handler", senderEui64=long_address)
        self._ncp.callback(
            "incomingMessageHandler",
            type=kind,
            apsFrame=t.EmberApsFrame(
                profileId=frame.profile,
                clusterId=frame.cluster,
                sourceEndpoint=frame.source_endpoint,
                destinationEndpoint=frame.destination_endpoint,
                options=options,
                groupId=_group_or_block(frame),
                sequence=frame.counter,
            ),
            lastHopLqi=node.link.lqi if node is not None else LOOPBACK_LQI,
            lastHopRssi=node.link.rssi if node is not None else LOOPBACK_RSSI,
            sender=frame.source,
            # As the sender wrote it into the network header, where it did.
            eui64=long_address,
            bindingIndex=NO_INDEX,
            addressIndex=self._tables.index_of(frame.source),
            timestamp=0,
            messageContents=frame.payload,
        )

    def _for_host(self, frame: ApsFrame) -> bool:
        endpoint = frame.destination_endpoint
        if frame.profile == 0 and endpoint == 0:
            return self._zdo_for_host(frame.cluster)
        return endpoint == ALL_ENDPOINTS or endpoint in self._ncp.stack.endpoints

    def _zdo_for_host(self, cluster: int) -> bool:
        if cluster & zdo.RESPONSE or cluster == zdo.DEVICE_ANNCE:
            return True
        flags = self._configuration[t.EzspConfigId.CONFIG_APPLICATION_ZDO_FLAGS]
        if flags & ZDO_APP_HANDLES_ENDPOINT and cluster in _ENDPOINT_REQUESTS:
            return True
        if flags & ZDO_APP_HANDLES_BINDING and cluster in _BINDING_REQUESTS:
            return True
        wanted = ZDO_APP_RECEIVES_SUPPORTED if cluster in _SUPPORTED_REQUESTS else ZDO_APP_HANDLES_UNSUPPORTED
        return bool(flags & wanted)


def _block(aps: t.EmberApsFrame) -> ExtendedHeader | None:
    """Return the block that a host's frame says it is; None where that makes no sense."""
    index, total = int(aps.groupId) & 0xFF, int(aps.groupId) >> 8
    if index >= total or not int(aps.options) & OPTION_RETRY:
        return None
    return ExtendedHeader(index, 0 if index else total)


def _group_or_block(frame: ApsFrame) -> int:
    if frame.block is not None:
        return frame.block.total << 8 | frame.block.index
    return frame.group or 0


def _outgoing(
    aps: t.EmberApsFrame,
    destination: int,
    counter: int,
    payload: bytes,
    group: int | None = None,
    block: ExtendedHeader | None = None,
) -> ApsFrame:
    options = int(aps.options)
    return ApsFrame(
        COORDINATOR,
        destination,
        int(aps.profileId),
        int(aps.clusterId),
        int(aps.sourceEndpoint),
        int(aps.destinationEndpoint),
        counter,
        payload,
        ack_request=bool(options & OPTION_RETRY),
        encrypted=bool(options & OPTION_ENCRYPTION),
        group=group,
        block=block,
    )
