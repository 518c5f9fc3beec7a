"""Configure Reporting and Report Attributes: payloads, and when a report is due. Pure. Times in seconds.

Source: ZCL, as zigpy.zcl.foundation declares these commands (AttributeReportingConfig and its relatives).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from zigpy.zcl.foundation import DataType, DataTypeId

from hanctl.han.cluster import Reporting, Status
from hanctl.han.errors import MalformedZcl
from hanctl.han.zcl import take_value

SEND_REPORTS = 0x00
NEVER = 0xFFFF
"""A maximum interval that ends reporting."""


def is_analog(data_type: int) -> bool:
    """Tell whether values of this type are analog (numbers): only then is a reportable change configured."""
    known = DataType.from_type_id(DataTypeId(data_type))  # type: ignore[no-untyped-call]
    return bool(known.type_class.name == "Analog")


def parse_configure(payload: bytes) -> list[Reporting]:
    """Parse what a device wants reported. Records about its own reports are skipped."""
    wanted: list[Reporting] = []
    while payload:
        if len(payload) < 3:
            raise MalformedZcl("a record of Configure Reporting is cut short")
        direction, attribute = struct.unpack_from("<BH", payload)
        payload = payload[3:]
        if direction != SEND_REPORTS:
            if len(payload) < 2:
                raise MalformedZcl("a record of Configure Reporting has no timeout")
            payload = payload[2:]
            continue
        if len(payload) < 5:
            raise MalformedZcl("a record of Configure Reporting is cut short")
        data_type, min_s, max_s = struct.unpack_from("<BHH", payload)
        payload = payload[5:]
        change: int | None = None
        if _analog(data_type):
            value, payload = take_value(data_type, payload)
            change = value if isinstance(value, int) else 0
        wanted.append(Reporting(attribute, data_type, min_s, max_s, change))
    return wanted


def _analog(data_type: int) -> bool:
    try:
        return is_analog(data_type)
    except ValueError:
        raise MalformedZcl(f"there is no data type 0x{data_type:02x}") from None


def configure_response(failures: Iterable[tuple[int, int]]) -> bytes:
    """Build the payload for (attribute, status) pairs that will not be reported; empty: all will."""
    return b"".join(struct.pack("<BBH", status, SEND_REPORTS, attribute) for attribute, status in failures) or b"\x00"


def parse_read_configuration(payload: bytes) -> list[int]:
    """Parse the attributes asked for."""
    if len(payload) % 3:
        raise MalformedZcl("Read Reporting Configuration is cut short")
    return [attribute for direction, attribute in struct.iter_unpack("<BH", payload) if direction == SEND_REPORTS]


def configuration_record(reporting: Reporting) -> bytes:
    """Build one record of Read Reporting Configuration Response."""
    head = struct.pack(
        "<BBHBHH",
        Status.SUCCESS,
        SEND_REPORTS,
        reporting.attribute,
        reporting.data_type,
        reporting.min_s,
        reporting.max_s,
    )
    if reporting.change is None:
        return head
    python_type = DataType.from_type_id(DataTypeId(reporting.data_type)).python_type  # type: ignore[no-untyped-call]
    return head + bytes(python_type(reporting.change).serialize())


def no_configuration(attribute: int, status: Status) -> bytes:
    """Build the record of an attribute that is not reported."""
    return struct.pack("<BBH", status, SEND_REPORTS, attribute)


def report(attribute: int, data_type: int, value: bytes) -> bytes:
    """Build one record of Report Attributes."""
    return struct.pack("<HB", attribute, data_type) + value


def changed_enough(reporting: Reporting, before: bytes | None, now: bytes) -> bool:
    """Tell whether the serialized value differs from the last report by the configured reportable change."""
    if before is None:
        return True
    if before == now or reporting.change is None:
        return before != now
    old, _ = take_value(reporting.data_type, before)
    new, _ = take_value(reporting.data_type, now)
    if not isinstance(old, int) or not isinstance(new, int):
        return before != now
    return abs(new - old) >= max(1, abs(reporting.change))


def due_in(reporting: Reporting, since_last: float | None, *, changed: bool) -> float | None:
    """Return seconds until a report is due; None: only after a change. ``since_last``: seconds; None: never."""
    if since_last is None:
        return 0.0
    if changed:
        return max(0.0, reporting.min_s - since_last)
    return None if reporting.max_s == 0 else max(0.0, max(reporting.min_s, reporting.max_s) - since_last)
