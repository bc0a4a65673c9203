"""A host whose journalctl is a script: what journalctl(1) says of the options that are used, over entries in memory."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import OUTPUT_LIMIT, Completed
from lilfox_tui.hosts.fake import FakeHost

HINT = (
    b"Hint: You are currently not seeing messages from other users and the system.\n"
    b"      Users in groups 'adm', 'systemd-journal' can see all messages.\n"
)


class JournalHost(FakeHost):
    """``add`` puts an entry in; ``cut`` ends the streams that run as a lost link does, ``vacuum`` drops old entries."""

    def __init__(self, name: str = "box") -> None:
        super().__init__(name)
        self.entries: list[dict[str, object]] = []
        self.members: bytes = b""
        """What journalctl says on stderr to a user who may not see all; empty for one who may."""
        self.argvs: list[tuple[tuple[str, ...], bool]] = []
        self.units = {"nginx.service"}
        self._count = 0
        self._links = 0
        self._news = asyncio.Event()

    def add(self, time_us: int, message: object, **fields: object) -> None:
        """One entry, the newest."""
        self._count += 1
        head = {"__CURSOR": f"s=0b1c;i={self._count:x};b=77", "__REALTIME_TIMESTAMP": str(time_us)}
        self.entries.append({**head, "PRIORITY": "6", "MESSAGE": message, **fields})
        self._wake()

    def cut(self) -> None:
        """The link is lost; the next call has a new one."""
        self._links += 1
        self._wake()

    def vacuum(self, keep: int) -> None:
        """Drops all but the newest ``keep``."""
        del self.entries[: len(self.entries) - keep]

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
        env: dict[str, str] | None = None,
    ) -> Completed:
        if argv[0] == "systemctl":
            found = argv[-1] in self.units
            return Completed(tuple(argv), 0, None, f"LoadState={'loaded' if found else 'not-found'}\n".encode(), b"")
        if argv[0] != "journalctl" or self.answers:
            return await super().run(argv, sudo=sudo)
        self.argvs.append((tuple(argv), sudo))
        lines = [_line(entry) for entry in self._selected(argv)]
        return Completed(tuple(argv), 0, None, b"".join(lines), b"" if sudo else self.members)

    async def stream(
        self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """What journalctl prints, narrowed as grep does where that is asked for."""
        narrow = None
        if argv[0] == "sh":
            _live, fold, words, begun, *argv = argv[4:]
            flags = re.IGNORECASE if fold else 0
            narrow = re.compile(b"|".join(map(re.escape, words.encode().split(b"\n"))), flags)
            yield begun.encode() + b"\n"
        rest = b""
        async with aclosing(self._printed(argv, sudo=sudo)) as blocks:
            async for block in blocks:
                *lines, rest = (rest + block).split(b"\n")
                yield b"".join(line + b"\n" for line in lines if narrow is None or narrow.search(line))
        yield rest

    async def _printed(self, argv: Sequence[str], *, sudo: bool) -> AsyncGenerator[bytes, None]:
        self.argvs.append((tuple(argv), sudo))
        await self.connect()
        link = self._links
        given: set[object] = set()
        while True:
            news = self._news
            batch = b""
            for entry in self._selected(argv):
                if entry["__CURSOR"] not in given:
                    given.add(entry["__CURSOR"])
                    batch += _line(entry)
            for at in range(0, len(batch), 65_536):
                yield batch[at : at + 65_536]
            if "--follow" not in argv:
                return
            if link != self._links:
                raise HostUnreachable(self.name, "The link to box was lost")
            await news.wait()
            if link != self._links:
                for entry in self._selected(argv):
                    if entry["__CURSOR"] not in given:
                        yield _line(entry)[:40]
                raise HostUnreachable(self.name, "The link to box was lost")

    def _selected(self, argv: Sequence[str]) -> list[dict[str, object]]:
        pairs = (word.partition("=") for word in argv if word.startswith("--"))
        options = {name: value for name, _, value in pairs}
        known = {"--output", "--all", "--no-pager", "--unit", "--identifier",
                 "--priority", "--boot", "--since", "--until",
                 "--cursor", "--after-cursor", "--reverse", "--follow", "--no-tail", "--lines"}  # fmt: skip
        assert set(options) <= known, options
        found = [entry for entry in self.entries if _wanted(entry, options, argv[1:])]
        if "--reverse" in options:
            found.reverse()
        cursor = options.get("--after-cursor", options.get("--cursor"))
        if cursor is not None:
            found = self._behind(found, cursor, reverse="--reverse" in options, after="--after-cursor" in options)
        lines = options.get("--lines", "")
        return found[: int(lines)] if "--reverse" in options and lines else found[-int(lines) :] if lines else found

    @staticmethod
    def _behind(found: list[dict[str, object]], cursor: str, *, reverse: bool, after: bool) -> list[dict[str, object]]:
        """journalctl seeks to the nearest entry that is left."""
        number = _number(cursor)
        sign = -1 if reverse else 1
        kept = [e for e in found if sign * _number(e["__CURSOR"]) >= sign * number]
        return [e for e in kept if not after or e["__CURSOR"] != cursor]


def _wanted(entry: dict[str, object], options: dict[str, str], words: Sequence[str]) -> bool:
    time_us = int(str(entry["__REALTIME_TIMESTAMP"]))
    for option, field in (("--unit", "_SYSTEMD_UNIT"), ("--identifier", "SYSLOG_IDENTIFIER")):
        if option in options and entry.get(field) != options[option]:
            return False
    if "--priority" in options:
        lowest, _, highest = options["--priority"].partition("..")
        if not int(lowest) <= int(str(entry["PRIORITY"])) <= int(highest):
            return False
    if "--since" in options and time_us < _moment(options["--since"]):
        return False
    if "--until" in options and time_us > _moment(options["--until"]):
        return False
    matches: dict[str, set[str]] = {}
    for word in words:
        if not word.startswith("-"):
            field, _, value = word.partition("=")
            matches.setdefault(field, set()).add(value)
    return all(entry.get(field) in values for field, values in matches.items())


def _moment(text: str) -> int:
    seconds, _, micro = text.removeprefix("@").partition(".")
    return int(seconds) * 10**6 + int(micro or 0)


def _number(cursor: object) -> int:
    return int(str(cursor).split(";")[1].removeprefix("i="), 16)


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry).encode() + b"\n"
