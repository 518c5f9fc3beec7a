"""Outcomes of commands, in the status codes of each generation of EZSP.

Up to version 13 a status is one byte of EmberStatus or EzspStatus, from 14 on a 32-bit sl_Status
(source: peers.md §3.1 requirement 5).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import bellows.types as t

_Ember = t.EmberStatus
_Ezsp = t.EzspStatus
_Sl = t.sl_Status


class Outcome(Enum):
    """One outcome in three status types: EmberStatus, EzspStatus, sl_Status."""

    OK = (_Ember.SUCCESS, _Ezsp.SUCCESS, _Sl.OK)
    FAIL = (_Ember.ERR_FATAL, _Ezsp.ERROR_INVALID_CALL, _Sl.FAIL)
    BAD_ARGUMENT = (_Ember.BAD_ARGUMENT, _Ezsp.ERROR_INVALID_VALUE, _Sl.INVALID_PARAMETER)
    UNKNOWN_ID = (_Ember.BAD_ARGUMENT, _Ezsp.ERROR_INVALID_ID, _Sl.INVALID_PARAMETER)
    OUT_OF_MEMORY = (_Ember.NO_BUFFERS, _Ezsp.ERROR_OUT_OF_MEMORY, _Sl.NO_MORE_RESOURCE)
    INVALID_CALL = (_Ember.INVALID_CALL, _Ezsp.ERROR_INVALID_CALL, _Sl.INVALID_STATE)
    NOT_FOUND = (_Ember.NOT_FOUND, _Ezsp.ERROR_INVALID_ID, _Sl.NOT_FOUND)
    INVALID_INDEX = (_Ember.INDEX_OUT_OF_RANGE, _Ezsp.ERROR_INVALID_VALUE, _Sl.INVALID_INDEX)
    TABLE_FULL = (_Ember.TABLE_FULL, _Ezsp.ERROR_OUT_OF_MEMORY, _Sl.FULL)
    ENTRY_ERASED = (_Ember.TABLE_ENTRY_ERASED, _Ezsp.ERROR_INVALID_ID, _Sl.NOT_FOUND)
    NOT_SUPPORTED = (_Ember.LIBRARY_NOT_PRESENT, _Ezsp.ERROR_INVALID_CALL, _Sl.NOT_AVAILABLE)
    NO_BOOTLOADER = (_Ember.ERR_BOOTLOADER_NO_IMAGE, _Ezsp.ERROR_INVALID_CALL, _Sl.NOT_AVAILABLE)
    NOT_JOINED = (_Ember.NOT_JOINED, _Ezsp.ERROR_INVALID_CALL, _Sl.NOT_JOINED)
    NETWORK_UP = (_Ember.NETWORK_UP, _Ezsp.SUCCESS, _Sl.NETWORK_UP)
    NETWORK_DOWN = (_Ember.NETWORK_DOWN, _Ezsp.ERROR_INVALID_CALL, _Sl.NETWORK_DOWN)
    NETWORK_OPENED = (_Ember.NETWORK_OPENED, _Ezsp.SUCCESS, _Sl.ZIGBEE_NETWORK_OPENED)
    NETWORK_CLOSED = (_Ember.NETWORK_CLOSED, _Ezsp.SUCCESS, _Sl.ZIGBEE_NETWORK_CLOSED)
    CHANNEL_CHANGED = (_Ember.CHANNEL_CHANGED, _Ezsp.SUCCESS, _Sl.ZIGBEE_CHANNEL_CHANGED)
    INVALID_CHANNEL = (_Ember.PHY_INVALID_CHANNEL, _Ezsp.ERROR_INVALID_VALUE, _Sl.TRANSMIT_INVALID_CHANNEL)
    INVALID_POWER = (_Ember.PHY_INVALID_POWER, _Ezsp.ERROR_INVALID_VALUE, _Sl.TRANSMIT_INVALID_POWER)
    SECURITY_NOT_SET = (_Ember.SECURITY_STATE_NOT_SET, _Ezsp.ERROR_INVALID_CALL, _Sl.ZIGBEE_SECURITY_STATE_NOT_SET)
    TOO_LONG = (_Ember.MESSAGE_TOO_LONG, _Ezsp.ERROR_COMMAND_TOO_LONG, _Sl.MESSAGE_TOO_LONG)
    BUSY = (_Ember.MAX_MESSAGE_LIMIT_REACHED, _Ezsp.ERROR_QUEUE_FULL, _Sl.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED)
    NO_LINK_KEY = (_Ember.APS_ENCRYPTION_ERROR, _Ezsp.ERROR_INVALID_CALL, _Sl.ZIGBEE_APS_ENCRYPTION_ERROR)
    DELIVERY_FAILED = (_Ember.DELIVERY_FAILED, _Ezsp.ERROR_NO_RESPONSE, _Sl.ZIGBEE_DELIVERY_FAILED)
    FRAME_ID = (_Ember.INVALID_CALL, _Ezsp.ERROR_INVALID_FRAME_ID, _Sl.INVALID_PARAMETER)
    VERSION_NOT_SET = (_Ember.INVALID_CALL, _Ezsp.ERROR_VERSION_NOT_SET, _Sl.NOT_INITIALIZED)
    TRUNCATED = (_Ember.INVALID_CALL, _Ezsp.ERROR_TRUNCATED, _Sl.COMMAND_INCOMPLETE)

    def as_type(self, wanted: Any) -> Any:
        """Return this outcome as the given bellows status type."""
        for value in self.value:
            if isinstance(value, wanted):
                return value
        raise TypeError(f"{wanted} is not a status type")
