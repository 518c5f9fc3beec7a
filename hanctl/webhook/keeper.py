"""Run the configured webhook, which a reload may add, change or remove."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hanctl.base.clock import Clock
from hanctl.config.sections import WebhookSection
from hanctl.ledger.ledger import Ledger

if TYPE_CHECKING:
    from hanctl.webhook.webhook import Webhook


class WebhookKeeper:
    """Run the webhook in use. Undelivered notices go to the next one."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._webhook: Webhook | None = None
        self._changed = asyncio.Event()

    def use(self, section: WebhookSection | None, secret: bytes) -> None:
        """Send notices there from now on; None: send and keep none."""
        if section is None:
            self._webhook = None
            self._ledger.outbox.types = frozenset()
        else:
            # Its HTTP client is a library of its own, which a hub without a webhook does without.
            from hanctl.webhook.webhook import Webhook

            self._webhook = Webhook(self._ledger, self._clock, section.url, secret)
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled. A POST on its way when the webhook changes is repeated, under its id."""
        while True:
            self._changed.clear()
            parts: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
            if self._webhook is not None:
                parts.append(asyncio.create_task(self._webhook.run()))
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
