"""Client of the daemon's HTTP API: send one request, return one answer, and raise errors with their exit code."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hanctl.base.errors import DaemonUnreachable, ExitCode, HanctlError, InvalidInput
from hanctl.base.shown_path import shown

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 5
TYPED = "--socket"
"""What names a control socket that was typed."""
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]_%-]+/?")
"""Of a hub: no user, path or query, which could hold a secret and would be shown."""


class RemoteError(HanctlError):
    """The daemon answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["message"]), str(error["hint"]))
        self.code = str(error["code"])
        self.exit_code = ExitCode(error["exit_code"])


@dataclass(frozen=True, slots=True)
class ControlSocket:
    """Reach the daemon on this machine by its control socket.

    ``by``: what named the socket, such as "-c FILE", if anything did; ``start``: command that starts that daemon;
    ``default``: where the socket is if nothing gives its path.
    """

    path: Path
    by: str = ""
    start: str = "hanctl run -c FILE"
    default: Path | None = None
    base_url = "http://hanctl"
    headers: ClassVar[dict[str, str]] = {}

    def transport(self) -> httpx.HTTPTransport:
        import httpx

        return httpx.HTTPTransport(uds=str(self.path))

    def unreachable(self, reason: str) -> DaemonUnreachable:
        if "Permission" in reason:
            return DaemonUnreachable(f"no permission to use {self}", "join the group that owns it (often 'hanctl')")
        return DaemonUnreachable(
            f"no daemon answers on {self}", f"start it: {self.start}; or name another: -c FILE or --socket PATH"
        )

    def __str__(self) -> str:
        # A path where nothing is may be something else than a path, in the wrong place.
        socket = self.path if self.path == self.default else shown(self.path, "the socket that was given")
        return f"{socket} ({self.by})" if self.by else str(socket)


class Listener:
    """Reach a daemon, usually on another machine, by its TCP listener; ``token`` is the bearer token."""

    def __init__(self, url: str, token: str) -> None:
        if _ADDRESS.fullmatch(url) is None:
            raise InvalidInput("HANCTL_URL is not the address of a hub", "give it as http://HOST:9455")
        self.base_url = url
        self.headers = {"authorization": f"Bearer {token}"}

    def transport(self) -> httpx.HTTPTransport:
        import httpx

        # Given, so that no proxy of the environment gets to see the token.
        return httpx.HTTPTransport()

    def unreachable(self, reason: str) -> DaemonUnreachable:
        return DaemonUnreachable(
            f"no hub answers at {self.base_url}: {reason}",
            "check HANCTL_URL, and that the hub's configuration has a [listener]",
        )

    def __str__(self) -> str:
        return f"{self.base_url} (HANCTL_URL)"


class Client:
    """Talk to one daemon, on its control socket or its listener.

    A daemon that changed something is named once, on standard error, unless its very socket was typed: where there are
    several, a wrong one shows so. Every method raises DaemonUnreachable or RemoteError.
    """

    def __init__(self, hub: ControlSocket | Listener) -> None:
        self._hub = hub
        self._named = isinstance(hub, ControlSocket) and hub.by == TYPED

    def __str__(self) -> str:
        return str(self._hub)

    def get(self, path: str, **query: Any) -> Any:
        return self._request("GET", path, query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._request("POST", path, {}, json=body)

    def get_text(self, path: str) -> str:
        """Return the body of an answer that is not JSON."""
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
        """Yield each JSON line of a streamed answer until the daemon ends it."""
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
        if method != "GET" and not self._named:
            print(f"hub: {self}", file=sys.stderr)
            self._named = True
        return response.json() if response.content else None

    @contextmanager
    def _http(self, *, endless: bool = False) -> Iterator[httpx.Client]:
        import httpx

        timeout = httpx.Timeout(None if endless else TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            with httpx.Client(
                transport=self._hub.transport(),
                base_url=self._hub.base_url,
                headers=self._hub.headers,
                timeout=timeout,
            ) as http:
                yield http
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL) as error:
            raise self._hub.unreachable(str(error)) from error
        except httpx.TransportError as error:
            raise DaemonUnreachable(
                f"the daemon on {self._hub} stopped answering", "see its log, and try again"
            ) from error


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def check(response: httpx.Response) -> None:
    """Raise RemoteError for an error that the daemon reports, HanctlError for an answer from anything else."""
    if response.is_success:
        return
    try:
        error = response.json()["error"]
        remote = RemoteError(error)
    except (ValueError, KeyError, TypeError) as failure:
        raise HanctlError(
            f"the daemon gave an answer that is not hanctl's (status {response.status_code})",
            "is it another program's socket or port?",
        ) from failure
    raise remote
