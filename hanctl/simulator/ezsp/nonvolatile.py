"""Flash as the host sees it: manufacturing tokens, EZSP tokens, and raw NVM3 objects."""

from __future__ import annotations

import bellows.types as t

from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.tokens import BLANK_LENGTHS
from hanctl.simulator.network.medium import COORDINATOR

STACK_PROFILE_PRO = 2
USER_TOKENS = 8
USER_TOKEN_LENGTH = 8
ANSWERS_WITH_VERSION_19 = 19

_Key = t.NV3KeyId
# NVM3 objects that can be read and written, with their sizes.
_OBJECTS = {
    _Key.CREATOR_STACK_RESTORED_EUI64: 8,
    _Key.NVM3KEY_STACK_NODE_DATA: 16,
    _Key.NVM3KEY_STACK_NETWORK_MANAGEMENT: 8,
    _Key.NVM3KEY_STACK_TRUST_CENTER: 26,
    _Key.NVM3KEY_STACK_BOOT_COUNTER: 4,
}


class NonVolatile:
    """Handlers of the token commands."""

    def __init__(self, ncp: EzspFirmware) -> None:
        self._ncp = ncp

    @command("getMfgToken")
    def get_mfg_token(self, a: Arguments) -> Values:
        return {"tokenData": self._ncp.tokens.manufacturing_token(int(a["tokenId"]))}

    @command("setMfgToken")
    def set_mfg_token(self, a: Arguments) -> Values:
        identifier, data = int(a["tokenId"]), bytes(a["tokenData"])
        length = BLANK_LENGTHS.get(identifier)
        if length is None or len(data) != length:
            return {"status": Outcome.BAD_ARGUMENT}
        # Flash of this kind can be written once.
        if self._ncp.tokens.manufacturing_token(identifier) != b"\xff" * length:
            return {"status": Outcome.INVALID_CALL}
        self._ncp.tokens.manufacturing[identifier] = data
        self._ncp.save()
        return {"status": Outcome.OK}

    @command("setToken")
    def set_token(self, a: Arguments) -> Values:
        if int(a["tokenId"]) >= USER_TOKENS:
            return {"status": Outcome.BAD_ARGUMENT}
        self._ncp.tokens.user[int(a["tokenId"])] = bytes(a["tokenData"])
        self._ncp.save()
        return {"status": Outcome.OK}

    @command("getToken")
    def get_token(self, a: Arguments) -> Values:
        known = int(a["tokenId"]) < USER_TOKENS
        data = self._ncp.tokens.user.get(int(a["tokenId"]), b"\xff" * USER_TOKEN_LENGTH)
        return {"status": Outcome.OK if known else Outcome.BAD_ARGUMENT, "tokenData": list(data)}

    @command("tokenFactoryReset")
    def token_factory_reset(self, a: Arguments) -> Values:
        # The stack that runs keeps its network until the reset that follows.
        tokens = self._ncp.tokens
        tokens.network = tokens.security = None
        tokens.keys.clear()
        if not a["excludeOutgoingFC"]:
            tokens.nwk_counter = tokens.aps_counter = 0
        if not a["excludeBootCounter"]:
            tokens.boot_counter = 0
        self._ncp.stack.key_table.clear()
        self._ncp.stack.children.clear()
        self._ncp.save()
        return {}

    @command("getTokenCount")
    def get_token_count(self, a: Arguments) -> Values:
        return {"count": len(_OBJECTS)}

    @command("getTokenInfo")
    def get_token_info(self, a: Arguments) -> Values:
        listed = list(_OBJECTS.items())
        index = int(a["index"])
        found = index < len(listed)
        key, size = listed[index] if found else (0, 0)
        kind = t.SlZigbeeTokenInfo if self._ncp.codec.version >= ANSWERS_WITH_VERSION_19 else t.EmberTokenInfo
        return {
            "status": Outcome.OK if found else Outcome.INVALID_INDEX,
            "token_info": kind(nvm3Key=key, isCnt=False, isIdx=False, size=size, arraySize=1 if found else 0),
        }

    @command("getTokenData")
    def get_token_data(self, a: Arguments) -> Values:
        data = self._read(int(a["token"])) if int(a["index"]) == 0 else None
        if data is None:
            return {"status": Outcome.BAD_ARGUMENT}
        return {"status": Outcome.OK, "value": data}

    def _read(self, key: int) -> bytes | None:
        network, security = self._ncp.tokens.network, self._ncp.tokens.security
        if key == _Key.CREATOR_STACK_RESTORED_EUI64:
            return self._ncp.tokens.restored_eui64
        if key == _Key.NVM3KEY_STACK_BOOT_COUNTER:
            return self._ncp.tokens.boot_counter.to_bytes(4, "little")
        if key == _Key.NVM3KEY_STACK_NODE_DATA:
            if network is None:
                return b"\xff" * _OBJECTS[key]
            return bytes(
                t.NV3StackNodeData(
                    panId=network.pan_id,
                    radioTxPower=network.power_dbm,
                    radioFreqChannel=network.channel,
                    stackProfile=STACK_PROFILE_PRO,
                    nodeType=t.EmberNodeType.COORDINATOR,
                    zigbeeNodeId=COORDINATOR,
                    extendedPanId=t.ExtendedPanId.deserialize(network.extended_pan_id)[0],
                ).serialize()
            )
        if key == _Key.NVM3KEY_STACK_NETWORK_MANAGEMENT:
            return bytes(
                t.NV3StackNetworkManagementToken(
                    active_channels=t.Channels(network.channel_mask if network else 0),  # type: ignore[no-untyped-call]
                    manager_node_id=network.manager if network else 0,
                    update_id=network.update_id if network else 0,
                    padding=0,
                ).serialize()
            )
        if key == _Key.NVM3KEY_STACK_TRUST_CENTER:
            if security is None:
                return b"\xff" * _OBJECTS[key]
            return security.bitmask.to_bytes(2, "little") + security.trust_centre + security.link_key
        return None

    @command("setTokenData")
    def set_token_data(self, a: Arguments) -> Values:
        key, data = int(a["token"]), bytes(a["token_data"])
        if int(a["index"]) != 0 or _OBJECTS.get(_Key(key)) != len(data):
            return {"status": Outcome.BAD_ARGUMENT}
        outcome = self._write(key, data)
        if outcome is Outcome.OK:
            self._ncp.save()
        return {"status": outcome}

    def _write(self, key: int, data: bytes) -> Outcome:
        """Change flash; the running stack sees it after the next reset."""
        tokens = self._ncp.tokens
        if key == _Key.CREATOR_STACK_RESTORED_EUI64:
            tokens.restored_eui64 = data
        elif key == _Key.NVM3KEY_STACK_BOOT_COUNTER:
            tokens.boot_counter = int.from_bytes(data, "little")
        elif tokens.network is None or tokens.security is None:
            return Outcome.NOT_FOUND
        elif key == _Key.NVM3KEY_STACK_NODE_DATA:
            node, _ = t.NV3StackNodeData.deserialize(data)
            tokens.network.pan_id = int(node.panId)
            tokens.network.power_dbm = int(node.radioTxPower)
            tokens.network.channel = int(node.radioFreqChannel)
            tokens.network.extended_pan_id = bytes(node.extendedPanId.serialize())
        elif key == _Key.NVM3KEY_STACK_NETWORK_MANAGEMENT:
            management, _ = t.NV3StackNetworkManagementToken.deserialize(data)
            tokens.network.channel_mask = int(management.active_channels)
            tokens.network.manager = int(management.manager_node_id)
            tokens.network.update_id = int(management.update_id)
        else:
            tokens.security.bitmask = int.from_bytes(data[:2], "little")
            tokens.security.trust_centre = data[2:10]
            tokens.security.link_key = data[10:]
        return Outcome.OK
