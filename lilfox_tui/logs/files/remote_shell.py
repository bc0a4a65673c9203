"""The long-running ``sh`` on a host that answers queries about its log files: each takes one round trip and starts no
processes.

All files of a host share it, for a server allows few sessions at a time (``hosts/ssh/link.py``): one ``sh`` for
pages, one for following, so that neither waits for the other, and as many as root where that is needed. Files that the
host has once not answered about in time (their disk hangs, as NFS may) are set apart: they share another one.

It needs ``stat`` (of GNU, BusyBox or BSD), ``dd`` and ``date``. Files are held open at the descriptors SLOTS, so that
one stays readable when it is renamed or removed; an answer about a file is given only if it is still the same one.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from weakref import WeakKeyDictionary

from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.base import Host, Loop
from lilfox_tui.hosts.process import loop_timeout

ANSWER_S = 20.0
LOOK_S = 6.0
"""How long the host may take to look at files and to open one: the others wait for that."""
HANG_S = 24 * 3600.0
"""How long a question about files that were set apart is left to itself; to ask it anew would hang one ``sh`` more."""
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
named() { unescape "$3"; if [ "$(lilfox_id "$path")" = "$1 $2" ]; then echo yes; else echo no; fi; }
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
    """Sends queries one after another; starts the ``sh`` for the first one, and again after it was lost. ``apart``: for
    files that may hang."""

    def __init__(self, host: Host, *, as_root: bool, apart: bool) -> None:
        self.users = 0
        self._apart = apart
        self._answering: asyncio.Task[bytes] | None = None
        self._host = host
        self._as_root = as_root
        self._turn = asyncio.Lock()
        self._loop: Loop | None = None
        self._stack = AsyncExitStack()
        self._asking: set[asyncio.Task[bytes]] = set()
        self._holding = asyncio.Lock()
        self._held: dict[int, tuple[int, int]] = {}
        """What is open there: device and inode by slot, the one that was asked about last at the end."""
        self._paths: dict[int, str] = {}

    async def ask(self, *words: str | int) -> bytes:
        """Return the answer. If cancelled, waits for it first, so that the next query gets its own answer. Raises
        HostError."""
        within_s = ANSWER_S if words[0] == "part" else LOOK_S
        asking = asyncio.create_task(self._ask(" ".join(map(str, words)), HANG_S if self._apart else within_s))
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        if not self._apart:
            return await asyncio.shield(asking)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(asking)
        except TimeoutError:
            if asking is not self._answering:
                asking.cancel()
            raise loop_timeout(self._host.name, within_s) from None

    def _asked(self, task: asyncio.Task[bytes]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()

    async def _ask(self, words: str, within_s: float) -> bytes:
        async with self._turn:
            self._answering = asyncio.current_task()
            if self._loop is None:
                self._held.clear()
                self._loop = await self._stack.enter_async_context(self._host.loop(_LOOP, sudo=self._as_root))
            try:
                return await self._loop.ask(words, timeout_s=within_s)
            except HostError:
                self._loop = None
                await self._stack.aclose()
                raise

    async def ask_about(self, key: tuple[int, int], path: str, *words: str | int) -> bytes:
        """Return the answer to a query about the file with device and inode ``key``, which is held open or opened at
        ``path``; without ``words`` it is only opened. MOVED if the file is no longer there. Raises HostError."""
        async with self._holding:
            slot = next((slot for slot, held in self._held.items() if held == key), None)
            if slot is None:
                slot = await self._free_slot()
                if await self.ask("hold", slot, *key, escaped(path)) == MOVED:
                    return MOVED
            self._held.pop(slot, None)
            self._held[slot] = key
            self._paths[slot] = path
            if not words:
                return b""
            answer = await self.ask(words[0], slot, *key, *words[1:])
            if answer == MOVED:
                self._held.pop(slot, None)
            return answer

    async def _free_slot(self) -> int:
        """Return a slot for another file: a free one, or that of the least recently used file that can be reopened by
        name. A file that has lost its name is kept as long as possible."""
        for slot in SLOTS:
            if slot not in self._held:
                return slot
        for slot, held in self._held.items():
            if await self.ask("named", *held, escaped(self._paths[slot])) == b"yes\n":
                break
        else:
            slot = next(iter(self._held))
        del self._held[slot]
        return slot

    async def close(self) -> None:
        """Close the session."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        self._loop = None
        await self._stack.aclose()


_SHELLS: WeakKeyDictionary[Host, dict[tuple[bool, bool, bool], RemoteShell]] = WeakKeyDictionary()


def enter(host: Host, *, following: bool, as_root: bool, apart: bool) -> RemoteShell:
    """Return the host's shell for this use; call ``leave`` when it is no longer needed."""
    shells = _SHELLS.setdefault(host, {})
    shell = shells.get((following, as_root, apart)) or RemoteShell(host, as_root=as_root, apart=apart)
    shells[following, as_root, apart] = shell
    shell.users += 1
    return shell


async def leave(host: Host, shell: RemoteShell) -> None:
    """End the shell if nobody else uses it."""
    shell.users -= 1
    if shell.users:
        return
    shells = _SHELLS.get(host, {})
    for key in [key for key, each in shells.items() if each is shell]:
        del shells[key]
    await shell.close()


def escaped(word: str) -> str:
    """Encode a word in printable ASCII without spaces for ``unescape`` (``printf %b``, POSIX)."""
    data = word.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in data)


_PLAIN = frozenset(b"/._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
