"""The TCP listener: the API for those who are not on this machine, each request with a bearer token (RFC 6750)."""

from __future__ import annotations

import hmac
import socket
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hanctl.api.errors import answer
from hanctl.api.metrics import PATH as METRICS
from hanctl.config_sections import ListenerSection
from hanctl.config_values import Address
from hanctl.errors import ConfigError, ExitCode
from hanctl.tokens import read_token

log = structlog.get_logger()

_SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What opens the API: ``everything``, and where there is one, ``metrics``, which opens GET /metrics alone."""

    everything: bytes = field(repr=False)
    metrics: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, settings: ListenerSection) -> Tokens:
        """Read the token files. Raises ConfigError."""
        everything = read_token(settings.token_file, "[listener] token_file").encode()
        if settings.metrics_token_file is None:
            return cls(everything)
        metrics = read_token(settings.metrics_token_file, "[listener] metrics_token_file").encode()
        if metrics == everything:
            raise ConfigError(
                "the token for /metrics is the token that may do everything",
                "make another for [listener] metrics_token_file",
            )
        return cls(everything, metrics)


def listen(address: Address) -> socket.socket:
    """A socket that listens there. Raises ConfigError."""
    family = socket.AF_INET6 if address.host.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" means IPv6 alone, as it says.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((str(address.host), address.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"the listener cannot have {address}: {error.strerror or error}",
            "give an address of this machine and a free port above 1023 ([listener] address)",
        ) from error
    if not address.host.is_loopback:
        log.warning(
            "the listener can be reached over the network, and what passes is not encrypted", address=str(address)
        )
    return listener


class BearerGate:
    """Lets requests with a token through to the application, and tells everybody else nothing."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        token = given.strip().encode() if scheme.lower() == _SCHEME else b""
        if hmac.compare_digest(token, self._tokens.everything):
            return None
        if self._tokens.metrics is None or not hmac.compare_digest(token, self._tokens.metrics):
            hint = "send it as Authorization: Bearer …; hanctl reads it from the file that HANCTL_TOKEN_FILE names"
            return _refuse(HTTPStatus.UNAUTHORIZED, "unauthorized", "this needs the hub's token", hint, "Bearer")
        if (scope["method"], scope["path"]) == ("GET", METRICS):
            return None
        message, hint = f"this token opens {METRICS} alone", "use the one of [listener] token_file"
        return _refuse(HTTPStatus.FORBIDDEN, "forbidden", message, hint, 'Bearer error="insufficient_scope"')


def _refuse(status: HTTPStatus, code: str, message: str, hint: str, challenge: str) -> Response:
    refusal = answer(status, code, message, hint, ExitCode.DAEMON_UNREACHABLE)
    refusal.headers["www-authenticate"] = challenge
    return refusal
