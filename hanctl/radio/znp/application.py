"""ZNP dongles (Z-Stack 3.30 and later), through zigpy-znp."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import zigpy.types as t
import zigpy_znp.commands
import zigpy_znp.types as zt
from zigpy_znp.api import ZNP
from zigpy_znp.exceptions import CommandNotRecognized

from hanctl.radio.application import HubApplication, Sink, base_config, foreign_network, key_table_full
from hanctl.radio.errors import DeliveryFailed, UnsupportedFirmware
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE
from hanctl.radio.settings import DongleSettings
from hanctl.radio.znp.messages import ZnpLongMessages
from hanctl.radio.znp.unicasts import ZnpUnicasts

c: Any = zigpy_znp.commands
"""Untyped: the library makes these classes at import."""

NO_ADDRESS = frozenset({0xFFFE, 0xFFFF})
"""What Z-Stack answers where it knows no network address."""
KEY_TABLE_FULL = frozenset({zt.Status.NWK_TABLE_FULL, zt.Status.APS_TABLE_FULL})

_source_endpoint: ContextVar[int] = ContextVar("source_endpoint")


class ZnpApplication(ZnpUnicasts, ZnpLongMessages):
    """The hub on a Z-Stack coordinator."""

    MOST_ON_THE_WAY = 16
    """What both zigpy-znp and zigbee-herdsman trust a Z-Stack 3 dongle with (peers.md §1.3, §3.3)."""

    _znp: Any

    async def connect(self) -> None:
        """Connect as the library does, but notice a line that closes meanwhile, and leave no task behind."""
        others = asyncio.all_tasks()
        znp: Any = ZNP(self.config)
        znp.set_application(self)
        try:
            await znp.connect()
        except BaseException:
            # The library's pinging would go on, and fail where nobody looks.
            left = [task for task in asyncio.all_tasks() - others if _coroutine(task).startswith("ZNP.")]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            raise
        self._znp = znp
        self._bind_callbacks()

    async def disconnect(self) -> None:
        """Close the line; the library would first reset a dongle that is gone, and complain that it cannot."""
        if self.line_is_gone and self._znp is not None:
            await self._znp.disconnect()
            self._znp = None
        await super().disconnect()  # type: ignore[no-untyped-call]

    async def alive(self) -> None:
        await self._znp.request(c.SYS.Ping.Req())

    async def ensure_blank(self) -> None:
        try:
            nib = await self._znp.nvram.osal_read(zt.nvids.OsalNvIds.NIB, item_type=zt.NIB)
        except KeyError:
            return
        if nib.nwkKeyLoaded and nib.nwkDevAddress not in (0x0000, 0xFFFE, 0xFFFF):
            raise foreign_network(f"as its node 0x{nib.nwkDevAddress:04x}")

    async def start_network(self, *, read_only: bool = False) -> None:
        await super().start_network()
        # A reset is not expected from here on: Z-Stack announces one by itself after a fault or a brown-out.
        self._znp.callback_for_response(c.SYS.ResetInd.Callback(partial=True), self._reset_itself)
        await self._close_for_good()

    async def open_network(self, ieee: t.EUI64, link_key: bytes, seconds: int) -> None:
        """Give the dongle the key of an install code, and permit joins through the hub itself.

        The library's own way sleeps until the window closes, so the commands are given here. Routers are not asked
        to permit, for the reason given in the EZSP part. Source: zigpy.md §5.
        """
        try:
            await self._znp.request(
                c.AppConfig.BDBAddInstallCode.Req(
                    InstallCodeFormat=c.app_config.InstallCodeFormat.KeyDerivedFromInstallCode,
                    IEEE=ieee,
                    InstallCode=zt.Bytes(link_key),
                ),
                RspStatus=zt.Status.SUCCESS,
            )
        except CommandNotRecognized:
            # The library's message repeats the request, and with it the key.
            raise _no_install_codes() from None
        await self._permit_here(seconds)

    async def close_network(self) -> None:
        await self._permit_here(0)

    async def own_address(self) -> t.EUI64:
        address: t.EUI64 = await self._znp.nvram.osal_read(zt.nvids.OsalNvIds.EXTADDR, item_type=t.EUI64)
        return address

    async def address_is_rewritable(self) -> bool:
        return True

    async def key_capacity(self) -> int:
        # The table is one item: a count, then the entries it has room for.
        nvram = self._znp.nvram
        whole = await nvram.osal_read(zt.nvids.OsalNvIds.APS_LINK_KEY_TABLE, item_type=zt.Bytes)
        blank = zt.APSLinkKeyTableEntry(AddressManagerIndex=0, LinkKeyNvId=0, AuthenticationState=0)
        empty, one = (len(nvram.serialize(zt.APSLinkKeyTable(entries))) for entries in ([], [blank]))
        return (len(whole) - empty) // (one - empty)

    async def install_link_key(self, ieee: t.EUI64, nwk: int, key: bytes) -> None:
        """Give the key with ZDO_SET_LINK_KEY, the best documented call; what firmware makes of it is not proven."""
        request = c.ZDO.SetLinkKey.Req(NWK=nwk, IEEE=ieee, LinkKeyData=t.KeyData(key))
        response = await self._znp.request(request)
        if response.Status in KEY_TABLE_FULL:
            raise key_table_full()
        if response.Status != zt.Status.SUCCESS:
            raise DeliveryFailed(f"the dongle did not take the link key: {response.Status!r}", "try again")

    async def remove_link_key(self, ieee: t.EUI64) -> None:
        # Whatever the status: a key that is not there needs no removal.
        await self._znp.request(c.ZDO.RemoveLinkKey.Req(IEEE=ieee))

    async def address_of(self, ieee: t.EUI64) -> int | None:
        response = await self._znp.request(c.UTIL.AddrMgrExtAddrLookup.Req(IEEE=ieee))
        return None if int(response.NWK) in NO_ADDRESS else int(response.NWK)

    async def repair_address(self, ieee: t.EUI64, nwk: int) -> None:
        """Ask the node at the address for its EUI64: the stack believes any such answer. Nothing else helps."""
        await self._znp.request(
            c.ZDO.IEEEAddrReq.Req(NWK=nwk, RequestType=c.zdo.AddrRequestType.SINGLE, StartIndex=0),
            RspStatus=zt.Status.SUCCESS,
        )

    async def key_counter(self, ieee: t.EUI64) -> int | None:
        """Read the counter of a key. The answer contains the key too, and is not passed on."""
        try:
            response = await self._znp.request(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=ieee))
        except CommandNotRecognized:
            return None
        return int(response.RxFrmCntr) if response.Status == zt.Status.SUCCESS else None

    async def recover(self, nwk: int, status: str) -> bool:
        # The library discovers a route only for devices it keeps itself, and here it keeps none.
        if status != "NWK_NO_ROUTE":
            return False
        await self._discover_route(t.NWK(nwk))  # type: ignore[no-untyped-call]
        return True

    def profile_of(self, packet: t.ZigbeePacket) -> int:
        # Z-Stack does not tell the profile; the library infers it from the endpoint. All of ours are Smart Energy.
        return ZDO_PROFILE if packet.dst_ep == 0 else SMART_ENERGY

    def on_zdo_tc_device_join(self, msg: Any) -> None:
        """Report the join at once; the library would wait 5 s for the announcement, which comes on its own."""
        app: Any = self
        app.create_task(self._discover_route(msg.SrcNwk))
        self.handle_join(nwk=msg.SrcNwk, ieee=msg.SrcIEEE, parent_nwk=msg.ParentNwk)

    async def _send_request_raw(self, *args: Any, **kwargs: Any) -> None:
        # The library replaces the source endpoint by a guess; see _find_endpoint. Source: zigpy.md §4.
        token = _source_endpoint.set(kwargs["src_ep"])
        try:
            await super()._send_request_raw(*args, **kwargs)
        finally:
            _source_endpoint.reset(token)

    def _find_endpoint(self, dst_ep: int, profile: int, cluster: int) -> int:
        return _source_endpoint.get()

    def firmware(self) -> str:
        return str(self.state.node_info.version or "Z-Stack")

    async def ask_firmware(self) -> str:
        # In the words of the library, which asks only where there is a network.
        version = await self._znp.request(c.SYS.Version.Req())
        kind = {1.2: "Z-Stack Home 1.2", 3.0: "Z-Stack 3.0.x"}.get(self._znp.version, "Z-Stack")
        return f"{kind} {version.CodeRevision or 0}"

    async def _close_for_good(self) -> None:
        """Set the joining policies permanently, not only while the network is open.

        Nobody is ever to join with the well-known key. Who lost the network key may rejoin under its own link key; and
        nobody is removed for keeping the key it joined with, as Zigbee 3.0 would.
        """
        config = c.AppConfig
        for request in (
            config.BDBSetJoinUsesInstallCodeKey.Req(BdbJoinUsesInstallCodeKey=True),
            config.SetAllowRejoinTCPolicy.Req(AllowRejoin=True),
            config.BDBSetTcRequireKeyExchange.Req(BdbTrustCenterRequireKeyExchange=False),
        ):
            try:
                await self._znp.request(request, RspStatus=zt.Status.SUCCESS)
            except CommandNotRecognized:
                raise _no_install_codes() from None

    def _reset_itself(self, msg: Any) -> None:
        self._sink.line_lost("the dongle reset itself")

    async def _permit_here(self, seconds: int) -> None:
        await self._znp.request_callback_rsp(
            request=c.ZDO.MgmtPermitJoinReq.Req(
                AddrMode=zt.AddrMode.NWK, Dst=self.state.node_info.nwk, Duration=seconds, TCSignificance=1
            ),
            RspStatus=zt.Status.SUCCESS,
            callback=c.ZDO.MgmtPermitJoinRsp.Callback(Src=self.state.node_info.nwk, partial=True),
        )


def _no_install_codes() -> UnsupportedFirmware:
    return UnsupportedFirmware(
        "the dongle's Z-Stack does not know install codes and the policies for joining with them",
        "flash Z-Stack 3.30 or later (Z-Stack 3.x.0 coordinator firmware)",
    )


def _coroutine(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


def application(settings: DongleSettings, sink: Sink) -> HubApplication:
    """Return the application for this dongle, not connected yet."""
    # LEDs are left alone: builds without them never answer, which costs half a second at each start.
    config = base_config(settings) | {"znp_config": {"led_mode": None}}
    return ZnpApplication(config, sink=sink, settings=settings)
