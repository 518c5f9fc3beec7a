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
from zigpy_znp.zigbee.application import ControllerApplication

from hanctl.radio.application import HubApplication, Sink, base_config, foreign_network
from hanctl.radio.errors import UnsupportedFirmware
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE
from hanctl.radio.settings import DongleSettings

c: Any = zigpy_znp.commands
"""Untyped: the library makes these classes at import."""

_source_endpoint: ContextVar[int] = ContextVar("source_endpoint")


class ZnpApplication(HubApplication, ControllerApplication):
    """The hub on a Z-Stack coordinator."""

    _znp: Any

    async def connect(self) -> None:
        """Connect as the library does, but be told of a line that closes meanwhile, and leave no task behind."""
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
        # For good, not only while the network is open: nobody is ever to join with the well-known key.
        try:
            await self._znp.request(
                c.AppConfig.BDBSetJoinUsesInstallCodeKey.Req(BdbJoinUsesInstallCodeKey=True),
                RspStatus=zt.Status.SUCCESS,
            )
        except CommandNotRecognized:
            raise _no_install_codes() from None

    async def open_network(self, ieee: t.EUI64, link_key: bytes, seconds: int) -> None:
        """Give the key as derived from an install code, and permit joins through the hub itself.

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
        """Tell at once; the library would wait five seconds for the announcement, which comes on its own."""
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
        "the dongle's Z-Stack does not know install codes",
        "flash Z-Stack 3.30 or later (Z-Stack 3.x.0 coordinator firmware)",
    )


def _coroutine(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


def application(settings: DongleSettings, sink: Sink) -> HubApplication:
    """The application for this dongle, not connected yet."""
    # LEDs are left alone: builds without them never answer, which costs half a second at each start.
    config = base_config(settings) | {"znp_config": {"led_mode": None}}
    return ZnpApplication(config, sink=sink, channel=settings.channel)
