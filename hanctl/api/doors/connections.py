"""Limit the open connections of a door, so that descriptors are left for dongle, ledger and the other door.

Whoever comes is let in as long as somebody can go in return: first who never got an answer, then who waits longest
between two requests, then who does not read the answer. So a crowd that only holds connections open makes room for a
client that sends its request at once. Only where all are at work, the newcomer is refused.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol

import structlog

from hanctl.api.errors import answer
from hanctl.base.errors import ExitCode
from hanctl.base.repeats import Repeats

MOST_ON_LISTENER = 128
MOST_ON_SOCKET = 64
KEPT_BACK = 96
"""Descriptors that neither door takes: dongle, ledger and its copies, images, logs, webhook."""
FEWEST = 4
OUT_OF_DESCRIPTORS_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """The most connections on the control socket, on the listener, and on the listener from one address."""

    socket: int
    listener: int
    address: int

    @classmethod
    def within(cls, descriptors: int) -> DoorLimits:
        """Return the limits of a process that may open so many descriptors."""
        free = descriptors - KEPT_BACK
        on_socket = max(FEWEST, min(MOST_ON_SOCKET, free // 2))
        on_listener = max(FEWEST, min(MOST_ON_LISTENER, free - on_socket))
        return cls(on_socket, on_listener, on_listener // 2)

    @classmethod
    def of_this_process(cls) -> DoorLimits:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls.within(sys.maxsize if soft < 0 else soft)


class Held(Protocol):
    """A connection. ``rank``: the lower, the sooner it has to go; None: not at all."""

    def rank(self) -> tuple[int, float] | None: ...
    def drop(self) -> None: ...


class Connections:
    """The connections of one door, at most ``most``, and ``most_of_one`` of one address."""

    def __init__(self, door: str, most: int, most_of_one: int) -> None:
        self._door = door
        self._most = most
        self._most_of_one = most_of_one
        self._origins: dict[Held, Hashable] = {}
        self._repeats: Repeats[str] = Repeats(self._tell)

    def __len__(self) -> int:
        return len(self._origins)

    def admit(self, origin: Hashable) -> bool:
        """Make room for a connection from there; tell whether there is room now."""
        same = [held for held, other in self._origins.items() if other == origin]
        if len(same) >= self._most_of_one:
            return self._drop_one_of(same)
        return len(self) < self._most or self._drop_one_of(list(self._origins))

    def add(self, held: Held, origin: Hashable) -> None:
        self._origins[held] = origin

    def discard(self, held: Held) -> None:
        self._origins.pop(held, None)

    def _drop_one_of(self, candidates: list[Held]) -> bool:
        ranked = [(rank, place) for place, held in enumerate(candidates) if (rank := held.rank()) is not None]
        if not ranked:
            self._note("refused")
            return False
        held = candidates[min(ranked)[1]]
        self.discard(held)
        held.drop()
        self._note("dropped to make room")
        return True

    async def accept(self, listening: socket.socket, protocol: Callable[[Hashable], asyncio.Protocol]) -> None:
        """Accept connections until cancelled, one after the other, so that no crowd holds up the event loop."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    self._note("left waiting, as the system has no descriptors or memory left")
                    await asyncio.sleep(OUT_OF_DESCRIPTORS_S)
                continue
            origin = origin_of(address)
            if self.admit(origin):
                with suppress(OSError):
                    await loop.connect_accepted_socket(lambda origin=origin: protocol(origin), connection)  # type: ignore[misc]
            else:
                with connection, suppress(OSError):
                    connection.setblocking(False)
                    connection.send(_BUSY)
            await asyncio.sleep(0)

    def _note(self, what: str) -> None:
        if self._repeats.first(what):
            log.warning(f"a connection was {what}", door=self._door, open=len(self))

    def _tell(self, what: str, count: int) -> None:
        log.warning(f"more connections were {what}", door=self._door, open=len(self), count=count)


def origin_of(address: object) -> Hashable:
    """Return what counts as one address: an IPv4 address, the 64-bit prefix of an IPv6 one, or the whole socket."""
    if not isinstance(address, tuple):
        return None
    given = ip_address(str(address[0]).partition("%")[0])
    return given if given.version == 4 else int(given) >> 64


def _busy() -> bytes:
    refusal = answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "busy",
        "the hub has as many connections at work as it takes",
        "try again in a moment, and close those that are not needed",
        ExitCode.DAEMON_UNREACHABLE,
    )
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(refusal.body)}"
    return head.encode() + b"\r\nconnection: close\r\n\r\n" + bytes(refusal.body)


_BUSY = _busy()
