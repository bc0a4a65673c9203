"""Searching a file on an SSH host there: rg or grep finds, awk where grep tells no offsets (BusyBox), and the lines
found cross the wire, packed by gzip.

With each line found comes its offset, and what follows it as far as that looks like the rest of its record (a
traceback), up to the beginning of the next one. Where that guess was wrong the record is read again, never cut.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from lilfox_tui.errors import HostError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.logs.files.disk import Found
from lilfox_tui.logs.files.printed import CUT_BYTES, Printed
from lilfox_tui.logs.files.refusals import file_moved
from lilfox_tui.logs.files.remote_shell import WORDS
from lilfox_tui.logs.files.spelled import search_words
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT

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


async def find(
    host: Host,
    path: str,
    key: tuple[int, int],
    wanted: Needles,
    part: tuple[int, int],
    *,
    following: bool,
    sudo: bool = False,
) -> AsyncGenerator[Found, None]:
    """The hits in that part, ascending, with their lines, and with ``following`` those after them. Raises LilFoxError;
    CannotSearch where the host has no program for it."""
    start, end = part
    lines = str(FOLLOWING_LINES) if following else "0"
    length = str(end - start + RAW_LIMIT)  # the last line goes on behind the end
    plain = "\n".join(map(os.fsdecode, wanted.any_of))
    words = [path, f"{key[0]} {key[1]}", str(start + 1), length, lines, "-i" if wanted.ignore_case else "", plain]
    words += [_AWK, _BY_LINE, *search_words(wanted)]
    printed, wire = Printed(start), _Wire(host.name, path)
    async with aclosing(host.stream(["sh", "-c", _SEARCH, "sh", *words], sudo=sudo)) as blocks:
        async for block in blocks:
            found = await asyncio.to_thread(lambda block: printed.take(wire.take(block)), block)
            past = bool(found.offsets) and found.offsets[-1] >= end
            inside = [at for at in found.offsets if start <= at < end]
            if inside:
                yield Found(inside, {at: found.texts[at] for at in inside if at in found.texts})
            if past:
                return
    if printed.status not in (0, 1):
        raise HostError(host.name, tr("{path} on {host} could not be searched", path=path, host=host.name))


class CannotSearch(Exception):
    """The host has neither rg nor a grep that tells offsets, nor tr and an awk that counts bytes."""


class _Wire:
    """Undoes the packing. The first line says which."""

    def __init__(self, host: str, path: str) -> None:
        self._host = host
        self._path = path
        self._head = b""
        self._kind = b""
        self._gzip = zlib.decompressobj(wbits=31)

    def take(self, block: bytes) -> bytes:
        """What the search has printed. Raises FileMoved, CannotSearch."""
        if not self._kind:
            self._head += block
            if b"\n" not in self._head:
                return b""
            self._kind, _, block = self._head.partition(b"\n")
        if self._kind == b"moved":
            raise file_moved(self._host, self._path)
        if self._kind == b"none":
            raise CannotSearch
        return self._gzip.decompress(block) if self._kind == b"gzip" else block
