"""For tests of abuse: clients that send any bytes they like, and a server process that is watched from outside."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bundles import REPOSITORY
from tests.inference.servers import START_SECONDS, ask

# A client that waits longer has found a server that hangs.
ANSWER_SECONDS = 60.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The word of the service's own errors; "" where there is none."""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""


@dataclass(frozen=True)
class Watched:
    """A running server: where it listens, and what the system says about its process."""

    process: subprocess.Popen[bytes]
    host: str
    port: int
    log: Path

    async def connect(self) -> "Client":
        return Client(*await asyncio.open_connection(self.host, self.port))

    async def exchange(self, data: bytes) -> Answer | None:
        """Send bytes on a connection of their own; return the answer, None if there was none."""
        client = await self.connect()
        try:
            await client.send(data)
            return await client.answer()
        finally:
            await client.close()

    def metric(self, name: str) -> float:
        lines = ask(f"http://{self.host}:{self.port}/metrics").body.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def files(self) -> int:
        """Return how many files and connections the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        return int(self._status("Threads"))

    def resident_bytes(self) -> int:
        return int(self._status("VmRSS").split()[0]) * 1024

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of one kind of event."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line for line in lines if line["event"] == name]

    def _status(self, key: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{key}:"))


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes; what a server does not want to read any more is no error."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def finish_sending(self) -> None:
        """Close this half of the connection only."""
        with suppress(OSError):
            self._writer.write_eof()

    async def answer(self) -> Answer | None:
        """Read one answer; None if the server closes instead."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Answer(int(first.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait until the server closes; True if it said nothing more before."""
        async with asyncio.timeout(ANSWER_SECONDS):
            with suppress(ConnectionError):
                return await self._reader.read() == b""
        return True

    async def close(self, abruptly: bool = False) -> None:
        """Close the connection, orderly or with a reset, which is what a process that is killed leaves."""
        if abruptly:
            connected: socket.socket = self._writer.get_extra_info("socket")
            with suppress(OSError):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if abruptly or self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def post(body: bytes, content_type: str = "image/jpeg", *headers: str, path: str = "/predict") -> bytes:
    """Return a request with a body of known length."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def chunked(body: bytes, size: int, content_type: str = "image/jpeg") -> bytes:
    """Return a request whose body comes in chunks of some bytes."""
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def watching(bundle: Path, *options: str, command: tuple[str, ...] = ()) -> Iterator[Watched]:
    """Run a server whose log goes to a file; it ends with status 0 when it is told to, whatever was done to it.

    Args:
        command: what to start it with, such as `prlimit` and its options.
    """
    serve = [*command, sys.executable, "-m", "inference", "serve", "--bundle", str(bundle), "--port", "0"]
    with tempfile.NamedTemporaryFile(prefix="serve-", suffix=".log") as log:
        process = subprocess.Popen([*serve, "--drain-seconds", "0", *options], stdout=log, cwd=REPOSITORY, env={**os.environ})
        try:
            watched = Watched(process, "", 0, Path(log.name))
            deadline = time.monotonic() + START_SECONDS
            while not watched.events("ready"):
                assert process.poll() is None and time.monotonic() < deadline, "the server did not become ready"
                time.sleep(0.05)
            listening = watched.events("listening")[0]
            yield Watched(process, listening["address"], listening["port"], Path(log.name))
            process.terminate()
            assert process.wait(30) == 0
            assert watched.events("request failed") == []
        finally:
            process.kill()
            process.wait()
