"""Responder of a key establishment: the hub, when a device asks for a key."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64
from hanctl.crypto.curve import Point
from hanctl.trust.certificate import Certificate
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.exchange import KeyExchange, Output, Role, Send, Stage, Terms, check_partner
from hanctl.trust.establishment.messages import (
    Confirm,
    Ephemeral,
    EstablishmentCommand,
    Initiate,
    Message,
    MessageError,
    TerminateStatus,
    decode,
)
from hanctl.trust.jobs import Agreed, AgreeJob, Identified, IdentifyJob, JobResult, Refusal


@dataclass(slots=True)
class _Answer:
    """Answer to a request, kept for its repetition; None while it is being computed."""

    tsn: int | None
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class _Partner:
    """The partner as its Initiate presented it."""

    initiate: Initiate
    certificate: Certificate
    key: Point | None = None


class Responder(KeyExchange):
    """Answer Initiate, Ephemeral Data and Confirm Key Data of one partner.

    A request that repeats the last of its kind is answered as before, and changes nothing. A partner that lost its
    memory begins again with the very same Initiate; that it did so, and is not repeating itself, shows in a new
    ephemeral key, which then is met with a new one: once in an exchange, as each costs the hub its arithmetic.
    """

    role = Role.RESPONDER

    def __init__(self, partner: Eui64, credentials: Credentials, terms: Terms, tickets: Iterator[int]) -> None:
        super().__init__(partner, credentials, terms, tickets)
        self._answers: dict[EstablishmentCommand, _Answer] = {}
        self._partner: _Partner | None = None
        self._agreed: Agreed | None = None
        self._begun_again = False
        self._may_begin_again = True
        self._confirm_tickets: set[int] = set()

    @property
    def code_is_out(self) -> bool:
        return self.stage is Stage.CONFIRMED

    def begin(self, initiate: Initiate, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        """Begin the exchange with this Initiate, decoded from ``payload``."""
        checked = check_partner(initiate, self.partner, self._credentials, self._terms.admission)
        if isinstance(checked, Refusal):
            return self.refuse(checked, tsn)
        self._accept(EstablishmentCommand.INITIATE, payload, tsn)
        self._partner = _Partner(initiate, checked)
        job = IdentifyJob(checked, self._credentials.authority_key, with_ephemeral=False, below=self._terms.below)
        return [self._run(job, self._settings.ephemeral_seconds, now)]

    def receive(self, command: EstablishmentCommand, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        if self.knows(command, payload):
            return self._repeated(command, tsn)
        if command is EstablishmentCommand.EPHEMERAL and self._may_take_ephemeral():
            return self._ephemeral(payload, tsn, now)
        if command is EstablishmentCommand.CONFIRM and self.stage is Stage.AGREED and self._agreed:
            return self._confirm(self._agreed, payload, tsn, now)
        refusal = Refusal(TerminateStatus.BAD_MESSAGE, f"{command.name} came out of order")
        return self._refuse_unless_code_is_out(refusal, tsn)

    def delivered(self, ticket: int, success: bool, now: float) -> list[Output]:
        if success and ticket in self._confirm_tickets:
            return self._complete(now)
        return super().delivered(ticket, success, now)

    def default_response(self, command: int, success: bool, now: float) -> list[Output]:
        if success and command == EstablishmentCommand.CONFIRM:
            return self._complete(now)
        return super().default_response(command, success, now)

    def _repeated(self, command: EstablishmentCommand, tsn: int | None) -> list[Output]:
        if command is EstablishmentCommand.INITIATE:
            self._begun_again = self._may_begin_again
        answer = self._answers[command]
        if answer.message is None:
            answer.tsn = tsn
            return []
        send = self._send(answer.message, tsn)
        if command is EstablishmentCommand.CONFIRM:
            self._confirm_tickets.add(send.ticket)
        return [send]

    def _may_take_ephemeral(self) -> bool:
        if self._job_ticket is not None or self._partner is None or self._partner.key is None or self.code_is_out:
            return False
        return self.stage is Stage.IDENTIFIED or self._begun_again

    def _ephemeral(self, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        if self.stage is not Stage.IDENTIFIED:
            self._may_begin_again = False
        self.stage, self._agreed, self._begun_again = Stage.IDENTIFIED, None, False
        try:
            message = decode(EstablishmentCommand.EPHEMERAL, payload, self._credentials.suite)
        except MessageError as error:
            return self.refuse(Refusal(TerminateStatus.BAD_MESSAGE, str(error)), tsn)
        partner = self._partner
        assert isinstance(message, Ephemeral) and partner is not None and partner.key is not None
        self._accept(EstablishmentCommand.EPHEMERAL, payload, tsn)
        self._seen.pop(EstablishmentCommand.CONFIRM, None)
        self._confirm_tickets.clear()
        job = AgreeJob(
            credentials=self._credentials,
            initiating=False,
            partner=partner.certificate,
            partner_key=partner.key,
            partner_ephemeral=message.public_key,
            ephemeral=None,
            below=self._terms.below,
        )
        return [self._run(job, self._settings.ephemeral_seconds, now)]

    def _confirm(self, agreed: Agreed, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        try:
            message = decode(EstablishmentCommand.CONFIRM, payload)
        except MessageError as error:
            return self.refuse(Refusal(TerminateStatus.BAD_MESSAGE, str(error)), tsn)
        assert isinstance(message, Confirm)
        if not hmac.compare_digest(message.smac, agreed.initiator_smac):
            return self.refuse(Refusal(TerminateStatus.BAD_KEY_CONFIRM, "its authentication code is wrong"), tsn)
        self._accept(EstablishmentCommand.CONFIRM, payload, tsn)
        self.stage = Stage.CONFIRMED
        self._wait(0, now)
        send = self._answered(EstablishmentCommand.CONFIRM, Confirm(agreed.responder_smac))
        self._confirm_tickets.add(send.ticket)
        return [send]

    def _complete(self, now: float) -> list[Output]:
        if self.stage is not Stage.CONFIRMED or self._agreed is None:
            return []
        key, self._agreed = self._agreed.key, None
        return self._established(key, now)

    def _computed(self, result: JobResult, now: float) -> list[Output]:
        partner = self._partner
        assert partner is not None
        if isinstance(result, Identified):
            self._partner = _Partner(partner.initiate, partner.certificate, result.partner_key)
            self.stage = Stage.IDENTIFIED
            self._wait(partner.initiate.ephemeral_seconds, now)
            return [self._answered(EstablishmentCommand.INITIATE, self.own_initiate())]
        assert isinstance(result, Agreed)
        self._agreed, self.stage = result, Stage.AGREED
        self._wait(partner.initiate.confirm_seconds, now)
        return [self._answered(EstablishmentCommand.EPHEMERAL, Ephemeral(result.ephemeral))]

    def _accept(self, command: EstablishmentCommand, payload: bytes, tsn: int | None) -> None:
        self._seen[command] = payload
        self._answers[command] = _Answer(tsn)

    def _answered(self, command: EstablishmentCommand, message: Message) -> Send:
        answer = self._answers[command]
        answer.message = message
        return self._send(message, answer.tsn)
