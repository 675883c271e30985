"""A way to the engine that can be broken: a socket between the adapter and the real engine, with faults on demand.

Every call has a connection of its own, so the first line of a connection tells which call it is.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to calls whose method and path match.

    Attributes:
        calls: regular expression, over "POST /v1.41/containers/create?name=x".
        how: refused (an answer with ``status`` and ``message``), cut (before the engine hears of it), cut-after (when
            it has answered) or stuck (no answer ever).
        hits: how many calls it has met.
    """

    calls: str
    how: str
    status: int = 500
    message: str = "something went wrong"
    hits: int = 0


@dataclass
class Between:
    """The way itself.

    Attributes:
        address: what the adapter is told.
        faults: what happens to some calls.
        calls: every call that came, as method and path.
    """

    engine: str
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _refuses: bool = False

    def fail(self, calls: str, how: str, **more) -> Fault:
        """From now on."""
        fault = Fault(calls, how, **more)
        self.faults.append(fault)
        return fault

    def cut(self) -> None:
        """Break every connection, and take no new one: the engine is gone."""
        self._refuses = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """The engine is back, and nothing fails."""
        self._refuses = False
        self.faults.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which is one call."""
        self._open.add(writer)
        try:
            if not self._refuses:
                await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        call = head.split(b"\r\n", 1)[0].decode().rpartition(" ")[0]
        self.calls.append(call)
        fault = next((each for each in self.faults if re.search(each.calls, call)), None)
        if fault is not None:
            fault.hits += 1
            if fault.how == "cut":
                return
            if fault.how == "stuck":
                await reader.read()
                return
            if fault.how == "refused":
                body = json.dumps({"message": fault.message}).encode()
                said = (
                    f"HTTP/1.1 {fault.status} Refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                )
                writer.write(f"{said}\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()
                return
        there, away = await asyncio.open_unix_connection(urlsplit(self.engine).path)
        self._open.add(away)
        away.write(head)
        try:
            if fault is not None:  # cut-after
                await asyncio.gather(there.readline(), _copy(reader, away))
                return
            await asyncio.gather(_copy(reader, away), _copy(there, writer))
        finally:
            self._open.discard(away)
            away.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


@contextlib.asynccontextmanager
async def between(engine: str, folder: Path) -> AsyncIterator[Between]:
    """A way to the engine at that address, by a socket in ``folder``."""
    path = folder / "engine.sock"
    way = Between(engine, f"unix://{path}")
    server = await asyncio.start_unix_server(way.serve, path, limit=1 << 20)
    try:
        yield way
    finally:
        way.cut()
        server.close()
