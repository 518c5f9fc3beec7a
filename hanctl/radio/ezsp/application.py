"""EZSP dongles, through bellows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import bellows.types as bt
import zigpy.state
import zigpy.types as t

from hanctl.radio.application import HubApplication, Sink, base_config, foreign_network, key_table_full
from hanctl.radio.errors import DeliveryFailed, NetworkStartFailed
from hanctl.radio.ezsp.messages import EzspLongMessages
from hanctl.radio.ezsp.unicasts import EzspUnicasts
from hanctl.radio.settings import DongleSettings

CLOSED = bt.EzspDecisionBitmask.ALLOW_UNSECURED_REJOINS
"""Trust centre policy between joins: nobody joins. A trust-centre rejoin gets the network key under the device's own
link key, which only a device with an established key has; the well-known key counts for nothing."""
INSTALL_CODE_JOINS = CLOSED | bt.EzspDecisionBitmask.ALLOW_JOINS | bt.EzspDecisionBitmask.JOINS_USE_INSTALL_CODE_KEY
ANY_INDEX = 0xFF
ANSWERS_IN_NEW_ORDER = 14
"""From this EZSP version on, exportLinkKeyByIndex answers status, context, key, metadata."""
TELLS_KEY_DATA = 13
"""From this EZSP version on, getApsKeyInfo takes the context that is given here."""
NO_ADDRESS = frozenset({0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF})
"""What EmberZNet answers where it knows no network address: unused, unknown, being discovered, unassigned."""


PARTNER_KEY_REFUSALS = {
    bt.EmberKeyStatus.TC_NO_LINK_KEY_FOR_REQUESTER: "one of the two has no established key",
    bt.EmberKeyStatus.TC_REQUESTER_EUI64_UNKNOWN: "the dongle does not know who asks",
    bt.EmberKeyStatus.TC_REJECTED_APP_KEY_REQUEST: "the dongle's policy is against it",
    bt.EmberKeyStatus.TC_FAILED_TO_SEND_APP_KEYS: "the keys could not be sent",
    bt.EmberKeyStatus.TC_TIMEOUT_WAITING_FOR_SECOND_APP_KEY_REQUEST: "the partner did not ask too",
    bt.EmberKeyStatus.TC_NON_MATCHING_APP_KEY_REQUEST_RECEIVED: "the partner asked for a key with another",
}


class EzspApplication(EzspUnicasts, EzspLongMessages):
    """The hub on an EmberZNet NCP."""

    MOST_ON_THE_WAY = 32
    """It says so when it has no room for one more."""

    _ezsp: Any

    def __init__(self, config: dict[str, Any], *, sink: Sink, settings: DongleSettings) -> None:
        super().__init__(config, sink=sink, settings=settings)
        self._told_sleepy: set[int] = set()
        self._address_places: dict[t.EUI64, int] = {}

    async def alive(self) -> None:
        await self._ezsp.nop()

    async def ensure_blank(self) -> None:
        (state,) = await self._ezsp.networkState()
        if state != bt.EmberNetworkStatus.NO_NETWORK:
            raise foreign_network("as something other than its coordinator")

    async def _reset(self) -> None:
        """Reset the dongle and register the endpoints again: bellows does not restore them."""
        await super()._reset()  # type: ignore[no-untyped-call]
        self._created_device_endpoints.clear()
        await self.register_endpoints()

    async def open_network(self, ieee: t.EUI64, link_key: bytes, seconds: int) -> None:
        """Give the dongle the key as a transient key, and permit joins with such a key.

        Only the hub permits: routers are not asked to, so that a new device joins through the hub itself and nothing
        stays open elsewhere when the window closes. Source: zigpy.md §5.
        """
        status = await self._ezsp.add_transient_link_key(ieee, bt.KeyData(link_key))
        self._expect_ok(status, "the dongle did not take the joining key")
        await self._set_trust_center_policy(INSTALL_CODE_JOINS)
        (status,) = await self._ezsp.permitJoining(seconds)
        self._expect_ok(status, "the dongle did not open the network")

    async def close_network(self) -> None:
        await self._ezsp.permitJoining(0)
        await self._set_trust_center_policy(CLOSED)

    async def own_address(self) -> t.EUI64:
        (ieee,) = await self._ezsp.getEui64()
        return t.EUI64(ieee)

    async def address_is_rewritable(self) -> bool:
        return bool(await self._ezsp.can_rewrite_custom_eui64())

    async def key_capacity(self) -> int:
        status, size = await self._ezsp.getConfigurationValue(configId=bt.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
        self._expect_ok(status, "the dongle did not tell the size of its key table")
        return int(size)

    async def install_link_key(self, ieee: t.EUI64, nwk: int, key: bytes) -> None:
        # Index 255: in place of the device's key, else in the first free place. Source: zigpy.md §5.
        (status,) = await self._ezsp.importLinkKey(index=ANY_INDEX, address=ieee, key=bt.KeyData(key))
        match bt.sl_Status.from_ember_status(status):
            case bt.sl_Status.OK:
                return
            case bt.sl_Status.FULL:
                raise key_table_full()
        raise DeliveryFailed(f"the dongle did not take the link key: {status!r}", "try again")

    async def remove_link_key(self, ieee: t.EUI64) -> None:
        await self.cleanup_tc_link_key(ieee)

    async def address_of(self, ieee: t.EUI64) -> int | None:
        *status, nwk = await self._ezsp.lookupNodeIdByEui64(eui64=ieee)
        if status and bt.sl_Status.from_ember_status(status[0]) != bt.sl_Status.OK:
            return None
        return None if int(nwk) in NO_ADDRESS else int(nwk)

    async def repair_address(self, ieee: t.EUI64, nwk: int) -> None:
        """Write the device into its entry of the address table, which the stack changes by what it hears."""
        place = self._address_places.setdefault(ieee, len(self._address_places) % await self._address_places_there())
        if self._ezsp.ezsp_version >= ANSWERS_IN_NEW_ORDER:
            await self._ezsp.setAddressTableInfo(index=place, eui64=ieee, nwk=bt.EmberNodeId(nwk))
            return
        await self._ezsp.setAddressTableRemoteEui64(addressTableIndex=place, eui64=ieee)
        await self._ezsp.setAddressTableRemoteNodeId(addressTableIndex=place, id=bt.EmberNodeId(nwk))

    async def _address_places_there(self) -> int:
        status, size = await self._ezsp.getConfigurationValue(configId=bt.EzspConfigId.CONFIG_ADDRESS_TABLE_SIZE)
        self._expect_ok(status, "the dongle did not tell the size of its address table")
        return max(1, int(size))

    async def key_counter(self, ieee: t.EUI64) -> int | None:
        """Read the data of a key only: other commands return the key itself."""
        if self._ezsp.ezsp_version < TELLS_KEY_DATA:
            return None
        context = bt.SecurityManagerContextV13(
            core_key_type=bt.SecurityManagerKeyType.APP_LINK,
            key_index=0,
            derived_type=bt.SecurityManagerDerivedKeyTypeV13.NONE,
            eui64=ieee,
            multi_network_index=0,
            flags=bt.SecurityManagerContextFlags.EUI_IS_VALID,
            psa_key_alg_permission=0,
        )
        answer = await self._ezsp.getApsKeyInfo(context_in=context)
        status, data = (answer[0], answer[1]) if self._ezsp.ezsp_version >= ANSWERS_IN_NEW_ORDER else answer[2:0:-1]
        if bt.sl_Status.from_ember_status(status) != bt.sl_Status.OK:
            return None
        return int(data.incoming_frame_counter)

    async def load_network_info(self, *, load_devices: bool = False) -> None:
        await super().load_network_info(load_devices=load_devices)
        if load_devices and self._ezsp.ezsp_version >= ANSWERS_IN_NEW_ORDER:
            # The library takes the answer's fields in their old order, and so finds no key.
            self.state.network_info.key_table = [key async for key in self._link_keys()]

    async def _link_keys(self) -> AsyncIterator[zigpy.state.Key]:
        for index in range(await self.key_capacity()):
            status, context, key, data = await self._ezsp.exportLinkKeyByIndex(index=index)
            if status == bt.sl_Status.OK:
                yield zigpy.state.Key(
                    key=key,
                    tx_counter=data.outgoing_frame_counter,
                    rx_counter=data.incoming_frame_counter,
                    partner_ieee=context.eui64,
                )

    def _handle_tc_join_handler(self, nwk: Any, ieee: t.EUI64, update: Any, decision: Any, parent: Any) -> None:
        """Report devices that the trust centre denied.

        The library would erase the link key of whoever somebody claims to be who was denied, and does so no more.
        """
        if decision == bt.EmberJoinDecision.DENY_JOIN and update != bt.EmberDeviceUpdate.DEVICE_LEFT:
            rejoin = update == bt.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_REJOIN
            self._sink.node_denied(t.EUI64(ieee), "rejoin" if rejoin else "join")
            return
        super()._handle_tc_join_handler(nwk, ieee, update, decision, parent)

    async def prepare_sleepy(self, nwk: int) -> None:
        # The stack forgets this only when it restarts, and so does this object.
        if nwk in self._told_sleepy:
            return
        self._told_sleepy.add(nwk)
        status, ieee = await self._ezsp.lookupEui64ByNodeId(nodeId=nwk)
        if bt.sl_Status.from_ember_status(status) == bt.sl_Status.OK:
            await self._ezsp.set_extended_timeout(nwk=nwk, ieee=ieee, extended_timeout=True)

    def ezsp_callback_handler(self, frame_name: str, args: list[Any]) -> None:
        """Handle callbacks, and notice a stack that went down by itself: the hub must then start it again."""
        if frame_name == "stackStatusHandler":
            status = bt.sl_Status.from_ember_status(args[0])
            if status == bt.sl_Status.NETWORK_DOWN:
                self._sink.line_lost("the dongle's network went down")
            return
        if frame_name == "zigbeeKeyEstablishmentHandler":
            self._partner_key_asked(*args)
            return
        if frame_name == "idConflictHandler":
            self._sink.address_conflict(int(args[0]))
            return
        super().ezsp_callback_handler(frame_name, args)  # type: ignore[no-untyped-call]

    def _partner_key_asked(self, requester: t.EUI64, status: bt.EmberKeyStatus) -> None:
        given = status == bt.EmberKeyStatus.TC_APP_KEY_SENT_TO_REQUESTER
        if given or status in PARTNER_KEY_REFUSALS:
            self._sink.partner_key_asked(t.EUI64(requester), given, PARTNER_KEY_REFUSALS.get(status, ""))

    def firmware(self) -> str:
        return self._firmware(self.state.node_info.version)

    async def ask_firmware(self) -> str:
        _, _, version = await self._ezsp.get_board_info()
        return self._firmware(version)

    def _firmware(self, version: str | None) -> str:
        return f"EmberZNet {version or '(unknown version)'}, EZSP {self._ezsp.ezsp_version}"

    async def _set_trust_center_policy(self, decision: int) -> None:
        (status,) = await self._ezsp.setPolicy(
            policyId=bt.EzspPolicyId.TRUST_CENTER_POLICY, decisionId=bt.EzspDecisionBitmask(decision)
        )
        self._expect_ok(status, "the dongle did not take the joining policy")

    @staticmethod
    def _expect_ok(status: Any, what: str) -> None:
        if bt.sl_Status.from_ember_status(status) != bt.sl_Status.OK:
            raise NetworkStartFailed(
                f"{what}: {status!r}", "try again; if it persists, unplug the dongle and replug it"
            )


def application(settings: DongleSettings, sink: Sink) -> HubApplication:
    """Return the application for this dongle, not connected yet."""
    config = base_config(settings) | {
        # One event loop for everything: no thread, and so no race between the serial line and the hub.
        "use_thread": False,
        # No rejoin with the well-known key; trust centre keys are not given on request, application keys are.
        # Source: zigpy.md §5.
        "ezsp_config": {"CONFIG_TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S": 0},
        "ezsp_policies": {
            "TRUST_CENTER_POLICY": int(CLOSED),
            "TC_KEY_REQUEST_POLICY": int(bt.EzspDecisionId.DENY_TC_KEY_REQUESTS),
            "APP_KEY_REQUEST_POLICY": int(bt.EzspDecisionId.ALLOW_APP_KEY_REQUESTS),
        },
    }
    return EzspApplication(config, sink=sink, settings=settings)
