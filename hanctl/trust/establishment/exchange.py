"""Base of one key establishment with one partner: what both roles share, and the outputs of an exchange.

An exchange does nothing by itself. Each input (a message, a job's result, a delivery, the time) comes with ``now`` in
seconds of any clock, and answers a list of outputs to be carried out in order. Source: comms_hub.md §5.4.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from hanctl.base.eui64 import Eui64
from hanctl.crypto.suites import Suite
from hanctl.trust.certificate import Certificate, CertificateUnusable, parse_certificate
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.messages import (
    EstablishmentCommand,
    Initiate,
    Message,
    Terminate,
    TerminateStatus,
    command_of,
    encode,
)
from hanctl.trust.jobs import Below, JobResult, Refusal


class Role(StrEnum):
    """The initiator is the cluster's client, the responder its server."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class Stage(StrEnum):
    """How far an exchange came."""

    NONE = "no exchange under way"
    STARTED = "certificates not yet exchanged"
    IDENTIFIED = "certificates exchanged"
    AGREED = "ephemeral keys exchanged"
    CONFIRMED = "key confirmed, the last message not yet acknowledged"
    ESTABLISHED = "established"


class Reason(StrEnum):
    """Why an exchange failed."""

    TIMED_OUT = "the partner fell silent"
    STALLED = "the own computation took too long"
    TERMINATED = "the partner ended it"
    REFUSED = "the hub ended it"
    UNDELIVERED = "a message could not be delivered"
    CANCELLED = "it was called off"


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. Source: comms_hub.md §5.4; cbke.md §5 for what is advertised."""

    ephemeral_seconds: int = 3
    """Advertised: what the hub may need to answer with its ephemeral key."""
    confirm_seconds: int = 3
    """Advertised: what the hub may need for its authentication code."""
    base: float = 10.0
    """Every wait is this and what was advertised for the step."""
    told_wait: int = 30
    """How long a partner is told to wait after a Terminate."""
    back_off: float = 10.0
    """How long nothing is started with a partner after a failure, or accepted of one that sent something wrong."""
    linger: float = 5.0
    """How long repeated messages of a finished exchange are still known as such."""
    capacity: int = 32
    """How many exchanges may be under way at once."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``message`` unicast, without APS encryption, and report its fate with ``ticket``.

    ``from_server``: the direction, which is server to client for a responder. ``tsn``: the transaction sequence
    number of the request that this answers; None for a request of one's own.
    """

    ticket: int
    partner: Eui64
    message: Message
    from_server: bool
    tsn: int | None

    @property
    def command(self) -> EstablishmentCommand:
        return command_of(self.message)

    @property
    def payload(self) -> bytes:
        return encode(self.message)


@dataclass(frozen=True, slots=True)
class RunJob:
    """Run ``job`` off the event loop, and pass its result to ``finished`` with ``ticket``; None: it raised."""

    ticket: int
    partner: Eui64
    job: Callable[[], JobResult] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Established:
    """Both sides have shown that they have ``key``: it is the partner's link key from now on.

    ``seconds``: duration of the exchange.
    """

    partner: Eui64
    suite: Suite
    role: Role
    seconds: float
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """An exchange ended without a key, or was refused.

    ``status`` is that of the Terminate sent or received, where there was one; ``wait``: seconds the partner asked
    for. A key from an earlier exchange stays what it was.
    """

    partner: Eui64
    role: Role
    stage: Stage
    reason: Reason
    detail: str
    status: int | None = None
    wait: int = 0


Output = Send | RunJob | Established | Failed

Admission = Callable[[Eui64], Refusal | None]
"""Whether a partner may have a key: asked after its certificate proved to be of the hub's authority and its own."""


def admit_all(partner: Eui64) -> Refusal | None:
    """Admit every partner."""
    return None


@dataclass(frozen=True, slots=True)
class Terms:
    """What all exchanges of one hub share."""

    credentials: dict[Suite, Credentials]
    settings: Settings = Settings()
    admission: Admission = admit_all
    below: Below = secrets.randbelow

    @property
    def suites(self) -> int:
        """Return the bits of the suites there are credentials for."""
        return sum(suite.bit for suite in self.credentials)


def check_partner(initiate: Initiate, partner: Eui64, own: Credentials, admission: Admission) -> Certificate | Refusal:
    """Return the partner's certificate if it may be used. Devices expect this order of the checks."""
    certificate = parse_certificate(initiate.certificate, initiate.suite)
    if certificate.issuer != own.certificate.issuer:
        return Refusal(
            TerminateStatus.UNKNOWN_ISSUER,
            f"its certificate was issued by {certificate.issuer}, the hub's by {own.certificate.issuer}",
        )
    if certificate.subject != partner:
        return Refusal(TerminateStatus.BAD_MESSAGE, f"its certificate is that of another device, {certificate.subject}")
    if refusal := admission(partner):
        return refusal
    try:
        certificate.check_fields()
    except CertificateUnusable as error:
        return Refusal(TerminateStatus.INVALID_CERTIFICATE, str(error))
    return certificate


class KeyExchange:
    """What initiator and responder have in common: waiting, sending, ending.

    All of it is spoken in clear, by the partner or by anybody in its name. That it is over is therefore not believed:
    an exchange goes on where it can, and what was said last is told as the reason where its time runs out. What does
    not fit ends it, and costs the partner an attempt; not so once the own authentication code is out
    (``code_is_out``), as the partner may have the key by then, and speak under it.
    """

    role: Role

    def __init__(self, partner: Eui64, credentials: Credentials, terms: Terms, tickets: Iterator[int]) -> None:
        self.partner = partner
        self.stage = Stage.STARTED
        self.deadline: float | None = None
        """When to call ``tick``, on the clock of ``now``."""
        self.over = False
        """There is nothing left to do or to remember."""
        self._begun_at: float | None = None
        self.refused = False
        """It failed through what the partner sent."""
        self._credentials = credentials
        self._terms = terms
        self._settings = terms.settings
        self._tickets = tickets
        self._job_ticket: int | None = None
        self._sent: set[int] = set()
        self._doubt: Callable[[], list[Output]] | None = None
        self._seen: dict[EstablishmentCommand, bytes] = {}

    @property
    def lingering(self) -> bool:
        """Tell whether the exchange is finished and kept only to recognise repeated messages."""
        return self.stage is Stage.ESTABLISHED

    @property
    def code_is_out(self) -> bool:
        """Tell whether the partner was sent all it needs to accept the key and has not shown yet that it did."""
        raise NotImplementedError

    def own_initiate(self) -> Initiate:
        """Return the hub's own first message."""
        return Initiate(
            self._credentials.suite,
            self._settings.ephemeral_seconds,
            self._settings.confirm_seconds,
            self._credentials.certificate.raw,
        )

    def knows(self, command: EstablishmentCommand, payload: bytes) -> bool:
        """Tell whether a message repeats the last of its kind."""
        return self._seen.get(command) == payload

    def receive(self, command: EstablishmentCommand, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        """Handle a message for this role, other than Terminate."""
        raise NotImplementedError

    def _computed(self, result: JobResult, now: float) -> list[Output]:
        raise NotImplementedError

    def finished(self, ticket: int, result: JobResult | None, now: float) -> list[Output]:
        """Handle the result of a job; ignore it if the exchange no longer waits for that job."""
        if ticket != self._job_ticket:
            return []
        self._job_ticket = None
        if result is None:
            return self.refuse(Refusal(TerminateStatus.NO_RESOURCES, "the hub's computation failed"), None)
        if isinstance(result, Refusal):
            return self.refuse(result, None)
        return self._computed(result, now)

    def delivered(self, ticket: int, success: bool, now: float) -> list[Output]:
        """Handle whether the partner acknowledged a message of this exchange (APS)."""
        if ticket not in self._sent:
            return []
        self._sent.discard(ticket)
        if success:
            return []
        detail = f"the radio could not deliver a message to {self.partner}"
        return self._end_unless_code_is_out(lambda: self._fail(Reason.UNDELIVERED, detail))

    def default_response(self, command: int, success: bool, now: float) -> list[Output]:
        """Handle a Default Response to a message of this exchange."""
        if success:
            return []
        detail = f"it answered command {command:#04x} with a failure"
        return self._end_in_time(lambda: self._fail(Reason.TERMINATED, detail))

    def terminated(self, terminate: Terminate) -> list[Output]:
        """Handle a Terminate from the partner, or from somebody in its name. It is not answered."""
        try:
            name = TerminateStatus(terminate.status).name
        except ValueError:
            name = "a status without a name"
        detail = f"it sent Terminate {name} ({terminate.status})"
        return self._end_in_time(
            lambda: self._fail(Reason.TERMINATED, detail, terminate.status, terminate.wait_seconds)
        )

    def tick(self, now: float) -> list[Output]:
        """End the exchange if it timed out. Like other stacks, do not tell the partner."""
        if self.deadline is None or now < self.deadline:
            return []
        if self.lingering:
            self.over, self.deadline = True, None
            return []
        if self._doubt is not None:
            return self._doubt()
        if self._job_ticket is not None:
            return self._fail(Reason.STALLED, "the computation took longer than the hub had advertised")
        return self._fail(Reason.TIMED_OUT, f"nothing came from {self.partner} in time")

    def refuse(self, refusal: Refusal, tsn: int | None) -> list[Output]:
        """End the exchange for the partner's fault, and send it a Terminate."""
        self.refused = True
        return [self._terminate(refusal.status, tsn), *self._fail(Reason.REFUSED, refusal.detail, refusal.status)]

    def _refuse_unless_code_is_out(self, refusal: Refusal, tsn: int | None) -> list[Output]:
        return self._end_unless_code_is_out(lambda: self.refuse(refusal, tsn))

    def _end_unless_code_is_out(self, end: Callable[[], list[Output]]) -> list[Output]:
        return self._end_in_time(end) if self.code_is_out or self.lingering else end()

    def _end_in_time(self, end: Callable[[], list[Output]]) -> list[Output]:
        """Note how the exchange ends if nothing more arrives; once there is a key, do nothing."""
        self._doubt = end
        return []

    def cancel(self) -> list[Output]:
        """End the exchange without telling the partner, which is gone."""
        return [] if self.lingering else self._fail(Reason.CANCELLED, "the device was removed")

    def _fail(self, reason: Reason, detail: str, status: int | None = None, wait: int = 0) -> list[Output]:
        self.over, self.deadline, self._job_ticket = True, None, None
        self._sent.clear()
        return [Failed(self.partner, self.role, self.stage, reason, detail, status, wait)]

    def _established(self, key: bytes, now: float) -> list[Output]:
        self.stage = Stage.ESTABLISHED
        self.deadline = now + self._settings.linger
        assert self._begun_at is not None
        return [Established(self.partner, self._credentials.suite, self.role, now - self._begun_at, key)]

    def _send(self, message: Message, tsn: int | None) -> Send:
        send = Send(next(self._tickets), self.partner, message, self.role is Role.RESPONDER, tsn)
        if not isinstance(message, Terminate):
            self._sent.add(send.ticket)
        return send

    def _terminate(self, status: TerminateStatus, tsn: int | None) -> Send:
        return self._send(Terminate(status, self._settings.told_wait, self._terms.suites), tsn)

    def _run(self, job: Callable[[], JobResult], advertised: int, now: float) -> RunJob:
        self._wait(advertised, now)
        self._job_ticket = next(self._tickets)
        return RunJob(self._job_ticket, self.partner, job)

    def _wait(self, advertised: int, now: float) -> None:
        if self._begun_at is None:
            self._begun_at = now
        self.deadline = now + self._settings.base + advertised
        self._doubt = None
