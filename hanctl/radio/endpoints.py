"""The hub's own endpoints, as registered in the dongle and as answered in service discovery.

Source: comms_hub.md §4.1. Only clusters the hub really serves are listed. Endpoint 2 is kept for the gas proxy.
"""

from __future__ import annotations

from hanctl.ledger.records import EndpointRecord
from hanctl.radio.frames import SMART_ENERGY

ESI_ENDPOINT = 1
ESI_DEVICE_ID = 0x0500

BASIC = 0x0000
TIME = 0x000A
OTA_UPGRADE = 0x0019
KEEP_ALIVE = 0x0025
MESSAGING = 0x0703
KEY_ESTABLISHMENT = 0x0800

HUB_ENDPOINTS: tuple[EndpointRecord, ...] = (
    EndpointRecord(
        endpoint=ESI_ENDPOINT,
        profile=SMART_ENERGY,
        device_id=ESI_DEVICE_ID,
        input_clusters=(BASIC, TIME, OTA_UPGRADE, KEEP_ALIVE, MESSAGING, KEY_ESTABLISHMENT),
        output_clusters=(KEY_ESTABLISHMENT,),
    ),
)
