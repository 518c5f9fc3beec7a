"""Parse the payloads of the GBCS messages GCS09 and ECS12, which order changes of tenancy. Pure.

A payload is what stands between a message's headers and its MAC. Source: gbcs.md §1.7 and §1.8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from hanctl.base.errors import InvalidInput
from hanctl.tenancy import utc2000

GCS09_HEAD = bytes.fromhex("0109010107080014090000")
"""Profile, one component; control, cluster and length (big-endian); the ZCL header of Publish Change of Tenancy."""
GCS09_SIZE = 28
_GCS09_BODY = struct.Struct("<IIBII")

_ECS12_DATA = bytes.fromhex("01 02000100005E2C03020201 09 0C")
"""One SET of "Restrict Data Date Time", attribute 2, with an octet string of 12."""
ECS12_SIZE = 32
_UNSPECIFIED_YEAR, _UNSPECIFIED = 0xFFFF, 0xFF
_NO_DEVIATION = -0x8000


class BadPayload(InvalidInput):
    """The payload of a GBCS message is not that of a change of tenancy."""

    code = "bad-gbcs-payload"


@dataclass(frozen=True, slots=True)
class GbcsOrder:
    """A change of tenancy as ordered by a message.

    ``at``: the date it bears, which is the cut-off; None: now. ``control`` None: the message has none. ``cancels``: the
    pending change with the same provider and issuer event is to be cancelled.
    """

    use_case: Literal["GCS09", "ECS12"]
    fuel: Literal["electricity", "gas"]
    at: datetime | None
    provider_id: int = 0
    issuer_event_id: int | None = None
    tariff_type: int = 0
    control: int | None = None
    cancels: bool = False


def parse_gbcs_payload(text: str) -> GbcsOrder:
    """Read the payload of GCS09 or ECS12 from hex. Raises BadPayload."""
    try:
        payload = bytes.fromhex(text)
    except ValueError:
        raise BadPayload("the GBCS payload is not in hex", "give pairs of hex digits") from None
    if payload[:3] == GCS09_HEAD[:3]:
        return _gcs09(payload)
    if payload[:1] == b"\xd9":
        return _ecs12(payload)
    raise BadPayload(
        "this is no payload of a change of tenancy",
        "give that of GCS09 (28 bytes, 010901...) or ECS12 (32 bytes, d9...), without the message's headers and MAC",
    )


def _gcs09(payload: bytes) -> GbcsOrder:
    if len(payload) != GCS09_SIZE or payload[: len(GCS09_HEAD)] != GCS09_HEAD:
        raise BadPayload(
            f"this is not the payload of GCS09: {len(payload)} bytes, or another beginning",
            f"it has {GCS09_SIZE} bytes and begins with {GCS09_HEAD.hex()}",
        )
    provider, event, tariff, time, control = _GCS09_BODY.unpack(payload[len(GCS09_HEAD) :])
    if tariff > 2:
        raise BadPayload(f"tariff type {tariff} is not defined", "0 delivered, 1 received, 2 both")
    return GbcsOrder(
        "GCS09",
        "gas",
        None if time in {utc2000.NOW, utc2000.CANCEL} else utc2000.from_utc2000(time),
        provider,
        event,
        tariff,
        control,
        cancels=time == utc2000.CANCEL,
    )


def _ecs12(payload: bytes) -> GbcsOrder:
    # Between the tag and the data: the invoke id (4 bytes) and the length of an absent date-time.
    if len(payload) != ECS12_SIZE or payload[5] != 0 or payload[6 : 6 + len(_ECS12_DATA)] != _ECS12_DATA:
        raise BadPayload(
            f"this is not the payload of ECS12: {len(payload)} bytes",
            f"it has {ECS12_SIZE} bytes and sets Restrict Data Date Time (0-0:94.44.3.2)",
        )
    return GbcsOrder("ECS12", "electricity", _dlms_datetime(payload[-12:]))


def _dlms_datetime(octets: bytes) -> datetime:
    """Parse a DLMS date-time that names one time. Its deviation is minutes from local time to UTC; default UTC."""
    year, month, day, _, hour, minute, second, hundredths, deviation, _ = struct.unpack(">HBBBBBBBhB", octets)
    if year == _UNSPECIFIED_YEAR or _UNSPECIFIED in {month, day, hour, minute, second}:
        raise BadPayload("the date of ECS12 leaves parts open", "a restriction needs a full date and time")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise BadPayload(f"the date of ECS12 does not exist: {error}", "check the payload") from None
    if hundredths not in {_UNSPECIFIED, *range(100)}:
        raise BadPayload(f"the date of ECS12 has {hundredths} hundredths of a second", "check the payload")
    if deviation != _NO_DEVIATION:
        if not -720 <= deviation <= 840:
            raise BadPayload(f"the date of ECS12 deviates by {deviation} minutes", "check the payload")
        moment += timedelta(minutes=deviation)
    utc2000.to_utc2000(moment)
    return moment
