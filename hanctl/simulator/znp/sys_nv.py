"""MT SYS: access to NVRAM, by OSAL item (0x07-0x13, 0x1C, 0x1D) and by system, item and sub-item (0x30-0x36)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hanctl.simulator.znp.codec import c, t
from hanctl.simulator.znp.firmware import ZnpFirmware
from hanctl.simulator.znp.nvram import LAST_OSAL_ID, LEGACY, ZSTACK, Key, osal

# What fits into one response beside its status and length.
_READ_LIMIT = 248
_LARGEST_ITEM = 0x0400


def _write(dongle: ZnpFirmware, key: Key, offset: int, value: bytes) -> Any:
    current = dongle.nvram.get(key)
    if current is None:
        return t.Status.NV_OPER_FAILED
    if offset + len(value) > len(current):
        return t.Status.NV_BAD_ITEM_LEN
    dongle.nvram.put(key, current[:offset] + value + current[offset + len(value) :])
    return t.Status.SUCCESS


def _create(dongle: ZnpFirmware, key: Key, length: int, value: bytes) -> bool:
    """Create the item unless it exists; tell whether it is new."""
    if dongle.nvram.get(key) is not None:
        return False
    dongle.nvram.put(key, value[:length].ljust(length, b"\x00"))
    return True


# --- OSAL items


def _osal_init(dongle: ZnpFirmware, request: Any) -> Any:
    if request.Id > LAST_OSAL_ID or not 0 < request.ItemLen <= _LARGEST_ITEM:
        status = t.Status.INVALID_PARAMETER
    elif _create(dongle, osal(request.Id), request.ItemLen, bytes(request.Value)):
        # Not an error: the item was not there, and is now.
        status = t.Status.NV_ITEM_UNINIT
    else:
        status = t.Status.SUCCESS
    return c.SYS.OSALNVItemInit.Rsp(Status=status)


def _osal_read(dongle: ZnpFirmware, request: Any) -> Any:
    value = dongle.nvram.get(osal(request.Id))
    if value is None or request.Offset >= len(value):
        return request.Rsp(Status=t.Status.INVALID_PARAMETER, Value=t.ShortBytes(b""))
    part = value[request.Offset : request.Offset + _READ_LIMIT]
    return request.Rsp(Status=t.Status.SUCCESS, Value=t.ShortBytes(part))


def _osal_write(dongle: ZnpFirmware, request: Any) -> Any:
    if request.Id > LAST_OSAL_ID:
        return request.Rsp(Status=t.Status.INVALID_PARAMETER)
    return request.Rsp(Status=_write(dongle, osal(request.Id), request.Offset, bytes(request.Value)))


def _osal_delete(dongle: ZnpFirmware, request: Any) -> Any:
    value = dongle.nvram.get(osal(request.Id))
    if value is None:
        status = t.Status.NV_ITEM_UNINIT
    elif len(value) != request.ItemLen:
        status = t.Status.NV_BAD_ITEM_LEN
    else:
        dongle.nvram.delete(osal(request.Id))
        status = t.Status.SUCCESS
    return c.SYS.OSALNVDelete.Rsp(Status=status)


def _osal_length(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.OSALNVLength.Rsp(ItemLen=len(dongle.nvram.item(request.Id)))


# --- extended items


def _key(request: Any) -> Key:
    return (int(request.SysId), int(request.ItemId), int(request.SubId))


def _writable(key: Key) -> bool:
    return key[0] == ZSTACK and (key[1] != LEGACY or key[2] <= LAST_OSAL_ID)


def _nv_create(dongle: ZnpFirmware, request: Any) -> Any:
    key = _key(request)
    if not _writable(key) or not 0 < request.Length <= _LARGEST_ITEM:
        status = t.Status.INVALID_PARAMETER
    elif _create(dongle, key, request.Length, b"\xff" * request.Length):
        status = t.Status.SUCCESS
    else:
        status = t.Status.NV_OPER_FAILED
    return c.SYS.NVCreate.Rsp(Status=status)


def _nv_delete(dongle: ZnpFirmware, request: Any) -> Any:
    status = t.Status.SUCCESS if dongle.nvram.delete(_key(request)) else t.Status.NV_OPER_FAILED
    return c.SYS.NVDelete.Rsp(Status=status)


def _nv_length(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.NVLength.Rsp(Length=len(dongle.nvram.get(_key(request)) or b""))


def _nv_read(dongle: ZnpFirmware, request: Any) -> Any:
    value = dongle.nvram.get(_key(request))
    if value is None or request.Offset >= len(value):
        return c.SYS.NVRead.Rsp(Status=t.Status.NV_OPER_FAILED, Value=t.ShortBytes(b""))
    part = value[request.Offset : request.Offset + min(request.Length, _READ_LIMIT)]
    return c.SYS.NVRead.Rsp(Status=t.Status.SUCCESS, Value=t.ShortBytes(part))


def _nv_write(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.NVWrite.Rsp(Status=_write(dongle, _key(request), request.Offset, bytes(request.Value)))


def _nv_update(dongle: ZnpFirmware, request: Any) -> Any:
    key = _key(request)
    if not _writable(key) or not request.Value:
        return c.SYS.NVUpdate.Rsp(Status=t.Status.INVALID_PARAMETER)
    dongle.nvram.put(key, bytes(request.Value))
    return c.SYS.NVUpdate.Rsp(Status=t.Status.SUCCESS)


def _nv_compact(dongle: ZnpFirmware, request: Any) -> Any:
    return c.SYS.NVCompact.Rsp(Status=t.Status.SUCCESS)


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.SYS.OSALNVItemInit.Req: _osal_init,
    c.SYS.OSALNVRead.Req: _osal_read,
    c.SYS.OSALNVReadExt.Req: _osal_read,
    c.SYS.OSALNVWrite.Req: _osal_write,
    c.SYS.OSALNVWriteExt.Req: _osal_write,
    c.SYS.OSALNVDelete.Req: _osal_delete,
    c.SYS.OSALNVLength.Req: _osal_length,
    c.SYS.NVCreate.Req: _nv_create,
    c.SYS.NVDelete.Req: _nv_delete,
    c.SYS.NVLength.Req: _nv_length,
    c.SYS.NVRead.Req: _nv_read,
    c.SYS.NVWrite.Req: _nv_write,
    c.SYS.NVUpdate.Req: _nv_update,
    c.SYS.NVCompact.Req: _nv_compact,
}
