"""The hub's own endpoints, as registered in the dongle and as answered in service discovery.

Source: comms_hub.md §4.1. Only clusters the hub really serves are listed.
"""

from __future__ import annotations

from hanctl.model.records import EndpointRecord
from hanctl.radio.frames import SMART_ENERGY

ESI_ENDPOINT = 1
GAS_PROXY_ENDPOINT = 2
METER_ENDPOINT = 3

ESI_DEVICE_ID = 0x0500
METERING_DEVICE_ID = 0x0501

BASIC = 0x0000
TIME = 0x000A
OTA_UPGRADE = 0x0019
KEEP_ALIVE = 0x0025
PRICE = 0x0700
METERING = 0x0702
MESSAGING = 0x0703
PREPAYMENT = 0x0705
CALENDAR = 0x0707
DEVICE_MANAGEMENT = 0x0708
EVENTS = 0x0709
KEY_ESTABLISHMENT = 0x0800

_ESI = EndpointRecord(
    endpoint=ESI_ENDPOINT,
    profile=SMART_ENERGY,
    device_id=ESI_DEVICE_ID,
    input_clusters=(
        BASIC,
        TIME,
        OTA_UPGRADE,
        KEEP_ALIVE,
        PRICE,
        MESSAGING,
        CALENDAR,
        DEVICE_MANAGEMENT,
        EVENTS,
        KEY_ESTABLISHMENT,
    ),
    output_clusters=(EVENTS, KEY_ESTABLISHMENT),
)
_GAS_PROXY = EndpointRecord(
    endpoint=GAS_PROXY_ENDPOINT,
    profile=SMART_ENERGY,
    device_id=METERING_DEVICE_ID,
    input_clusters=(BASIC, PRICE, METERING, MESSAGING, PREPAYMENT, CALENDAR, DEVICE_MANAGEMENT, EVENTS),
    output_clusters=(EVENTS,),
)
_METER_STAND_IN = EndpointRecord(
    endpoint=METER_ENDPOINT,
    profile=SMART_ENERGY,
    device_id=METERING_DEVICE_ID,
    input_clusters=(BASIC, METERING, PREPAYMENT, EVENTS),
    output_clusters=(EVENTS,),
)


def hub_endpoints(*, meter_stand_in: bool = False) -> tuple[EndpointRecord, ...]:
    """Return the hub's endpoints: ESI, gas proxy and, if configured, the stand-in for an electricity meter."""
    return (_ESI, _GAS_PROXY, _METER_STAND_IN) if meter_stand_in else (_ESI, _GAS_PROXY)


HUB_ENDPOINTS = hub_endpoints()
