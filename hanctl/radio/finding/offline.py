"""Read and write the network of a dongle without starting it.

Source: zigpy's ``backups.py``, bellows' and zigpy-znp's ``write_network_info``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import zigpy.backups
import zigpy.exceptions

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.radio import make_application
from hanctl.radio.application import Deaf, HubApplication, z
from hanctl.radio.errors import NetworkStartFailed
from hanctl.radio.finding.network_backup import made_at, parse
from hanctl.radio.finding.opening import opening_error
from hanctl.radio.settings import DongleSettings

COUNTER_MARGIN = 1_000_000
COUNTER_PER_S = 5
"""Devices drop frames with counters that they have seen. A backup does not know what was sent after it: counters go on
so much above it, and so much more for each second of its age. 32 bits last for hundreds of restorations."""
LAST_COUNTER = 0xFFFF_FFFF
_ONCE = "i_understand_i_can_update_eui64_only_once_and_i_still_want_to_do_it"
"""bellows's name for consent."""


class OfflineDongle:
    """A dongle whose network is not started."""

    def __init__(self, application: HubApplication) -> None:
        self._application = application

    async def content(self) -> dict[str, Any] | None:
        """Read the network that it holds, with its keys; None if it is blank. Raises DongleError."""
        app = self._application
        try:
            await app.load_network_info(load_devices=True)
        except zigpy.exceptions.NetworkNotFormed:
            return None
        except Exception as error:
            raise NetworkStartFailed(
                f"the dongle's network could not be read ({type(error).__name__})", "unplug it, replug it, try again"
            ) from error
        backup = zigpy.backups.NetworkBackup(network_info=app.state.network_info, node_info=app.state.node_info)
        return backup.as_open_coordinator_json()

    async def eui64(self) -> Eui64:
        """Return its EUI64."""
        return from_bytes((await self._application.own_address()).serialize())

    async def takes_address(self, eui64: Eui64) -> bool:
        """Tell whether this EUI64 can be written, and later another; False: that works only once."""
        return eui64 == await self.eui64() or await self._application.address_is_rewritable()

    async def write(self, content: dict[str, Any], now: datetime, *, once: bool = False) -> None:
        """Write this network, EUI64 and keys included, in place of what it has. Raises DongleError, BadBackup.

        ``once``: even if its EUI64 can be written only once.
        """
        backup = parse(content)
        network = backup.network_info
        made = made_at(backup)
        age_s = max(0.0, (now - made).total_seconds()) if made is not None else 0.0
        margin = COUNTER_MARGIN + int(age_s * COUNTER_PER_S)
        for key in (network.network_key, network.tc_link_key, *network.key_table):
            key.tx_counter = z.uint32_t(min(LAST_COUNTER, int(key.tx_counter or 0) + margin))
        if once:
            network.stack_specific.setdefault("ezsp", {})[_ONCE] = True
        try:
            await self._application.write_network_info(network_info=network, node_info=backup.node_info)
        except Exception as error:
            raise NetworkStartFailed(
                f"the dongle did not take the network ({type(error).__name__}); what it holds now is not known",
                "unplug it, replug it, and restore again",
            ) from error


@asynccontextmanager
async def offline(settings: DongleSettings) -> AsyncIterator[OfflineDongle]:
    """Open a dongle without starting its network. Raises DongleError."""
    application = make_application(settings, Deaf())
    try:
        try:
            await application.connect()
        except Exception as error:
            raise opening_error(error, settings) from error
        yield OfflineDongle(application)
    finally:
        with suppress(Exception):
            await application.shutdown(db=False)
