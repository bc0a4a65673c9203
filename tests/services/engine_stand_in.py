"""A stand-in for a container engine with one container, whose lines have the stamps that a test gives them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ID = "ab" * 32
_NAMED = {"Id": ID, "Name": "/it", "Config": {"Image": "bb", "Labels": {}}, "State": {"Status": "running", "Pid": 1}}


class EngineStandIn:
    """Answers on a Unix socket what the log source asks; ``add`` writes a line."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "engine.sock")
        self._lines: list[tuple[int, bytes]] = []
        self._added = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_unix_server(self._take, self.socket)

    async def stop(self) -> None:
        """Ends all connections."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, stamp_ns: int, text: str) -> None:
        """Writes a line at that time."""
        whole, rest = divmod(stamp_ns, 10**9)
        stamp = f"{_second(whole)}.{rest:09d}Z"
        self._lines.append((stamp_ns, f"{stamp} {text}\n".encode()))
        self._added.set()
        self._added = asyncio.Event()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # asyncio's own callback of 3.11 asks a cancelled task for its exception, and complains
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await self._answer(urlsplit(head.split(" ")[1]).path, parse_qs(urlsplit(head.split(" ")[1]).query), writer)
        writer.transport.abort()
        self._tasks.discard(task)

    async def _answer(self, path: str, query: dict[str, list[str]], writer: asyncio.StreamWriter) -> None:
        found = {"/containers/json": [{"Id": ID}], f"/containers/{ID}/json": _NAMED}.get(path)
        if path not in ("/events", f"/containers/{ID}/logs"):
            body = json.dumps(found).encode()
            status = "404 Not Found" if found is None else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        await writer.drain()
        if path == "/events":
            await asyncio.Event().wait()
        whole, _point, rest = query["since"][0].partition(".")
        since, at = int(whole) * 10**9 + int(rest), 0
        while True:
            added = self._added
            for stamp, line in self._lines[at:]:
                if stamp >= since:
                    writer.write(bytes([1, 0, 0, 0]) + len(line).to_bytes(4, "big") + line)
            at = len(self._lines)
            await writer.drain()
            if query["follow"] == ["0"]:
                writer.close()
                await writer.wait_closed()
                return
            await added.wait()


def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
