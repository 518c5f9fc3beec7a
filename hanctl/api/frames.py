"""Route that streams the frames of the HAN."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

import hanctl
from hanctl.api.frame_log import FrameLog
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.ledger.rows import time_text
from hanctl.radio.errors import DongleGone
from hanctl.radio.frames import NetworkState

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get("/frames", response_class=StreamingResponse)
    async def frames(
        device: str | None = None, seconds: Annotated[float | None, Query(gt=0)] = None
    ) -> StreamingResponse:
        """Stream new frames as JSON lines, of one device or all, for a time or without end. Payloads are decrypted.

        The first line is the network. ``frame``: as the dongle handed it over or was given it; ``outcome``: what became
        of a frame that was sent, by its number; ``lost``: number of frames missing here, as the client read too slowly.
        """
        network = daemon.network
        if network is None:
            raise DongleGone("the dongle is gone just now", "it is reopened as soon as it is back")
        only = None if device is None else parse_eui64(device)
        return StreamingResponse(_follow(daemon, network, only, seconds), media_type="application/x-ndjson")

    return routes


async def _follow(
    daemon: Daemon, network: NetworkState, only: Eui64 | None, seconds: float | None
) -> AsyncIterator[bytes]:
    def name(nwk: int) -> Eui64 | None:
        device = daemon.ledger.devices.by_nwk(nwk)
        return None if device is None else device.eui64

    log = FrameLog(daemon.clock, name, only)
    stop = daemon.tap.listen(log)
    closing = asyncio.create_task(daemon.closing.wait())
    over = asyncio.create_task(asyncio.sleep(seconds) if seconds is not None else asyncio.Event().wait())
    try:
        yield _line(_network(daemon, network))
        while True:
            ending = closing.done() or over.done()
            records = log.take()
            if records:
                yield b"".join(map(_line, records))
            if ending:
                return
            heard = asyncio.create_task(log.news.wait())
            try:
                await asyncio.wait({heard, closing, over}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                heard.cancel()
    finally:
        stop()
        closing.cancel()
        over.cancel()


def _network(daemon: Daemon, network: NetworkState) -> dict[str, Any]:
    return {
        "kind": "network",
        "time": time_text(daemon.clock.now()),
        "version": hanctl.__version__,
        "dongle_eui64": network.dongle_eui64,
        "channel": network.channel,
        "pan_id": network.pan_id,
    }


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record) + "\n").encode()
