"""Configuration values, policies, values and endpoints: all volatile, as on silicon."""

from __future__ import annotations

from bellows.types import EzspConfigId as Config
from bellows.types import EzspPolicyId as Policy
from bellows.types import EzspValueId as Value

from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.versions import version_info
from hanctl.simulator.network.trust_centre import JoinPolicy
from hanctl.simulator.zdo import Endpoint

ALLOW_JOINS = 0x01
ALLOW_UNSECURED_REJOINS = 0x02
JOINS_USE_INSTALL_CODE_KEY = 0x10
CONTENTS_IN_CALLBACK = 0x41
ALLOW_APP_KEY_REQUESTS = 0x61
ENDPOINT_ENABLED = 0x0001
MAX_ENDPOINTS = 10
BUFFER_POOL = 255

# Default, and the most that memory gives. Tables have their size fixed before the network starts.
_DEFAULTS: dict[int, tuple[int, int]] = {
    Config.CONFIG_PACKET_BUFFER_COUNT: (BUFFER_POOL, 0xFFFF),
    Config.CONFIG_NEIGHBOR_TABLE_SIZE: (26, 26),
    Config.CONFIG_APS_UNICAST_MESSAGE_COUNT: (20, 64),
    Config.CONFIG_BINDING_TABLE_SIZE: (16, 32),
    Config.CONFIG_ADDRESS_TABLE_SIZE: (16, 256),
    Config.CONFIG_MULTICAST_TABLE_SIZE: (8, 64),
    Config.CONFIG_ROUTE_TABLE_SIZE: (16, 254),
    Config.CONFIG_DISCOVERY_TABLE_SIZE: (8, 64),
    Config.CONFIG_STACK_PROFILE: (0, 2),
    Config.CONFIG_SECURITY_LEVEL: (5, 5),
    Config.CONFIG_MAX_HOPS: (30, 30),
    Config.CONFIG_MAX_END_DEVICE_CHILDREN: (32, 64),
    Config.CONFIG_INDIRECT_TRANSMISSION_TIMEOUT: (3000, 30000),
    Config.CONFIG_END_DEVICE_POLL_TIMEOUT: (8, 14),
    Config.CONFIG_TX_POWER_MODE: (0, 3),
    Config.CONFIG_DISABLE_RELAY: (0, 1),
    Config.CONFIG_TRUST_CENTER_ADDRESS_CACHE_SIZE: (0, 64),
    Config.CONFIG_SOURCE_ROUTE_TABLE_SIZE: (32, 254),
    Config.CONFIG_FRAGMENT_WINDOW_SIZE: (1, 8),
    Config.CONFIG_FRAGMENT_DELAY_MS: (0, 0xFFFF),
    Config.CONFIG_APS_ACK_TIMEOUT: (1600, 0xFFFF),
    Config.CONFIG_ACTIVE_SCAN_DURATION: (3, 6),
    Config.CONFIG_END_DEVICE_BIND_TIMEOUT: (60, 0xFF),
    Config.CONFIG_PAN_ID_CONFLICT_REPORT_THRESHOLD: (2, 63),
    Config.CONFIG_REQUEST_KEY_TIMEOUT: (0, 10),
    Config.CONFIG_CERTIFICATE_TABLE_SIZE: (0, 1),
    Config.CONFIG_APPLICATION_ZDO_FLAGS: (0, 0xFF),
    Config.CONFIG_BROADCAST_TABLE_SIZE: (15, 254),
    Config.CONFIG_MAC_FILTER_TABLE_SIZE: (0, 254),
    Config.CONFIG_SUPPORTED_NETWORKS: (1, 2),
    Config.CONFIG_SEND_MULTICASTS_TO_SLEEPY_ADDRESS: (0, 1),
    Config.CONFIG_ZLL_GROUP_ADDRESSES: (0, 0xFF),
    Config.CONFIG_ZLL_RSSI_THRESHOLD: (0xFFD8, 0xFFFF),
    Config.CONFIG_MTORR_FLOW_CONTROL: (1, 1),
    Config.CONFIG_RETRY_QUEUE_SIZE: (16, 255),
    Config.CONFIG_NEW_BROADCAST_ENTRY_THRESHOLD: (9, 255),
    Config.CONFIG_TRANSIENT_KEY_TIMEOUT_S: (300, 0xFFFF),
    Config.CONFIG_BROADCAST_MIN_ACKS_NEEDED: (0xFF, 0xFF),
    Config.CONFIG_TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S: (90, 0xFFFF),
    Config.CONFIG_CTUNE_VALUE: (0, 0xFFFF),
    Config.CONFIG_ASSUME_TC_CONCENTRATOR_TYPE: (0, 2),
    Config.CONFIG_GP_PROXY_TABLE_SIZE: (5, 5),
    Config.EZSP_CONFIG_GP_SINK_TABLE_SIZE: (0, 5),
}
_FIXED_ONCE_UP = frozenset(
    (
        Config.CONFIG_NEIGHBOR_TABLE_SIZE,
        Config.CONFIG_APS_UNICAST_MESSAGE_COUNT,
        Config.CONFIG_BINDING_TABLE_SIZE,
        Config.CONFIG_ADDRESS_TABLE_SIZE,
        Config.CONFIG_MULTICAST_TABLE_SIZE,
        Config.CONFIG_ROUTE_TABLE_SIZE,
        Config.CONFIG_DISCOVERY_TABLE_SIZE,
        Config.CONFIG_MAX_END_DEVICE_CHILDREN,
        Config.CONFIG_SOURCE_ROUTE_TABLE_SIZE,
        Config.CONFIG_KEY_TABLE_SIZE,
        Config.CONFIG_SUPPORTED_NETWORKS,
    )
)

# Assumption, to be proven on silicon: joins are allowed until the host says otherwise.
_POLICIES: dict[int, int] = {
    Policy.TRUST_CENTER_POLICY: ALLOW_JOINS,
    Policy.BINDING_MODIFICATION_POLICY: 0x10,
    Policy.UNICAST_REPLIES_POLICY: 0x20,
    Policy.POLL_HANDLER_POLICY: 0x30,
    Policy.MESSAGE_CONTENTS_IN_CALLBACK_POLICY: 0x40,
    Policy.TC_KEY_REQUEST_POLICY: 0x51,
    Policy.APP_KEY_REQUEST_POLICY: 0x60,
    Policy.PACKET_VALIDATE_LIBRARY_POLICY: 0x62,
    Policy.ZLL_POLICY: 0x00,
    Policy.TC_REJOINS_USING_WELL_KNOWN_KEY_POLICY: 0x00,
}

# Values that are only remembered, with their size in bytes.
_VALUES: dict[int, bytes] = {
    Value.VALUE_MAC_PASSTHROUGH_FLAGS: bytes(1),
    Value.VALUE_MAXIMUM_INCOMING_TRANSFER_SIZE: (82).to_bytes(2, "little"),
    Value.VALUE_MAXIMUM_OUTGOING_TRANSFER_SIZE: (82).to_bytes(2, "little"),
    Value.VALUE_STACK_TOKEN_WRITING: bytes([1]),
    Value.VALUE_STACK_IS_PERFORMING_REJOIN: bytes(1),
    Value.VALUE_EXTENDED_SECURITY_BITMASK: bytes(2),
    Value.VALUE_DESCRIPTOR_CAPABILITY: bytes(1),
    Value.VALUE_RADIO_HOLD_OFF: bytes(1),
    Value.VALUE_MFG_SECURITY_CONFIG: bytes(4),
    Value.VALUE_NEXT_ZIGBEE_SEQUENCE_NUMBER: bytes(1),
    Value.VALUE_CCA_THRESHOLD: bytes([0xB5, 0xFF]),
    Value.VALUE_ENABLE_R21_BEHAVIOR: bytes(1),
    Value.VALUE_ANTENNA_MODE: bytes(1),
    Value.VALUE_NWK_KEY_TIMEOUT: bytes([100]),
    Value.VALUE_FORCE_TX_AFTER_FAILED_CCA_ATTEMPTS: bytes(1),
    Value.VALUE_END_DEVICE_KEEP_ALIVE_SUPPORT_MODE: bytes([3]),
    Value.VALUE_TRANSIENT_DEVICE_TIMEOUT: (10000).to_bytes(2, "little"),
    Value.VALUE_KEY_STORAGE_VERSION: bytes([1]),
    Value.VALUE_MAX_NWK_RETRIES: bytes([3]),
    Value.VALUE_REJOIN_MODE: bytes(1),
    Value.VALUE_JOIN_USE_INSTALL_CODE_ENABLE: bytes(1),
}


class Configuration:
    """Handlers of the configuration commands: what a host sets after each reset."""

    def __init__(self, ncp: EzspFirmware) -> None:
        self._ncp = ncp
        self._values = dict(_VALUES)
        self._settings = {identifier: default for identifier, (default, _) in _DEFAULTS.items()}
        self._settings[Config.CONFIG_KEY_TABLE_SIZE] = ncp.factory_key_table_size
        self._limits = {identifier: limit for identifier, (_, limit) in _DEFAULTS.items()}
        # The key table stands in flash whose layout is compiled in.
        self._limits[Config.CONFIG_KEY_TABLE_SIZE] = ncp.factory_key_table_size
        self._policies = dict(_POLICIES)

    def __getitem__(self, identifier: int) -> int:
        return self._settings[identifier]

    @property
    def contents_in_callback(self) -> bool:
        """Whether messageSentHandler repeats the message."""
        return self._policies[Policy.MESSAGE_CONTENTS_IN_CALLBACK_POLICY] == CONTENTS_IN_CALLBACK

    def apply_policy(self) -> None:
        """Tell the stack whom the trust centre lets in."""
        decision = self._policies[Policy.TRUST_CENTER_POLICY]
        self._ncp.stack.policy = JoinPolicy(
            allow_joins=bool(decision & ALLOW_JOINS),
            install_codes_only=bool(decision & JOINS_USE_INSTALL_CODE_KEY),
            trust_centre_rejoins=bool(decision & ALLOW_UNSECURED_REJOINS),
            partner_keys=self._policies[Policy.APP_KEY_REQUEST_POLICY] == ALLOW_APP_KEY_REQUESTS,
        )

    # --- configuration values

    @command("getConfigurationValue")
    def get_configuration_value(self, a: Arguments) -> Values:
        if a["configId"] not in self._settings:
            return {"status": Outcome.UNKNOWN_ID, "value": 0}
        return {"status": Outcome.OK, "value": self._settings[a["configId"]]}

    @command("setConfigurationValue")
    def set_configuration_value(self, a: Arguments) -> Values:
        identifier, value = int(a["configId"]), int(a["value"])
        if identifier not in self._settings:
            return {"status": Outcome.UNKNOWN_ID}
        if identifier in _FIXED_ONCE_UP and self._ncp.stack.up:
            return {"status": Outcome.INVALID_CALL}
        if value > self._limits[identifier]:
            return {"status": Outcome.OUT_OF_MEMORY if identifier in _FIXED_ONCE_UP else Outcome.BAD_ARGUMENT}
        self._settings[identifier] = value
        if identifier == Config.CONFIG_KEY_TABLE_SIZE:
            self._ncp.stack.key_table_size = value
        elif identifier == Config.CONFIG_INDIRECT_TRANSMISSION_TIMEOUT:
            self._ncp.stack.medium.indirect_timeout_s = value / 1000
        return {"status": Outcome.OK}

    # --- policies

    @command("setPolicy")
    def set_policy(self, a: Arguments) -> Values:
        if a["policyId"] not in self._policies:
            return {"status": Outcome.UNKNOWN_ID}
        self._policies[int(a["policyId"])] = int(a["decisionId"])
        self.apply_policy()
        return {"status": Outcome.OK}

    @command("getPolicy")
    def get_policy(self, a: Arguments) -> Values:
        if a["policyId"] not in self._policies:
            return {"status": Outcome.UNKNOWN_ID, "decisionId": 0}
        return {"status": Outcome.OK, "decisionId": self._policies[a["policyId"]]}

    # --- values

    @command("getValue")
    def get_value(self, a: Arguments) -> Values:
        value = self._read_value(int(a["valueId"]))
        return {"status": Outcome.UNKNOWN_ID if value is None else Outcome.OK, "value": value or b""}

    def _read_value(self, identifier: int) -> bytes | None:
        stack, tokens = self._ncp.stack, self._ncp.tokens
        if identifier == Value.VALUE_VERSION_INFO:
            return version_info(self._ncp.codec.version)
        if identifier == Value.VALUE_FREE_BUFFERS:
            return BUFFER_POOL.to_bytes(2, "little")
        if identifier == Value.VALUE_NODE_SHORT_ID:
            return (0 if stack.up else 0xFFFE).to_bytes(2, "little")
        if identifier == Value.VALUE_NWK_FRAME_COUNTER:
            counter = stack.network.frame_counter if stack.network else tokens.nwk_counter
            return counter.to_bytes(4, "little")
        if identifier == Value.VALUE_APS_FRAME_COUNTER:
            return tokens.aps_counter.to_bytes(4, "little")
        if identifier == Value.VALUE_TRANSIENT_KEY_TIMEOUT_S:
            return self._settings[Config.CONFIG_TRANSIENT_KEY_TIMEOUT_S].to_bytes(2, "little")
        return self._values.get(identifier)

    @command("setValue")
    def set_value(self, a: Arguments) -> Values:
        return {"status": self._write_value(int(a["valueId"]), bytes(a["value"]))}

    def _write_value(self, identifier: int, value: bytes) -> Outcome:
        tokens = self._ncp.tokens
        if identifier in (Value.VALUE_NWK_FRAME_COUNTER, Value.VALUE_APS_FRAME_COUNTER):
            if self._ncp.stack.up:
                return Outcome.INVALID_CALL
            if len(value) != 4:
                return Outcome.BAD_ARGUMENT
            counter = int.from_bytes(value, "little")
            if identifier == Value.VALUE_NWK_FRAME_COUNTER:
                tokens.nwk_counter = counter
            else:
                tokens.aps_counter = counter
            self._ncp.save()
            return Outcome.OK
        if identifier == Value.VALUE_TRANSIENT_KEY_TIMEOUT_S and len(value) == 2:
            self._settings[Config.CONFIG_TRANSIENT_KEY_TIMEOUT_S] = int.from_bytes(value, "little")
            return Outcome.OK
        if identifier not in self._values:
            return Outcome.UNKNOWN_ID
        if not 1 <= len(value) <= 16:
            return Outcome.BAD_ARGUMENT
        self._values[identifier] = value
        return Outcome.OK

    @command("getExtendedValue")
    def get_extended_value(self, a: Arguments) -> Values:
        # A refusal still carries two bytes (source: peers.md §3.1 requirement 1).
        if int(a["valueId"]) == 0 and int(a["characteristics"]) in self._ncp.stack.endpoints:
            return {"status": Outcome.OK, "value": ENDPOINT_ENABLED.to_bytes(2, "little")}
        outcome = Outcome.BAD_ARGUMENT if int(a["valueId"]) == 0 else Outcome.UNKNOWN_ID
        return {"status": outcome, "value": bytes(2)}

    # --- endpoints and what the node says of itself

    @command("addEndpoint")
    def add_endpoint(self, a: Arguments) -> Values:
        # bellows' schema has no counted lists: both arrive in the first.
        clusters = [int(c) for c in (*a["inputClusterList"], *a["outputClusterList"])]
        inputs, outputs = int(a["inputClusterCount"]), int(a["outputClusterCount"])
        endpoints = self._ncp.stack.endpoints
        number = int(a["endpoint"])
        if len(clusters) != inputs + outputs or not 1 <= number <= 0xFE:
            return {"status": Outcome.BAD_ARGUMENT}
        if self._ncp.stack.up:
            return {"status": Outcome.INVALID_CALL}
        if number not in endpoints and len(endpoints) >= MAX_ENDPOINTS:
            return {"status": Outcome.OUT_OF_MEMORY}
        endpoints[number] = Endpoint(
            number,
            int(a["profileId"]),
            int(a["deviceId"]),
            int(a["deviceVersion"]),
            tuple(clusters[:inputs]),
            tuple(clusters[inputs:]),
        )
        return {"status": Outcome.OK}

    @command("setManufacturerCode")
    def set_manufacturer_code(self, a: Arguments) -> Values:
        self._ncp.stack.manufacturer_code = int(a["code"])
        return {"status": Outcome.OK}

    @command("setPowerDescriptor")
    def set_power_descriptor(self, a: Arguments) -> Values:
        return {"status": Outcome.OK}
