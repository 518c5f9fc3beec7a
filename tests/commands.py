"""Run hanctl commands in tests, each in a process of its own, which is forked from one that has imported hanctl."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")


@cache
def _server() -> socket.socket:
    """Start the server of this test process. It ends when the test process does, as its socket is closed then."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen([sys.executable, str(SERVER)], stdin=theirs.fileno())
    return ours


class Command:
    """A command that runs: as much of ``asyncio.subprocess.Process`` as tests use."""

    def __init__(self, stdin: asyncio.StreamWriter, out: asyncio.StreamReader, err: asyncio.StreamReader) -> None:
        self.stdin, self.stdout, self.stderr = stdin, out, err
        self.returncode: int | None = None
        self._told: asyncio.StreamReader
        self._pid = 0

    @classmethod
    async def start(cls, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Command:
        """Start ``hanctl ARGUMENTS``; ``env``: its whole environment, else that of the tests."""
        pairs = [os.pipe() for _ in range(4)]
        theirs = [pairs[0][0], *(writing for _, writing in pairs[1:])]
        request = {
            "arguments": arguments,
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        socket.send_fds(_server(), [json.dumps(request).encode()], theirs)
        for file in theirs:
            os.close(file)
        command = cls(await _writer(pairs[0][1]), await _reader(pairs[1][0]), await _reader(pairs[2][0]))
        command._told = await _reader(pairs[3][0])
        command._pid = int(await command._told.readline())
        return command

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """Give it its input, and wait for its end; returns what it wrote to both streams."""
        self.stdin.write(given)
        self.stdin.close()
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return out, err

    async def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        if self.returncode is None:
            self.returncode = int(await self._told.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    def kill(self) -> None:
        """Kill it."""
        os.kill(self._pid, 9)


async def _reader(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(file, "rb", 0)
    )
    return reader


async def _writer(file: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(file, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
