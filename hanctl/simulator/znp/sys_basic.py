"""MT SYS: ping, version, reset, addresses and the odds and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from zigpy_znp.types.nvids import OsalNvIds

from hanctl.simulator.znp.codec import c, t
from hanctl.simulator.znp.firmware import VERSION, ZnpFirmware

CODE_REVISION = 20220219
CAPABILITIES = 0x0779


def _ping(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.Ping.Rsp(Capabilities=t.MTCapabilities(CAPABILITIES))


def _version(dongle: ZnpFirmware, request: Any) -> Any:
    transport, product, major, minor, maintenance = VERSION
    return c.SYS.Version.Rsp(
        TransportRev=transport,
        ProductId=product,
        MajorRel=major,
        MinorRel=minor,
        MaintRel=maintenance,
        CodeRevision=CODE_REVISION,
        BootloaderBuildType=c.sys.BootloaderBuildType.NON_BOOTLOADER_BUILD,
        BootloaderRevision=0xFFFFFFFF,
    )


def _reset(dongle: ZnpFirmware, request: Any) -> None:
    dongle.reboot()


def _get_ext_addr(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.GetExtAddr.Rsp(ExtAddr=t.EUI64.deserialize(dongle.nvram.item(OsalNvIds.EXTADDR))[0])


def _set_ext_addr(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.nvram.put_item(OsalNvIds.EXTADDR, request.ExtAddr.serialize())
    return c.SYS.SetExtAddr.Rsp(Status=t.Status.SUCCESS)


def _random(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.Random.Rsp(Value=dongle.stack.medium.rng.randrange(0x10000))


def _stack_tune(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.StackTune.Rsp(Value=request.Value)


def _set_tx_power(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.SetTxPower.Rsp(StatusOrPower=0)


def _set_time(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.SetTime.Rsp(Status=t.Status.SUCCESS)


def _get_time(dongle: ZnpFirmware, request: Any) -> Any:
    """Answer the time of a chip whose clock nobody set: it counts from its epoch."""
    seconds = int(asyncio.get_running_loop().time()) & 0xFFFFFFFF
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return c.SYS.GetTime.Rsp(
        UTCTime=seconds, Hour=hours % 24, Minute=minute, Second=second, Month=1, Day=1 + hours // 24 % 28, Year=2000
    )


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.SYS.Ping.Req: _ping,
    c.SYS.Version.Req: _version,
    c.SYS.ResetReq.Req: _reset,
    c.SYS.GetExtAddr.Req: _get_ext_addr,
    c.SYS.SetExtAddr.Req: _set_ext_addr,
    c.SYS.Random.Req: _random,
    c.SYS.StackTune.Req: _stack_tune,
    c.SYS.SetTxPower.Req: _set_tx_power,
    c.SYS.SetTime.Req: _set_time,
    c.SYS.GetTime.Req: _get_time,
}
