"""Check the bearer token (RFC 6750) of each request on the listener."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hanctl.api.doors.listener import AccessTokens
from hanctl.api.errors import answer
from hanctl.api.metrics import PATH as METRICS
from hanctl.base.errors import ExitCode

_SCHEME = "bearer"


class BearerGate:
    """Pass requests with a valid token to the application; answer all others with 401 and nothing else."""

    def __init__(self, app: ASGIApp, tokens: AccessTokens) -> None:
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
    # Whoever was refused holds no connection open, and is read no further.
    refusal.headers["connection"] = "close"
    return refusal
