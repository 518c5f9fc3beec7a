"""Deliver signed notices to the webhook of a service user until it accepts them, also over restarts.

Each notice is one POST of the event as JSON, in the form of the Standard Webhooks specification: ``webhook-id`` (the
same in every attempt: a receiver may see a notice twice), ``webhook-timestamp`` (Unix seconds) and
``webhook-signature`` (``v1,`` and the Base64 of HMAC-SHA256 over ``id.timestamp.body``).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from dataclasses import replace
from pathlib import Path

import httpx

import hanctl
from hanctl.base.clock import Clock
from hanctl.base.errors import ConfigError
from hanctl.config.secret_files import how_to_make, read_secret_file
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.ledger.outbox import Notice
from hanctl.model.events import NoticeDelayed, NoticeDelivered

NOTICE_TYPES = frozenset({"delivery.notice", "transfer.notice", "activation.notice"})
TIMEOUT_S = 15
"""For a whole attempt, from the name of the receiver to the header of its answer."""
MOST_AT_ONCE = 4
FULL_S = 60
SHORTEST_SECRET = 16
LONGEST_BACK_OFF_S = 600
_ENCODED_SECRET = "whsec_"  # noqa: S105


def read_secret(path: Path) -> bytes:
    """Read the signing secret: the file's text, or the Base64 after ``whsec_``. Raises ConfigError."""
    text = read_secret_file(path, "the webhook's secret", "[webhook] secret_file")
    try:
        encoded = text.startswith(_ENCODED_SECRET)
        secret = base64.b64decode(text.removeprefix(_ENCODED_SECRET), validate=True) if encoded else text.encode()
    except binascii.Error as error:
        raise ConfigError(
            f"the webhook's secret in {path} begins with whsec_ but is not Base64", "correct the file"
        ) from error
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(
            f"the webhook's secret in {path} has fewer than {SHORTEST_SECRET} bytes",
            how_to_make(path),
        )
    return secret


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the ``webhook-signature`` header."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def back_off(attempts: int) -> float:
    """Return the seconds to wait after this number of failed attempts: 1, 2, 4 … 600."""
    return float(min(1 << (attempts - 1), LONGEST_BACK_OFF_S))


class Webhook:
    """Deliver the ledger's pending notices. ``run`` does the work."""

    def __init__(
        self, ledger: Ledger, clock: Clock, url: str, secret: bytes, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._url = url
        self._secret = secret
        self._transport = transport
        self._due: dict[int, float] = {}
        self._on_the_way: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        ledger.outbox.types = NOTICE_TYPES

    async def run(self) -> None:
        """Deliver until cancelled. Raises LedgerError."""
        unsubscribe = self._ledger.subscribe(self._recorded)
        client = httpx.AsyncClient(
            transport=self._transport, timeout=TIMEOUT_S, headers={"user-agent": f"hanctl/{hanctl.__version__}"}
        )
        try:
            async with client:
                while True:
                    self._wake.clear()
                    self._take_done()
                    self._begin_due(client)
                    await self._pause()
        finally:
            unsubscribe()
            for task in self._on_the_way.values():
                task.cancel()
            await asyncio.gather(*self._on_the_way.values(), return_exceptions=True)
            self._on_the_way.clear()

    def _recorded(self, recorded: Recorded) -> None:
        if type(recorded.event).type in NOTICE_TYPES:
            self._wake.set()

    def _take_done(self) -> None:
        for event, task in list(self._on_the_way.items()):
            if task.done():
                del self._on_the_way[event]
                task.result()

    def _begin_due(self, client: httpx.AsyncClient) -> None:
        # Each notice has its own back-off and its own attempt, so that one which is rejected or never answered holds up
        # no other. Those that were not tried yet come first, and have one attempt of their own.
        now = self._clock.monotonic()
        waiting = [
            notice
            for notice in self._ledger.outbox.pending()
            if notice.event not in self._on_the_way and self._due.get(notice.event, 0.0) <= now
        ]
        for notice in sorted(waiting, key=lambda notice: self._due.get(notice.event, 0.0)):
            if len(self._on_the_way) < MOST_AT_ONCE - (notice.event in self._due):
                task = asyncio.create_task(self._deliver(client, notice))
                task.add_done_callback(lambda _: self._wake.set())
                self._on_the_way[notice.event] = task

    async def _pause(self) -> None:
        """Wait for the next that is due, or for news: a notice, or the end of an attempt."""
        now = self._clock.monotonic()
        delay = min((due - now for due in self._due.values() if due > now), default=None)
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, client: httpx.AsyncClient, notice: Notice) -> None:
        failure = await self._post(client, notice)
        try:
            self._note(notice, failure)
        except LedgerFull:
            # Whether it was taken cannot be written: it is told again, under its id.
            self._due[notice.event] = self._clock.monotonic() + FULL_S

    def _note(self, notice: Notice, failure: str | None) -> None:
        attempts = notice.attempts + 1
        with self._ledger.transaction():
            if failure is None:
                self._due.pop(notice.event, None)
                self._ledger.outbox.put(replace(notice, attempts=attempts, delivered_at=self._clock.now()))
                self._ledger.record(NoticeDelivered(notice=notice.event, attempts=attempts))
            else:
                delay = back_off(attempts)
                self._due[notice.event] = self._clock.monotonic() + delay
                self._ledger.outbox.put(replace(notice, attempts=attempts))
                self._ledger.record(
                    NoticeDelayed(notice=notice.event, attempts=attempts, delay_s=delay, reason=failure)
                )

    async def _post(self, client: httpx.AsyncClient, notice: Notice) -> str | None:
        """Try once. Returns None, or why the notice was not accepted."""
        body = notice.body.encode()
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secret, notice.message_id, timestamp, body),
        }
        try:
            request = client.build_request("POST", self._url, content=body, headers=headers)
            # The status is the answer: what follows its header is never read.
            async with asyncio.timeout(TIMEOUT_S):
                response = await client.send(request, stream=True)
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return why(error)
        return None if response.is_success else f"answered with status {response.status_code}"


def why(error: Exception) -> str:
    """Say why an attempt failed, in words of hanctl and the system alone: nothing that the receiver sent."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"there was no answer within {TIMEOUT_S} s"
    if isinstance(error, httpx.RemoteProtocolError):
        return "it answered with what is not HTTP, or broke off"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror if not isinstance(cause, ssl.SSLError) else f"TLS failed: {cause.reason}"
        cause = cause.__cause__ or cause.__context__
    return "the address cannot be used" if isinstance(error, httpx.InvalidURL) else "it cannot be reached"
