"""Initiator of a key establishment: the side that asks for a key, a device or the hub."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from hanctl.base.eui64 import Eui64
from hanctl.crypto.curve import Point
from hanctl.trust.certificate import Certificate
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.exchange import KeyExchange, Output, Role, Stage, Terms, admit_all, check_partner
from hanctl.trust.establishment.messages import (
    Confirm,
    Ephemeral,
    EstablishmentCommand,
    Initiate,
    MessageError,
    SuiteUnsupported,
    TerminateStatus,
    decode,
)
from hanctl.trust.jobs import Agreed, AgreeJob, EphemeralPair, Identified, IdentifyJob, JobResult, Refusal


class Initiator(KeyExchange):
    """Send Initiate, Ephemeral Data and Confirm Key Data, each once the answer to the one before is processed.

    An answer that repeats the last of its kind is passed over: what it called for was sent.
    """

    role = Role.INITIATOR

    def __init__(self, partner: Eui64, credentials: Credentials, terms: Terms, tickets: Iterator[int]) -> None:
        super().__init__(partner, credentials, terms, tickets)
        self._awaited = EstablishmentCommand.INITIATE
        self._initiate: Initiate | None = None
        self._certificate: Certificate | None = None
        self._partner_key: Point | None = None
        self._ephemeral: EphemeralPair | None = None
        self._agreed: Agreed | None = None

    @property
    def code_is_out(self) -> bool:
        return self.stage is Stage.AGREED

    def begin(self, now: float) -> list[Output]:
        """Send the first message."""
        self._wait(0, now)
        return [self._send(self.own_initiate(), None)]

    def receive(self, command: EstablishmentCommand, payload: bytes, tsn: int | None, now: float) -> list[Output]:
        if self.knows(command, payload):
            return []
        if command is not self._awaited or self._job_ticket is not None or self.lingering:
            refusal = Refusal(TerminateStatus.BAD_MESSAGE, f"{command.name} came out of order")
            return self._refuse_unless_code_is_out(refusal, None)
        try:
            message = decode(command, payload, self._credentials.suite)
        except SuiteUnsupported as error:
            return self.refuse(Refusal(TerminateStatus.UNSUPPORTED_SUITE, str(error)), None)
        except MessageError as error:
            return self._refuse_unless_code_is_out(Refusal(TerminateStatus.BAD_MESSAGE, str(error)), None)
        self._seen[command] = payload
        if isinstance(message, Initiate):
            return self._identify(message, now)
        if isinstance(message, Ephemeral):
            return self._agree(message, now)
        assert isinstance(message, Confirm)
        return self._confirm(message, now)

    def _identify(self, message: Initiate, now: float) -> list[Output]:
        if message.suite is not self._credentials.suite:
            detail = f"it answered with {message.suite} where {self._credentials.suite} was asked for"
            return self.refuse(Refusal(TerminateStatus.BAD_MESSAGE, detail), None)
        # Whoever starts an exchange has admitted its partner.
        checked = check_partner(message, self.partner, self._credentials, admit_all)
        if isinstance(checked, Refusal):
            return self.refuse(checked, None)
        self._initiate, self._certificate = message, checked
        job = IdentifyJob(checked, self._credentials.authority_key, with_ephemeral=True, below=self._terms.below)
        return [self._run(job, self._settings.ephemeral_seconds, now)]

    def _agree(self, message: Ephemeral, now: float) -> list[Output]:
        assert self._certificate is not None and self._partner_key is not None
        job = AgreeJob(
            credentials=self._credentials,
            initiating=True,
            partner=self._certificate,
            partner_key=self._partner_key,
            partner_ephemeral=message.public_key,
            ephemeral=self._ephemeral,
            below=self._terms.below,
        )
        return [self._run(job, self._settings.confirm_seconds, now)]

    def _confirm(self, message: Confirm, now: float) -> list[Output]:
        agreed = self._agreed
        assert agreed is not None
        if not hmac.compare_digest(message.smac, agreed.responder_smac):
            refusal = Refusal(TerminateStatus.BAD_KEY_CONFIRM, "its authentication code is wrong")
            return self._refuse_unless_code_is_out(refusal, None)
        self._agreed = None
        return self._established(agreed.key, now)

    def _computed(self, result: JobResult, now: float) -> list[Output]:
        initiate = self._initiate
        assert initiate is not None
        if isinstance(result, Identified):
            assert result.ephemeral is not None
            self._partner_key, self._ephemeral = result.partner_key, result.ephemeral
            self.stage, self._awaited = Stage.IDENTIFIED, EstablishmentCommand.EPHEMERAL
            self._wait(initiate.ephemeral_seconds, now)
            return [self._send(Ephemeral(result.ephemeral.octets), None)]
        assert isinstance(result, Agreed)
        self._agreed, self._ephemeral = result, None
        self.stage, self._awaited = Stage.AGREED, EstablishmentCommand.CONFIRM
        self._wait(initiate.confirm_seconds, now)
        return [self._send(Confirm(result.initiator_smac), None)]
