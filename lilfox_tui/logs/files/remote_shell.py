"""The kept ``sh`` on a host that answers what is asked about its log files: one round trip each, no process tree.

It needs ``stat`` (of GNU, BusyBox or BSD), ``dd`` and ``date``. Files are held open at the descriptors SLOTS, so that
one stays readable when it is renamed or removed; an answer about a file is given only if it is still the same one.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from lilfox_tui.errors import HostError
from lilfox_tui.hosts.base import Host, Loop

ANSWER_S = 20.0
SLOTS = range(4, 10)
"""Descriptors of one digit are all that every sh can redirect (POSIX, Shell Command Language 2.7)."""
MOVED = b"moved\n"
DATA = b"data\n"

WORDS = r"""
LC_ALL=C; export LC_ALL
set -f
if stat -Lc %s / >/dev/null 2>&1; then
    lilfox_stat() { stat -Lc '%d %i %s %Y %f %n' -- "$@" 2>/dev/null; }
    lilfox_id() { stat -Lc '%d %i' "$1" 2>/dev/null; }
    lilfox_size() { stat -Lc %s "$1" 2>/dev/null; }
else
    lilfox_stat() { stat -Lf '%d %i %z %m %Xp %N' -- "$@" 2>/dev/null; }
    lilfox_id() { stat -Lf '%d %i' "$1" 2>/dev/null; }
    lilfox_size() { stat -Lf %z "$1" 2>/dev/null; }
fi
lilfox_fd() { if [ -e "/dev/fd/$1" ]; then echo "/dev/fd/$1"; else echo "/proc/self/fd/$1"; fi; }
"""
_LOOP = (
    WORDS
    + r"""
unescape() { path=$(printf '%b.' "$1"); path=${path%.}; }
look() {
    date +%s
    for pattern; do
        unescape "$pattern"
        IFS=; set +f
        lilfox_stat $path
        set -f; unset IFS
    done
}
why() {
    unescape "$1"
    if [ -r "$path" ]; then printf 'yes '; else printf 'no '; fi
    lilfox_stat "$path" || ls -dL -- "$path" 2>&1
}
barred() {
    unescape "$1"
    path=./$path; [ "$path" = "${path#.//}" ] || path=${path#.}
    while path=${path%/*}; [ -n "$path" ] && [ ! -e "$path" ]; do :; done
    if [ -r "${path:-/}" ] && [ -x "${path:-/}" ]; then echo no; else echo yes; fi
}
hold() {
    unescape "$4"
    { eval "command exec $1<\"\$path\""; } 2>/dev/null && same "$1" "$2 $3" && echo held && return
    echo moved
}
same() { [ "$(lilfox_id "$(lilfox_fd "$1")")" = "$2" ]; }
size() { if same "$1" "$2 $3"; then lilfox_size "$(lilfox_fd "$1")"; else echo moved; fi; }
part() {
    if same "$1" "$2 $3"; then
        echo data
        dd if="$(lilfox_fd "$1")" bs=4096 skip="$4" count="$5" 2>/dev/null
    else echo moved; fi
}
while read -r tick words; do
    { "${words%% *}" ${words#* }; } </dev/null
    printf '@@LILFOX-END@@ %s\n' "$tick"
done
"""
)


class RemoteShell:
    """Asks one question after the other; starts the ``sh`` with the first, and anew after it was lost."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._turn = asyncio.Lock()
        self._loop: Loop | None = None
        self._stack = AsyncExitStack()
        self._asking: set[asyncio.Task[bytes]] = set()
        self.is_root = False
        self.started = 0
        """How often it was started: what was held before is not held any more."""

    async def ask(self, *words: str | int) -> bytes:
        """The answer. When this is cancelled the question is still answered first, for the next to find its own answer.
        Raises HostError."""
        asking = asyncio.create_task(self._ask(" ".join(map(str, words))))
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        return await asyncio.shield(asking)

    def _asked(self, task: asyncio.Task[bytes]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()

    async def _ask(self, words: str) -> bytes:
        async with self._turn:
            if self._loop is None:
                self._loop = await self._stack.enter_async_context(self._host.loop(_LOOP, sudo=self.is_root))
                self.started += 1
            try:
                return await self._loop.ask(words, timeout_s=ANSWER_S)
            except HostError:
                self._loop = None
                await self._stack.aclose()
                raise

    async def become_root(self) -> None:
        """Ends it, to be started as root with the next question."""
        async with self._turn:
            if not self.is_root:
                self.is_root, self._loop = True, None
                await self._stack.aclose()

    async def close(self) -> None:
        """Ends it."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        self._loop = None
        await self._stack.aclose()


def escaped(word: str) -> str:
    """A word of printable ASCII without spaces that ``unescape`` reads back (``printf %b``, POSIX)."""
    data = word.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in data)


_PLAIN = frozenset(b"/._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
