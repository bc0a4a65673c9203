"""Log files of an SSH host: read in blocks through one shell, and searched and counted on the host, so that only hits
are transferred."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from weakref import WeakKeyDictionary

from lilfox_tui.core.errors import CommandTimeout, FileRefused, HostError, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host, not_read
from lilfox_tui.logs.files.local import by_block, search_words
from lilfox_tui.logs.files.log_file import (
    FileStat,
    SearchHits,
    Text,
    file_moved,
    no_right,
    not_regular,
    nothing_there,
)
from lilfox_tui.logs.files.remote_shell import DATA, MOVED, WORDS, RemoteShell, enter, escaped, leave
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT

# What grep prints with offsets (``-b``) and following lines (``-A``), read back: ``OFFSET:hit``, ``OFFSET-following``,
# ``--`` between what is not adjacent; and ``OFFSET?`` of a hit whose text is not told.


CUT_BYTES = 200
"""A following line that may begin the next record is sent up to here."""
_TOGETHER_BYTES = 16 * 1024
_LINE = re.compile(rb"(\d+)([:?-])", re.DOTALL)
_STATUS = re.compile(rb"@(\d+)")


class GrepOutput:
    """Parses search output: call ``take`` with each block. ``status`` is the exit status of the search program, once it
    has arrived: 0 for hits, 1 for none."""

    def __init__(self, base: int) -> None:
        self.status: int | None = None
        self._base = base
        self._rest = b""
        self._hits: list[int] = []
        self._line_at = 0
        self._text = bytearray()
        self._next = -1

    def take(self, data: bytes) -> SearchHits:
        """Return the hits whose text is complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        offsets: list[int] = []
        texts: dict[int, Text] = {}
        for line in lines:
            if (match := _LINE.match(line)) is None:
                status = _STATUS.fullmatch(line)
                self.status = int(status[1]) if status else self.status
                self._close(offsets, texts)
                continue
            at, text = self._base + int(match[1]), line[match.end() :]
            if match[2] == b":":
                self._hit(at, text, offsets, texts)
            elif match[2] == b"?":
                self._close(offsets, texts)
                offsets.append(at)
            elif at == self._next:
                self._follow(at, text)
            else:
                self._next = -1
        return SearchHits(offsets, texts)

    def _hit(self, at: int, text: bytes, offsets: list[int], texts: dict[int, Text]) -> None:
        if at != self._next or len(self._text) > _TOGETHER_BYTES:
            if at == self._next:
                self._text += text[:CUT_BYTES]
            self._close(offsets, texts)
            self._line_at = at
        self._hits.append(at)
        self._text += text + b"\n"
        self._next = at + len(text) + 1

    def _follow(self, at: int, text: bytes) -> None:
        self._text += text if len(text) >= CUT_BYTES else text + b"\n"
        self._next = -1 if len(text) >= CUT_BYTES else at + len(text) + 1

    def _close(self, offsets: list[int], texts: dict[int, Text]) -> None:
        if self._hits:
            offsets += self._hits
            if not self._base or self._line_at > self._base:  # the first line may be half a line
                texts.update(dict.fromkeys(self._hits, (self._line_at, bytes(self._text))))
        self._hits, self._text, self._next = [], bytearray(), -1


# Counting the lines of a file on an SSH host there, when nobody else wants its processor or its disk.


_WAIT_S = 60.0
_BLOCK = 65536
_COUNT = (
    WORDS
    + r"""
renice -n 19 -p $$ >/dev/null 2>&1
ionice -c 3 -p $$ >/dev/null 2>&1
exec 3<"$1" || exit 1
file=$(lilfox_fd 3)
[ "$(lilfox_id "$file")" = "$2" ] || { echo moved; exit; }
dd if="$file" bs=65536 skip="$3" count="$4" 2>/dev/null | tail -c "+$5" | head -c "$6" | wc -l
"""
)


async def count_lines(
    host: Host, path: str, key: tuple[int, int], start: int, length: int, *, sudo: bool
) -> int | None:
    """Count the newlines in ``length`` bytes from ``start``; None if the host has no program for it. Raises
    LilFoxError, FileMoved."""
    first, within = divmod(start, _BLOCK)
    blocks = (within + length + _BLOCK - 1) // _BLOCK
    words = [path, f"{key[0]} {key[1]}", *map(str, (first, blocks, within + 1, length))]
    done = await host.run_script(_COUNT, words, timeout_s=_WAIT_S, sudo=sudo)
    answer = done.stdout.strip()
    if answer == b"moved":
        raise file_moved(host.name, path)
    return int(answer) if done.ok and answer.isdigit() else None


# Searching a file on an SSH host there: rg or grep finds, awk where grep tells no offsets (BusyBox), and the lines
# found cross the wire, packed by gzip.
#
# With each line found comes its offset, and what follows it as far as that looks like the rest of its record (a
# traceback), up to the beginning of the next one. Where that guess was wrong the record is read again, never cut.


FOLLOWING_LINES = 30
_AWK = r"""
/^[0-9]+:/ { print; open = 1; next }
/^[0-9]+\?/ { print; open = 0; next }
/^@/ { print; next }
!open || !/^[0-9]+-/ { next }
{
    text = $0
    sub(/^[0-9]+-/, "", text)
    if (text ~ /^([ \t})\]]|$|Traceback|Caused by|During handling|The above|\.\.\.)/) print
    else if (text ~ /^[A-Za-z_.$]+(Error|Exception|Interrupt|Exit|Warning)(:|$)/) print
    else { print substr($0, 1, length($0) - length(text) + CUT); open = 0 }
}
""".replace("CUT", str(CUT_BYTES))
_BY_LINE = r"""
BEGIN {
    lines = ARGV[1]; fold = ARGV[2]
    count = split(fold ? tolower(ARGV[3]) : ARGV[3], wanted, "\n")
    ARGV[1] = ARGV[2] = ARGV[3] = ""
}
{
    at = next_at; next_at += length($0) + 1
    text = fold ? tolower($0) : $0
    for (i = 1; i <= count && !index(text, wanted[i]); i++);
    sure = !index($0, "\1")
    if (i <= count) { printf sure ? "%.0f:%s\n" : "%.0f?\n", at, $0; left = sure ? lines : 0 }
    else if (left-- > 0 && sure) printf "%.0f-%s\n", at, $0
    else left = 0
}
"""
"""What grep prints with ``-b`` and ``-A``. awk knows no NUL: tr makes it 1, and of such a line no text is told."""
_SEARCH = (
    WORDS
    + r"""
exec 3<"$1" || exit 1
file=$(lilfox_fd 3)
[ "$(lilfox_id "$file")" = "$2" ] || { printf 'moved\n'; exit; }
from=$3 length=$4 lines=$5 fold=$6 needles=$7 awk=$8 by_line=$9; shift 9
by_line() { tr '\0' '\1' | awk -- "$by_line" "$@"; }
if command -v rg >/dev/null 2>&1; then
    find() { rg --no-config --no-mmap -abNI --no-heading --color=never --encoding=none -F -A "$lines" "$@" -; }
elif [ "$(printf 'a\nb\n' | grep -abF -e b 2>/dev/null)" = 2:b ]; then
    find() { grep -abF -A "$lines" "$@" -; }
elif [ "$(printf 'a\303\244\0c\nB\n' | by_line 0 -i 'x
b' 2>/dev/null)" = 6:B ]; then
    find() { by_line "$lines" "$fold" "$needles"; }
else printf 'none\n'; exit
fi
searched() {
    if [ "$from" = 1 ] && [ "$length" -ge "$(lilfox_size "$file")" ]; then find "$@" <"$file"
    else tail -c "+$from" "$file" | head -c "$length" | find "$@"
    fi
    printf '@%s\n' "$?"
}
shown() { if [ "$lines" = 0 ]; then cat; else LC_ALL=C awk "$awk"; fi; }
if command -v gzip >/dev/null 2>&1; then
    printf 'gzip\n'
    { searched "$@" | shown; } | gzip -1 -c
else
    printf 'plain\n'
    searched "$@" | shown
fi
"""
)


async def search_remotely(
    host: Host,
    path: str,
    key: tuple[int, int],
    wanted: Needles,
    part: tuple[int, int],
    *,
    following: bool,
    sudo: bool = False,
) -> AsyncGenerator[SearchHits, None]:
    """Yield the hits in ``part``, ascending, with their lines, and with ``following`` the lines after them. Raises
    LilFoxError; SearchUnavailable if the host has no program for it."""
    start, end = part
    lines = str(FOLLOWING_LINES) if following else "0"
    length = str(end - start + RAW_LIMIT)  # the last line goes on behind the end
    plain = "\n".join(map(os.fsdecode, wanted.any_of))
    words = [path, f"{key[0]} {key[1]}", str(start + 1), length, lines, "-i" if wanted.ignore_case else "", plain]
    words += [_AWK, _BY_LINE, *search_words(wanted)]
    printed, wire = GrepOutput(start), _WireDecoder(host.name, path)
    async with aclosing(host.stream(["sh", "-c", _SEARCH, "sh", *words], sudo=sudo)) as blocks:
        async for block in blocks:
            found = await asyncio.to_thread(lambda block: printed.take(wire.take(block)), block)
            past = bool(found.offsets) and found.offsets[-1] >= end
            inside = [at for at in found.offsets if start <= at < end]
            if inside:
                yield SearchHits(inside, {at: found.texts[at] for at in inside if at in found.texts})
            if past:
                return
    if printed.status not in (0, 1):
        raise HostError(host.name, tr("{path} on {host} could not be searched", path=path, host=host.name))


class SearchUnavailable(Exception):
    """The host has neither rg nor a grep that prints byte offsets, nor tr and an awk that counts bytes."""


class _WireDecoder:
    """Decodes the compressed output. The first line names the compression."""

    def __init__(self, host: str, path: str) -> None:
        self._host = host
        self._path = path
        self._head = b""
        self._kind = b""
        self._gzip = zlib.decompressobj(wbits=31)

    def take(self, block: bytes) -> bytes:
        """Return the decompressed search output in ``block``. Raises FileMoved, SearchUnavailable."""
        if not self._kind:
            self._head += block
            if b"\n" not in self._head:
                return b""
            self._kind, _, block = self._head.partition(b"\n")
        if self._kind == b"moved":
            raise file_moved(self._host, self._path)
        if self._kind == b"none":
            raise SearchUnavailable
        return self._gzip.decompress(block) if self._kind == b"gzip" else block


# Log files of an SSH host: asked for by blocks through one kept ``sh``; searched there, so that hits alone cross.


_PAGE = 4096
COUNTED_MOST_BYTES = 2 * 1024 * 1024 * 1024
"""Lines are counted up to there: all of it is read there, from its disk."""
_COUNTING: WeakKeyDictionary[Host, asyncio.Lock] = WeakKeyDictionary()


class RemoteDisk:
    """The files of an SSH host. See :class:`lilfox_tui.logs.files.log_file.Disk`. With ``sudo``, files are read as root
    once there is one that this account may not read."""

    def __init__(self, host: Host, *, sudo: bool = False, following: bool = False) -> None:
        self.host = host
        self.is_root = False
        self._may_be_root = sudo
        self._following = following
        self._apart = False
        self._entered: RemoteShell | None = None
        self._paths: dict[tuple[int, int], str] = {}

    async def ask(self, *words: str) -> bytes:
        """Return the shell's answer to the query ``words``. Raises HostError."""
        return await self._asked(lambda shell: shell.ask(*words))

    async def ask_about(self, key: tuple[int, int], path: str, *words: str | int) -> bytes:
        """See :meth:`RemoteShell.ask_about`."""
        return await self._asked(lambda shell: shell.ask_about(key, path, *words))

    async def _asked(self, ask: Callable[[RemoteShell], Awaitable[bytes]]) -> bytes:
        if self._entered is None:
            self._entered = enter(self.host, following=self._following, as_root=self.is_root, apart=self._apart)
        shell = self._entered
        shell.users += 1  # it is not ended below this question
        try:
            answer = await ask(shell)
            if shell is self._entered:
                await self._set_apart(False)
            return answer
        except CommandTimeout:
            if shell is self._entered:
                await self._set_apart(True)
            raise
        finally:
            await leave(self.host, shell)

    async def _set_apart(self, apart: bool) -> None:
        """Switch these files to a separate shell, so that other queries do not wait for them, or back to the shared
        one."""
        if apart is not self._apart:
            self._apart = apart
            await self.close()

    async def _become_root(self) -> None:
        await self.close()
        self.is_root = True

    async def look(self, patterns: Sequence[str]) -> list[FileStat]:
        """See :meth:`Disk.look`."""
        found = await self._look(patterns)
        if not found and self._could_be_root and await self._barred(patterns):
            await self._become_root()
            found = await self._look(patterns)
        self._paths |= {one.key: one.path for one in found}
        return found

    async def _look(self, patterns: Sequence[str]) -> list[FileStat]:
        answer = await self.ask("look", *map(escaped, patterns))
        now, _, lines = answer.partition(b"\n")
        found: dict[tuple[int, int], FileStat] = {}
        for line in lines.splitlines():
            one = _seen(line, int(now))
            if one is not None:
                found.setdefault(one.key, one)
        return list(found.values())

    @property
    def _could_be_root(self) -> bool:
        return self._may_be_root and not self.is_root

    async def _barred(self, patterns: Sequence[str]) -> bool:
        """Whether a pattern is in a folder that this account may not enter."""
        return any([await self.ask("barred", escaped(pattern)) == b"yes\n" for pattern in patterns])

    async def why_not(self, path: str) -> LilFoxError:
        """See :meth:`Disk.why_not`."""
        readable, _, rest = (await self.ask("why", escaped(path))).partition(b" ")
        facts = rest.split(b" ", 5)
        if len(facts) == 6 and facts[0].isdigit():
            refused = not_regular(self.host.name, path, int(facts[4], 16))
            if refused is not None:
                return refused
            return file_moved(self.host.name, path) if readable == b"yes" else self._no_right(path)
        if b"ermission denied" in rest:
            return self._no_right(path)
        return nothing_there(self.host.name, path)

    def _no_right(self, path: str) -> LilFoxError:
        return no_right(self.host.name, path, unless_root=not self._may_be_root)

    async def open(self, seen: FileStat) -> RemoteLogFile:
        """See :meth:`Disk.open`."""
        if await self.ask_about(seen.key, seen.path) != MOVED:
            return RemoteLogFile(self, seen)
        error = await self.why_not(seen.path)
        if not (isinstance(error, FileRefused) and error.no_right):
            raise file_moved(self.host.name, seen.path)  # it was there a moment ago
        if not self._could_be_root:
            raise error
        await self._become_root()
        return await self.open(seen)

    def path(self, key: tuple[int, int]) -> str:
        """Return the name that the file had at the last check."""
        if key not in self._paths:
            raise file_moved(self.host.name, "")
        return self._paths[key]

    async def close(self) -> None:
        """See :meth:`Disk.close`."""
        entered, self._entered = self._entered, None
        if entered is not None:
            await leave(self.host, entered)


class RemoteLogFile:
    """A file of an SSH host by device and inode. See :class:`lilfox_tui.logs.files.log_file.ByteFile`."""

    COUNT_BYTES = 64 * 1024 * 1024  # it costs a process there
    NEAR_BYTES = 0  # what is read crosses the wire, what is searched does not
    STEP_BYTES = 8 * 1024 * 1024
    WHOLE_SHARE = 0

    def __init__(self, disk: RemoteDisk, seen: FileStat) -> None:
        self._disk = disk
        self._key = seen.key
        self._path = seen.path

    async def _ask(self, *words: str | int) -> bytes:
        """Return the answer to a query about this file, reopening it if necessary. Raises FileMoved."""
        for _ in range(3):
            answer = await self._disk.ask_about(self._key, self._disk.path(self._key), *words)
            if answer != MOVED:
                return answer
        raise file_moved(self._disk.host.name, self._path)

    async def size(self) -> int:
        """See :meth:`ByteFile.size`."""
        return int(await self._ask("size"))

    async def read(self, offset: int, length: int) -> bytes:
        """See :meth:`ByteFile.read`."""
        if length <= 0:
            return b""
        first = offset // _PAGE
        pages = (offset + length - 1) // _PAGE - first + 1
        answer = await self._ask("part", first, pages)
        if not answer.startswith(DATA):
            raise not_read(self._disk.host.name, self._path, answer.decode("utf-8", "replace"))
        start = len(DATA) + offset - first * _PAGE
        return answer[start : start + length]

    async def find(self, wanted: Needles, start: int, end: int, *, following: bool) -> AsyncGenerator[SearchHits, None]:
        """See :meth:`ByteFile.find`. If the host has no program for it, the whole part is transferred."""
        path = self._disk.path(self._key)
        searched = search_remotely(
            self._disk.host,
            path,
            self._key,
            wanted,
            (start, end),
            following=following,
            sudo=self._disk.is_root,
        )
        try:
            async with aclosing(searched) as batches:
                async for found in batches:
                    yield found
        except SearchUnavailable:
            async with aclosing(by_block(self.read, wanted, start, end)) as read:
                async for offsets in read:
                    yield SearchHits(offsets, {})

    async def count_lines(self, start: int, length: int) -> int | None:
        """See :meth:`ByteFile.count_lines`. The host counts, one file at a time."""
        if start + length > COUNTED_MOST_BYTES:
            return None
        path, host = self._disk.path(self._key), self._disk.host
        async with _COUNTING.setdefault(host, asyncio.Lock()):
            return await count_lines(host, path, self._key, start, length, sudo=self._disk.is_root)

    async def close(self) -> None:
        """Do nothing: the shell reuses its descriptor for another file, or closes it when it ends."""


def _seen(line: bytes, now: int) -> FileStat | None:
    facts = line.split(b" ", 5)
    if len(facts) < 6 or not all(fact.isdigit() for fact in facts[:4]):
        return None
    device, inode, size, modified = map(int, facts[:4])
    if not stat.S_ISREG(int(facts[4], 16)):
        return None
    path = facts[5].decode("utf-8", "surrogateescape")
    return FileStat(path, device, inode, size, float(modified), float(now - modified))
