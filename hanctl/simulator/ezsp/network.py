"""The network: form, resume, leave, permit, join events, scans, radio."""

from __future__ import annotations

import asyncio

import bellows.types as t

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.keys import Keys
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.tokens import COUNTER_STEP, NetworkToken
from hanctl.simulator.network.medium import COORDINATOR, ApsFrame
from hanctl.simulator.network.trust_centre import JoinKind, Network
from hanctl.simulator.zdo import CHANGE_CHANNEL, MGMT_LEAVE_REQ

CHANNELS = range(11, 27)
MAX_POWER_DBM = 20
NO_FRAME_COUNTER_RESET = 0x1000
ENERGY_SCAN = 0
SCAN_SLOT_S = 0.01536
MAX_SCAN_DURATION = 14
CHANNEL_CHANGE_S = 0.5
NO_NODE = 0xFFFE

_JOIN_STATUS = {
    JoinKind.UNSECURED_JOIN: t.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN,
    JoinKind.SECURED_REJOIN: t.EmberDeviceUpdate.STANDARD_SECURITY_SECURED_REJOIN,
    JoinKind.UNSECURED_REJOIN: t.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_REJOIN,
    JoinKind.LEFT: t.EmberDeviceUpdate.DEVICE_LEFT,
}


class Networking:
    """Handlers of the networking commands."""

    def __init__(self, ncp: EzspFirmware, keys: Keys) -> None:
        self._ncp = ncp
        self._keys = keys
        self._timers: set[asyncio.TimerHandle] = set()
        self._closing: asyncio.TimerHandle | None = None
        self._scanning = False

    def stop(self) -> None:
        """Stop the firmware's timers: none fires any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _later(self, seconds: float, action: object, *arguments: object) -> asyncio.TimerHandle:
        assert callable(action)
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._timers.discard(handle)
            action(*arguments)

        handle = loop.call_later(seconds, run)
        self._timers.add(handle)
        return handle

    def _stack_status(self, outcome: Outcome) -> None:
        self._ncp.callback("stackStatusHandler", status=outcome)

    # --- start and end

    @command("networkInit")
    def network_init(self, a: Arguments) -> Values:
        stack = self._ncp.stack
        if stack.up:
            return {"status": Outcome.INVALID_CALL}
        if not stack.start():
            return {"status": Outcome.NOT_JOINED}
        self._stack_status(Outcome.NETWORK_UP)
        return {"status": Outcome.OK}

    @command("networkState")
    def network_state(self, a: Arguments) -> Values:
        joined = t.EmberNetworkStatus.JOINED_NETWORK
        return {"status": joined if self._ncp.stack.up else t.EmberNetworkStatus.NO_NETWORK}

    @command("formNetwork")
    def form_network(self, a: Arguments) -> Values:
        return {"status": self._form(a["parameters"])}

    def _form(self, p: t.EmberNetworkParameters) -> Outcome:
        stack, tokens, rng = self._ncp.stack, self._ncp.tokens, self._ncp.stack.medium.rng
        security = self._keys.initial
        if stack.up:
            return Outcome.INVALID_CALL
        if security is None:
            return Outcome.SECURITY_NOT_SET
        power = int(p.radioTxPower) - (256 if p.radioTxPower > 127 else 0)
        if p.radioChannel not in CHANNELS:
            return Outcome.INVALID_CHANNEL
        if power > MAX_POWER_DBM:
            return Outcome.INVALID_POWER
        if int(p.panId) == NO_NODE:
            return Outcome.BAD_ARGUMENT
        pan_id = int(p.panId) if int(p.panId) != 0xFFFF else rng.randrange(1, 0xFFFE)
        extended = p.extendedPanId.serialize()
        if extended in (bytes(8), b"\xff" * 8):
            extended = rng.randbytes(8)
        counter = tokens.nwk_counter if security.bitmask & NO_FRAME_COUNTER_RESET else 0
        self._keys.commit()
        tokens.network = NetworkToken(
            pan_id=pan_id,
            extended_pan_id=extended,
            channel=int(p.radioChannel),
            power_dbm=power,
            # The stack decides these two itself when it forms.
            manager=COORDINATOR,
            update_id=0,
            channel_mask=int(p.channels),
            key=security.network_key,
            key_sequence=security.key_sequence,
            counter_ceiling=counter + COUNTER_STEP,
        )
        self._ncp.stack.form(
            Network(int(p.radioChannel), pan_id, extended, security.network_key, security.key_sequence, counter)
        )
        self._stack_status(Outcome.NETWORK_UP)
        return Outcome.OK

    @command("leaveNetwork")
    def leave_network(self, a: Arguments) -> Values:
        stack, tokens = self._ncp.stack, self._ncp.tokens
        if not stack.up or stack.network is None:
            return {"status": Outcome.NOT_JOINED}
        tokens.nwk_counter = stack.network.frame_counter
        tokens.network = None
        tokens.security = None
        self._keys.use_trust_centre_key()
        self._close_joining()
        stack.leave()
        self._stack_status(Outcome.NETWORK_DOWN)
        return {"status": Outcome.OK}

    @command("getNetworkParameters")
    def get_network_parameters(self, a: Arguments) -> Values:
        token, up = self._ncp.tokens.network, self._ncp.stack.up
        blank = token is None or not up
        return {
            "status": Outcome.NOT_JOINED if blank else Outcome.OK,
            "nodeType": t.EmberNodeType.UNKNOWN_DEVICE if blank else t.EmberNodeType.COORDINATOR,
            "parameters": t.EmberNetworkParameters(
                extendedPanId=t.ExtendedPanId.deserialize(token.extended_pan_id if token and up else bytes(8))[0],
                panId=token.pan_id if token and up else 0xFFFF,
                radioTxPower=(token.power_dbm & 0xFF) if token and up else 0,
                radioChannel=token.channel if token and up else 0,
                joinMethod=t.EmberJoinMethod.USE_MAC_ASSOCIATION,
                nwkManagerId=token.manager if token and up else 0,
                nwkUpdateId=token.update_id if token and up else 0,
                channels=t.Channels(token.channel_mask if token and up else 0),  # type: ignore[no-untyped-call]
            ),
        }

    @command("getEui64")
    def get_eui64(self, a: Arguments) -> Values:
        return {"eui64": t.EUI64.deserialize(to_bytes(self._ncp.stack.eui64))[0]}

    @command("getNodeId")
    def get_node_id(self, a: Arguments) -> Values:
        return {"nodeId": COORDINATOR if self._ncp.stack.up else NO_NODE}

    @command("getParentChildParameters")
    def get_parent_child_parameters(self, a: Arguments) -> Values:
        children = sum(c.sleepy for c in self._ncp.stack.children.values())
        return {"childCount": children, "parentEui64": t.EUI64.deserialize(bytes(8))[0], "parentNodeId": 0xFFFF}

    # --- joining

    @command("permitJoining")
    def permit_joining(self, a: Arguments) -> Values:
        stack, seconds = self._ncp.stack, int(a["duration"])
        if not stack.up:
            return {"status": Outcome.NOT_JOINED}
        was_open = stack.permitting
        if self._closing is not None:
            self._closing.cancel()
            self._timers.discard(self._closing)
            self._closing = None
        stack.permit(seconds)
        if seconds and not was_open:
            self._stack_status(Outcome.NETWORK_OPENED)
        elif not seconds and was_open:
            self._stack_status(Outcome.NETWORK_CLOSED)
        if 0 < seconds < 255:
            self._closing = self._later(seconds, self._stack_status, Outcome.NETWORK_CLOSED)
        return {"status": Outcome.OK}

    def _close_joining(self) -> None:
        self._ncp.stack.permit(0)
        if self._closing is not None:
            self._closing.cancel()
            self._timers.discard(self._closing)
            self._closing = None

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        """Tell the host who came or went."""
        decision = t.EmberJoinDecision.NO_ACTION
        if denied:
            decision = t.EmberJoinDecision.DENY_JOIN
        elif kind is JoinKind.UNSECURED_JOIN:
            decision = t.EmberJoinDecision.USE_PRECONFIGURED_KEY
        self._ncp.callback(
            "trustCenterJoinHandler",
            newNodeId=nwk,
            newNodeEui64=t.EUI64.deserialize(to_bytes(eui64))[0],
            status=_JOIN_STATUS[kind],
            policyDecision=decision,
            parentOfNewNodeId=COORDINATOR,
        )

    def conflict(self, nwk: int) -> None:
        """Tell the host that two nodes claim an address, which is nobody's in the stack's tables now."""
        self._ncp.callback("idConflictHandler", nodeId=nwk)

    @command("removeDevice")
    def remove_device(self, a: Arguments) -> Values:
        # The trust centre's APS remove-device; to its own children the parent sends a leave request instead.
        target = bytes(a["targetLong"].serialize())
        refused = self._ncp.stack.send(
            ApsFrame(
                COORDINATOR,
                int(a["destShort"]),
                0,
                MGMT_LEAVE_REQ,
                0,
                0,
                self._ncp.stack.next_counter(),
                b"\x00" + target + b"\x00",
                ack_request=False,
            ),
            lambda _: None,
        )
        return {"status": Outcome.OK if refused is None else Outcome.NETWORK_DOWN}

    # --- radio

    @command("startScan")
    def start_scan(self, a: Arguments) -> Values:
        mask, duration = int(a["channelMask"]), int(a["duration"])
        channels = [c for c in CHANNELS if mask & 1 << c]
        if self._scanning:
            return {"status": Outcome.BUSY}
        if not channels or duration > MAX_SCAN_DURATION:
            return {"status": Outcome.BAD_ARGUMENT}
        self._scanning = True
        each = SCAN_SLOT_S * (2**duration + 1)
        for at, channel in enumerate(channels, 1):
            if int(a["scanType"]) == ENERGY_SCAN:
                self._later(at * each, self._energy_of, channel)
        self._later(len(channels) * each, self._scan_done, channels[-1])
        return {"status": Outcome.OK}

    def _energy_of(self, channel: int) -> None:
        noise = self._ncp.stack.medium.rng.randrange(-95, -80)
        self._ncp.callback("energyScanResultHandler", channel=channel, maxRssiValue=noise)

    def _scan_done(self, channel: int) -> None:
        self._scanning = False
        self._ncp.callback("scanCompleteHandler", channel=channel, status=Outcome.OK)

    @command("stopScan")
    def stop_scan(self, a: Arguments) -> Values:
        return {"status": Outcome.OK}

    @command("setRadioPower")
    def set_radio_power(self, a: Arguments) -> Values:
        if int(a["power"]) > MAX_POWER_DBM:
            return {"status": Outcome.INVALID_POWER}
        if self._ncp.tokens.network is not None:
            self._ncp.tokens.network.power_dbm = int(a["power"])
        return {"status": Outcome.OK}

    @command("setRadioChannel", "setLogicalAndRadioChannel")
    def set_radio_channel(self, a: Arguments) -> Values:
        (channel,) = a.values()
        if int(channel) not in CHANNELS:
            return {"status": Outcome.INVALID_CHANNEL}
        return {"status": Outcome.OK}

    @command("getLogicalChannel")
    def get_logical_channel(self, a: Arguments) -> Values:
        network = self._ncp.stack.network
        return {"radioChannel": network.channel if network and self._ncp.stack.up else 0}

    @command("setRadioIeee802154CcaMode")
    def set_cca_mode(self, a: Arguments) -> Values:
        return {"status": Outcome.OK if int(a["cca_mode"]) <= 3 else Outcome.BAD_ARGUMENT}

    @command("getRadioParameters")
    def get_radio_parameters(self, a: Arguments) -> Values:
        token = self._ncp.tokens.network
        known = token is not None and self._ncp.stack.up
        return {
            "status": Outcome.OK if known else Outcome.NOT_JOINED,
            "parameters": t.EmberMultiPhyRadioParameters(
                radioTxPower=token.power_dbm if token else 0, radioPage=0, radioChannel=token.channel if token else 0
            ),
        }

    def channel_announced(self, frame: ApsFrame) -> None:
        """Change channel as asked in a Mgmt_NWK_Update_req that the host sent to all, or to its own dongle."""
        payload = frame.payload
        to_us = frame.broadcast or frame.destination == COORDINATOR
        if not to_us or len(payload) < 7 or payload[5] != CHANGE_CHANNEL:
            return
        mask = int.from_bytes(payload[1:5], "little")
        channels = [c for c in CHANNELS if mask & 1 << c]
        if len(channels) == 1:
            self._later(CHANNEL_CHANGE_S, self._change_channel, channels[0], payload[6])

    def _change_channel(self, channel: int, update_id: int) -> None:
        network, token = self._ncp.stack.network, self._ncp.tokens.network
        if network is None or token is None:
            return
        network.channel = token.channel = channel
        network.update_id = token.update_id = update_id
        self._ncp.save()
        self._stack_status(Outcome.CHANNEL_CHANGED)
