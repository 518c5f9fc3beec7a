"""The TCP listener: its socket, and the tokens that clients on other machines need."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field

import structlog

from hanctl.base.errors import ConfigError, place_error
from hanctl.config.sections import ListenerSection
from hanctl.config.tokens import read_token
from hanctl.config.values import ListenAddress

log = structlog.get_logger()

_BACKLOG = 512
"""A crowd that comes at once is queued, as a connection that finds the queue full comes again after a second."""
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
"""Ask a silent client after 60 s, every 15 s, and give up after 4 questions."""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Tokens: ``everything`` for the whole API; ``metrics``, if configured, for GET /metrics only."""

    everything: bytes = field(repr=False)
    metrics: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, settings: ListenerSection) -> AccessTokens:
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


def listen(address: ListenAddress) -> socket.socket:
    """Return a socket that listens on the address. Raises ConfigError."""
    family = socket.AF_INET6 if address.host.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Each connection has these from here: a client that is gone without a word is noticed.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE.items():
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
        if family == socket.AF_INET6:
            # "::" means IPv6 alone, as it says.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((str(address.host), address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise place_error(
            f"the listener cannot have {address}: {error.strerror or error}",
            "give an address of this machine and a free port above 1023 ([listener] address)",
            error,
            errno.EACCES,
        ) from error
    if not address.host.is_loopback:
        log.warning(
            "the listener can be reached over the network, and what passes is not encrypted", address=str(address)
        )
    return listener
