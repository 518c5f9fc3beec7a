"""The fixture ``hub``: what the hub tells, for a test's author. Waits are for its events, with a deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanctl.cli.options import duration
from hanctl.hil.trial import Event, Trial, in_words, matching, sentence


class Hub:
    """The hub of the bench. A wait goes on behind the event that the wait before it found."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._place = 0

    def get(self, path: str, **query: Any) -> Any:
        """Get an answer of the HTTP API, for what has no method here (docs/api.md)."""
        return self._trial.driver.run(self._trial.api.get(path, **query))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post to the HTTP API, to change something. Raises RemoteError where the hub refuses."""
        return self._trial.driver.run(self._trial.api.post(path, body))

    def load(self, household: str) -> list[dict[str, Any]]:
        """Load household data: the text of a household file (docs/data.md)."""
        loading = self._trial.api.upload("/data", household.encode(), name="household.toml")
        return list(self._trial.driver.run(loading))

    @property
    def status(self) -> dict[str, Any]:
        """The hub in a few words, as ``hanctl status --json``."""
        return dict(self.get("/status"))

    def mark(self) -> int:
        """Return the number of the last event that there is."""
        return self._trial.mark()

    def events(self, type: str | None = None, **fields: Any) -> list[Event]:  # noqa: A002
        """Return the events since the test began: of a type, with these fields (docs/events.md)."""
        events = self._trial.events()
        return [event for event in events if matching(type or event["type"], fields)(event)]

    def wait_for(self, *types: str, within: str | None = None, **fields: Any) -> Event:
        """Wait for the next event of one of these types with these fields. Fails with what came instead.

        ``within`` "90s", "5m", "1h30m"; without it, the bench's ``answer_s``.
        """
        __tracebackhide__ = True
        within_s = self._trial.device.answer_s if within is None else duration(within)
        with_fields = "".join(f" {name}={value}" for name, value in fields.items())
        after = max(self._place, self._trial.began)
        event = self._trial.wait_for(" or ".join(types) + with_fields, matching(types, fields), within_s, after=after)
        self._place = event["id"]
        return event

    def never(self, type: str, **fields: Any) -> None:  # noqa: A002
        """Fail where such an event came since the test began."""
        __tracebackhide__ = True
        for event in self.events(type, **fields):
            pytest.fail(f"this was not to happen: {sentence(event)}")

    def let_pass(self, length: str) -> None:
        """Let so much time pass, where time itself is what is tested. A test that takes too long here is left out."""
        seconds = duration(length)
        if seconds > self._trial.device.longest_s:
            pytest.skip(
                f"it would let {in_words(seconds)} pass; [hil] longest_s allows {self._trial.device.longest_s:g} s"
            )
        self._trial.driver.run(asyncio.sleep(seconds))
