"""All key establishments of the hub: one at a time with each partner, with several partners at once.

The door of the engine. It is as pure as an exchange: inputs with ``now``, outputs to be carried out in order.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Iterable

from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import Suite
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.exchange import (
    Admission,
    Failed,
    KeyExchange,
    Output,
    Reason,
    Role,
    Send,
    Settings,
    Stage,
    Terms,
    admit_all,
)
from hanctl.trust.establishment.initiator import Initiator
from hanctl.trust.establishment.messages import (
    EstablishmentCommand,
    Initiate,
    MessageError,
    SuiteUnsupported,
    Terminate,
    TerminateStatus,
    common_suite,
    decode,
)
from hanctl.trust.establishment.responder import Responder
from hanctl.trust.jobs import Below, JobResult

_MOST_SECONDS = 0xFE
"""The longest wait told to a partner: the field has one byte."""


class KeyEstablishmentEngine:
    """The engine. ``credentials``: at most one set for each suite; ``admission`` says who may have a key."""

    def __init__(
        self,
        credentials: Iterable[Credentials],
        *,
        settings: Settings | None = None,
        admission: Admission = admit_all,
        below: Below = secrets.randbelow,
    ) -> None:
        by_suite = {each.suite: each for each in credentials}
        self._terms = Terms(by_suite, settings or Settings(), admission, below)
        self._exchanges: dict[Eui64, KeyExchange] = {}
        self._start_from: dict[Eui64, float] = {}
        self._accept_from: dict[Eui64, float] = {}
        self._tickets = itertools.count(1)

    @property
    def suites(self) -> int:
        """The value of the cluster's attribute 0x0000: the bits of the suites that can be used."""
        return self._terms.suites

    @property
    def deadline(self) -> float | None:
        """When ``tick`` has something to do next."""
        return min((each.deadline for each in self._exchanges.values() if each.deadline is not None), default=None)

    def stage(self, partner: Eui64) -> Stage:
        """Return how far the exchange with a partner has come."""
        exchange = self._exchanges.get(partner)
        return exchange.stage if exchange else Stage.NONE

    def choose_suite(self, partner_suites: int) -> Suite | None:
        """Choose the suite to start with, from the partner's attribute 0x0000; None: there is none in common."""
        return common_suite(self.suites, partner_suites)

    def start(self, partner: Eui64, suite: Suite, now: float) -> list[Output]:
        """Ask a partner for a key.

        Raises Refused where an exchange with it is under way, or failed moments ago, or too many are under way, or
        there are no credentials for the suite.
        """
        credentials = self._terms.credentials.get(suite)
        if credentials is None:
            raise Refused(f"the hub has no certificate for {suite}", "import one, or use the other suite")
        if self._under_way(partner):
            raise Refused(f"a key is being established with {partner}", "wait for its end")
        if wait := _remaining(self._start_from, partner, now):
            raise Refused(f"key establishment with {partner} has just failed", f"try again in {wait} s")
        if self._full():
            raise Refused("too many key establishments are under way", "wait for one of them to end")
        exchange = Initiator(partner, credentials, self._terms, self._tickets)
        self._exchanges[partner] = exchange
        return self._settle(exchange, exchange.begin(now), now)

    def receive(
        self, partner: Eui64, command: int, payload: bytes, *, from_server: bool, tsn: int | None, now: float
    ) -> list[Output]:
        """Handle a unicast (no broadcast) message of cluster 0x0800; ``from_server`` is its ZCL direction."""
        try:
            known = EstablishmentCommand(command)
        except ValueError:
            return []
        if known is EstablishmentCommand.TERMINATE:
            return self._terminated(partner, payload, now)
        role = Role.INITIATOR if from_server else Role.RESPONDER
        exchange = self._exchanges.get(partner)
        if exchange and exchange.role is role and self._belongs(exchange, known, payload):
            return self._settle(exchange, exchange.receive(known, payload, tsn, now), now)
        if known is EstablishmentCommand.INITIATE and role is Role.RESPONDER:
            return self._asked(partner, payload, tsn, now)
        return self._refuse(partner, role, TerminateStatus.BAD_MESSAGE, f"{known.name} came out of order", tsn)

    def finished(self, partner: Eui64, ticket: int, result: JobResult | None, now: float) -> list[Output]:
        """Take the result of a job; None: it raised."""
        exchange = self._exchanges.get(partner)
        return self._settle(exchange, exchange.finished(ticket, result, now), now) if exchange else []

    def delivered(self, partner: Eui64, ticket: int, success: bool, now: float) -> list[Output]:
        """Take the fate of a message: whether the partner's radio acknowledged it."""
        exchange = self._exchanges.get(partner)
        return self._settle(exchange, exchange.delivered(ticket, success, now), now) if exchange else []

    def default_response(self, partner: Eui64, command: int, success: bool, now: float) -> list[Output]:
        """Handle a Default Response of the partner to one of the hub's messages."""
        exchange = self._exchanges.get(partner)
        return self._settle(exchange, exchange.default_response(command, success, now), now) if exchange else []

    def cancel(self, partner: Eui64, now: float) -> list[Output]:
        """End the exchange of a partner that was removed, and forget that it has to wait."""
        exchange = self._exchanges.get(partner)
        outputs = self._settle(exchange, exchange.cancel(), now) if exchange else []
        self._exchanges.pop(partner, None)
        self._start_from.pop(partner, None)
        self._accept_from.pop(partner, None)
        return outputs

    def tick(self, now: float) -> list[Output]:
        """End the exchanges that timed out by ``now``, and forget what is over."""
        for waiting in (self._start_from, self._accept_from):
            for partner in [each for each, until in waiting.items() if until <= now]:
                del waiting[partner]
        outputs: list[Output] = []
        for exchange in list(self._exchanges.values()):
            outputs += self._settle(exchange, exchange.tick(now), now)
        return outputs

    def _belongs(self, exchange: KeyExchange, command: EstablishmentCommand, payload: bytes) -> bool:
        """Tell whether a message is for this exchange: all are, but an Initiate that starts another after its end."""
        if not exchange.lingering or command is not EstablishmentCommand.INITIATE or exchange.role is Role.INITIATOR:
            return True
        return exchange.knows(command, payload)

    def _asked(self, partner: Eui64, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        """Answer a partner's Initiate: begin an exchange as responder, or refuse."""
        if self._under_way(partner):
            return [self._terminate(partner, Role.RESPONDER, TerminateStatus.NO_RESOURCES, tsn)]
        if wait := _remaining(self._accept_from, partner, now):
            return [self._terminate(partner, Role.RESPONDER, TerminateStatus.NO_RESOURCES, tsn, wait)]
        refuse = self._refuse
        if self._full():
            detail = f"{self._terms.settings.capacity} exchanges are under way already"
            return refuse(partner, Role.RESPONDER, TerminateStatus.NO_RESOURCES, detail, tsn)
        try:
            initiate = decode(EstablishmentCommand.INITIATE, payload)
        except SuiteUnsupported as error:
            return refuse(partner, Role.RESPONDER, TerminateStatus.UNSUPPORTED_SUITE, str(error), tsn)
        except MessageError as error:
            return refuse(partner, Role.RESPONDER, TerminateStatus.BAD_MESSAGE, str(error), tsn)
        assert isinstance(initiate, Initiate)
        credentials = self._terms.credentials.get(initiate.suite)
        if credentials is None:
            detail = f"it asked for {initiate.suite}, for which the hub has no certificate"
            return refuse(partner, Role.RESPONDER, TerminateStatus.UNSUPPORTED_SUITE, detail, tsn)
        exchange = Responder(partner, credentials, self._terms, self._tickets)
        self._exchanges[partner] = exchange
        return self._settle(exchange, exchange.begin(initiate, payload, tsn, now), now)

    def _terminated(self, partner: Eui64, payload: bytes, now: float) -> list[Output]:
        """Handle a Terminate: it ends whatever is under way, and is never answered with another."""
        exchange = self._exchanges.get(partner)
        if exchange is None:
            return []
        try:
            terminate = decode(EstablishmentCommand.TERMINATE, payload)
        except MessageError:
            return []
        assert isinstance(terminate, Terminate)
        return self._settle(exchange, exchange.terminated(terminate), now)

    def _settle(self, exchange: KeyExchange, outputs: list[Output], now: float) -> list[Output]:
        """Forget an exchange that is over, and note who is to be kept waiting."""
        if exchange.over and self._exchanges.get(exchange.partner) is exchange:
            del self._exchanges[exchange.partner]
            back_off = self._terms.settings.back_off
            for failed in (each for each in outputs if isinstance(each, Failed)):
                self._start_from[exchange.partner] = now + max(back_off, failed.wait)
            if exchange.refused:
                self._accept_from[exchange.partner] = now + back_off
        return outputs

    def _refuse(
        self, partner: Eui64, role: Role, status: TerminateStatus, detail: str, tsn: int | None
    ) -> list[Output]:
        """Refuse what no exchange is under way for."""
        answer = self._terminate(partner, role, status, tsn)
        return [answer, Failed(partner, role, Stage.NONE, Reason.REFUSED, detail, status)]

    def _terminate(
        self, partner: Eui64, role: Role, status: TerminateStatus, tsn: int | None, wait: int | None = None
    ) -> Send:
        seconds = self._terms.settings.told_wait if wait is None else min(wait, _MOST_SECONDS)
        answers = tsn if role is Role.RESPONDER else None
        return Send(
            next(self._tickets), partner, Terminate(status, seconds, self.suites), role is Role.RESPONDER, answers
        )

    def _under_way(self, partner: Eui64) -> bool:
        exchange = self._exchanges.get(partner)
        return exchange is not None and not exchange.lingering

    def _full(self) -> bool:
        return sum(not each.lingering for each in self._exchanges.values()) >= self._terms.settings.capacity


def _remaining(waiting: dict[Eui64, float], partner: Eui64, now: float) -> int:
    """Return how many seconds a partner still has to wait."""
    return max(0, math.ceil(waiting.get(partner, now) - now))
