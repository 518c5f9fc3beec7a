"""The daemon's API from the outside: one request, one answer, and errors that keep their code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanctl.errors import DaemonUnreachable, ExitCode, HanctlError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 5


class RemoteError(HanctlError):
    """An error that the daemon answered with."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["message"]), str(error["hint"]))
        self.code = str(error["code"])
        self.exit_code = ExitCode(error["exit_code"])


class Client:
    """Talks to the daemon on one socket. Every method raises DaemonUnreachable and RemoteError."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def get(self, path: str, **query: Any) -> Any:
        return self._request("GET", path, query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._request("POST", path, {}, json=body)

    def get_text(self, path: str) -> str:
        """An answer that is not JSON."""
        with self._http() as http:
            response = http.get(path)
        check(response)
        return response.text

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("PUT", path, {}, json=body)

    def upload(self, path: str, data: bytes, **query: Any) -> Any:
        return self._request("POST", path, query, content=data)

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path, {})

    def stream(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The JSON lines of a long answer, until the daemon ends it."""
        with self._http(endless=True) as http, http.stream("GET", path, params=_given(query)) as response:
            if not response.is_success:
                response.read()
                check(response)
            for line in response.iter_lines():
                yield json.loads(line)

    def _request(self, method: str, path: str, query: dict[str, Any], **content: Any) -> Any:
        with self._http() as http:
            response = http.request(method, path, params=_given(query), **content)
        check(response)
        return response.json() if response.content else None

    @contextmanager
    def _http(self, *, endless: bool = False) -> Iterator[httpx.Client]:
        import httpx

        timeout = httpx.Timeout(None if endless else TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=str(self._socket)), base_url="http://hanctl", timeout=timeout
            ) as http:
                yield http
        except httpx.ConnectError as error:
            if "Permission" in str(error):
                raise DaemonUnreachable(
                    f"no permission to use the socket {self._socket}", "join the group that owns it (often 'hanctl')"
                ) from error
            raise DaemonUnreachable(
                f"no daemon answers on {self._socket}", "start it: hanctl run -c FILE; or name another: --socket PATH"
            ) from error
        except httpx.TransportError as error:
            raise DaemonUnreachable(
                f"the daemon on {self._socket} stopped answering", "see its log, and try again"
            ) from error


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def check(response: httpx.Response) -> None:
    """Raise RemoteError for an error of the daemon, HanctlError for an answer that is none of its."""
    if response.is_success:
        return
    try:
        error = response.json()["error"]
        remote = RemoteError(error)
    except (ValueError, KeyError, TypeError) as failure:
        raise HanctlError(
            f"the daemon gave an answer that is not hanctl's (status {response.status_code})",
            "is it another program's socket?",
        ) from failure
    raise remote
