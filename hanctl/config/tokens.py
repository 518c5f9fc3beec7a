"""Bearer tokens (RFC 6750), which let a client use the API over the network."""

from __future__ import annotations

import re
from pathlib import Path

from hanctl.base.errors import ConfigError
from hanctl.config.secret_files import how_to_make, read_secret_file

SHORTEST_TOKEN = 32
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def read_token(path: Path, where: str) -> str:
    """Read the token from a file that only the hub may read; ``where`` names the file in errors. Raises ConfigError."""
    token = read_secret_file(path, "the token", where)
    if _TOKEN.fullmatch(token) is None:
        raise ConfigError(f"what the token file {path} holds is not one token", how_to_make(path))
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"the token in {path} has fewer than {SHORTEST_TOKEN} characters", how_to_make(path))
    return token
