"""Open the console's serial port through serialx, which the radio libraries need anyway."""

from __future__ import annotations

import asyncio
from typing import Any

import serialx


class SerialReader:
    """An open serial port."""

    def __init__(self, reader: asyncio.StreamReader, writer: Any) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, most: int, /) -> bytes:
        return await self._reader.read(most)

    def close(self) -> None:
        self._writer.close()


async def open_serial(path: str, baudrate: int) -> SerialReader:
    """Open a port, for this process alone. Raises OSError."""
    try:
        return SerialReader(*await serialx.open_serial_connection(url=path, baudrate=baudrate))
    except OSError:
        raise
    except Exception as error:
        raise OSError(None, str(error)) from error
