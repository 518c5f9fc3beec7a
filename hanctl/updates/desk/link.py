"""Interface of the HAN that updates use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hanctl.base.eui64 import Eui64


class HanLink(Protocol):
    """Sends to devices and reads from them; see ``han.Han``."""

    @property
    def network(self) -> object | None:
        """The network, or None while the dongle is absent."""

    async def send_command(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int | None = None,
        default_response: bool = False,
    ) -> None: ...

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool = False,
        endpoint: int | None = None,
    ) -> dict[int, int | str | bytes | None]: ...
