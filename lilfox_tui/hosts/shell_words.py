"""Shell command lines: quoting words, and running commands through sudo."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef

# Scripts of our own and what they print: the start line of a command, the end line of a loop's answer.


START = b"\n@@LILFOX-START@@ "
"""Begins the line that parts what a login prints by itself from what a command prints."""

END = b"@@LILFOX-END@@ "
"""Begins the last line of a loop's answer; the tick follows."""

NOT_FOUND = 127
NOT_RUNNABLE = 126
"""Exit statuses of a command that could not be started (POSIX, Shell Command Language 2.8.2)."""


def new_tick() -> str:
    """Return a random end mark for one answer. It cannot be predicted, so no content of an answer can be mistaken for
    the end."""
    return os.urandom(8).hex()


def quoted(argv: Sequence[str]) -> str:
    """Quote ``argv`` for a POSIX shell. Raises ValueError for a NUL, which no argument can hold."""
    if any("\0" in word for word in argv):
        raise ValueError("an argument holds a NUL byte")
    return shlex.join(argv)


END_GROUP = r"""
g=$1 started=$2 p=
gone() {
    kill -0 "-$g" 2>/dev/null || return 0
    for member in /proc/[0-9]*/stat; do
        { read -r p <"$member"; } 2>/dev/null || continue
        p=${p##*) }
        set -- $p
        [ "$3" = "$g" ] && [ "$1" != Z ] && return 1
    done
    [ -d /proc/self ]
}
{ read -r p <"/proc/$g/stat"; } 2>/dev/null
set -- ${p##*) }
[ -n "$p" ] && [ -n "$started" ] && [ "${20}" != "$started" ] && exit 0
gone && exit 0
kill -TERM "-$g"
i=0
while [ "$i" -lt 20 ]; do gone && exit 0; sleep 0.1; i=$((i + 1)); done
kill -KILL "-$g"
i=0
while [ "$i" -lt 20 ]; do gone && exit 0; sleep 0.1; i=$((i + 1)); done
exit 1
"""
"""Ends the process group ``$1`` whose leader started at ``$2`` (field 22 of /proc/PID/stat, proc_pid_stat(5)).

Exits 0 when nothing of it runs any more. A leader of another start time means that the number was given to somebody
else since: nothing is signalled. Zombies count as ended, for only their parent can take them away. ``kill -TERM -N`` is
the one way to write a group that every sh knows: BusyBox takes no ``--`` there, dash no ``-N`` after ``-s``.
"""

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer of a loop past which the loop is given up."""


MAX_COMMAND = 100_000
"""A longer script goes by stdin: Linux refuses an argument from 128 KiB on (execve(2), MAX_ARG_STRLEN)."""

_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\!")
_ESCAPES = [chr(code) if code in _PLAIN else f"\\0{code:03o}" for code in range(256)]
_BY_ARGUMENT = """exec sh -c 'eval "$(printf %b "$1")"' sh '{}'"""
READ_SCRIPT = 'IFS= read -r s; eval "$(printf %b "$s")"'
"""What a ``sh`` runs that reads its script from the first line of its stdin, as ``written`` has it."""
_BY_STDIN = f"exec sh -c '{READ_SCRIPT}'"
_PROLOGUE = rf"""
p=
{{ read -r p </proc/$$/stat; }} 2>/dev/null
set -- ${{p##*) }}
printf '\n{START.strip().decode()} %s %s\n' "$$" "${{20-}}"
printf '\n{START.strip().decode()} %s %s\n' "$$" "${{20-}}" >&2
unset p
LC_ALL=C
export LC_ALL
"""


def escaped(script: str) -> str:
    """Encode ``script`` in printable ASCII for ``printf %b``."""
    return escaped_bytes(script.encode("utf-8", "surrogateescape"))


def escaped_bytes(data: bytes) -> str:
    """Encode ``data`` in printable ASCII for ``printf %b``; it may be put inside single quotes."""
    return "".join(_ESCAPES[code] for code in data)


def command(script: str, *, secret: bool = False) -> tuple[str, bytes]:
    """Return the command line that makes ``sh`` run ``script``, and what to send first on its stdin.

    ``secret`` keeps the script out of the command line, which everybody on the host can read.
    """
    payload = escaped(_PROLOGUE + script)
    if secret or len(payload) > MAX_COMMAND:
        return _BY_STDIN, payload.encode() + b"\n"
    return _BY_ARGUMENT.format(payload), b""


def written(script: str) -> bytes:
    """Encode ``script`` for READ_SCRIPT."""
    return escaped(script).encode() + b"\n"


def running(argv: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Return a script that replaces its shell with ``argv`` (exec), with ``env`` set. Raises ValueError for a NUL or an
    invalid name."""
    lines = []
    for name, value in (env or {}).items():
        if not (name.isascii() and name.isidentifier()):
            raise ValueError(f"not a name of a variable: {name!r}")
        lines.append(f"export {name}={quoted([value])}")
    return "\n".join([*lines, f"exec {quoted(argv)}"])


def as_root(root: Sequence[str], other: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Return a script that runs ``root`` if the login is already root, else ``other``, which uses sudo."""
    return f'if [ "$(id -u)" = 0 ]; then\n{running(root, env)}\nelse\n{running(other, env)}\nfi'


def with_args(script: str, args: Sequence[str]) -> str:
    """``script`` with ``args`` as its positional parameters."""
    return f"set -- {quoted(args)}\n{script}"


class StartLine:
    """Drops the output before the start line, and reads the process group and its leader's start time from that
    line."""

    MAX_NOISE = 1024 * 1024
    MAX_LINE = 256

    def __init__(self) -> None:
        self.group: int | None = None
        self.since = ""
        self.seen = False
        self._noise = bytearray()
        self._unsearched = 0

    @property
    def noise(self) -> bytes:
        """The output before the start line, or all output so far; only the end of a long text."""
        return bytes(self._noise)

    def hear(self, data: bytes) -> bytes:
        """Return the part of ``data`` after the start line. Each byte is searched only once, wherever the blocks are
        split."""
        if self.seen:
            return data
        self._noise += data
        while (at := self._noise.find(START, self._unsearched)) >= 0:
            begin = at + len(START)
            end = self._noise.find(b"\n", begin, begin + self.MAX_LINE)
            if end >= 0:
                return self._start(at, begin, end)
            self._unsearched = at
            if len(self._noise) < begin + self.MAX_LINE:
                return b""
            self._unsearched = begin
        self._unsearched = max(self._unsearched, len(self._noise) - len(START) + 1)
        if (excess := len(self._noise) - self.MAX_NOISE) > self.MAX_NOISE:
            del self._noise[:excess]
            self._unsearched -= excess
        return b""

    def _start(self, at: int, begin: int, end: int) -> bytes:
        """Parse the start line, whose words are between ``begin`` and ``end``; return what follows it."""
        words, after = self._noise[begin:end].decode("ascii", "replace").split(), bytes(self._noise[end + 1 :])
        del self._noise[at:]
        self.seen = True
        self.group = int(words[0]) if words and words[0].isdigit() else None
        self.since = words[1] if len(words) > 1 else ""
        return after


# sudo without a password in argv, in the environment or in the command's stdin (sudo(8)).
#
# With no password configured it is ``sudo -n``, which never asks. With one, sudo reads it from its own stdin (``-S``)
# and the prompt is a random word: the password is written once, only after that word came on stderr, so that nothing
# else can ask for it. The command's own stdin is written only after a second random word, which the command's wrapper
# prints as root: under NOPASSWD no prompt comes and the password is never written at all.


_COMPLAINTS = (
    b"sudo: a password is required",
    b"sudo: sorry, you must have a tty",
    b"sudo: interactive authentication",
)
Write = Callable[[bytes], Awaitable[None]]


def sudo_quietly(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """``argv`` prefixed with ``sudo -n``, which keeps the variables named in ``env``; their values are not in the
    argv."""
    return ["sudo", "-n", *_kept(env), "--", *argv]


def by_sudo(
    argv: Sequence[str], env: Mapping[str, str], password: SecretRef | None, *, tells_root: bool
) -> tuple[list[str], SudoDialog | None]:
    """``argv`` prefixed with sudo, and the dialog with it if sudo may ask for ``password`` or must report when root is
    reached."""
    if password is None and not tells_root:
        return sudo_quietly(argv, env), None
    dialog = SudoDialog(None if password is None else partial(secret, password))
    return dialog.argv(argv, env), dialog


def quiet_complaint(status: int | None, stdout: bytes, stderr: bytes) -> bytes:
    """The error output of a ``sudo -n`` (LC_ALL=C) that did not start its command, else empty."""
    return stderr if status == 1 and not stdout and stderr.startswith(_COMPLAINTS) else b""


async def secret(ref: SecretRef) -> str:
    """Resolve ``ref`` now."""
    return await resolve(ref)


def _kept(env: Mapping[str, str]) -> list[str]:
    return [f"--preserve-env={','.join(env)}"] if env else []


class SudoDialog:
    """One sudo that may ask for a password: the argv to start, the messages on stderr, and the answer. Without
    ``password`` it never asks."""

    def __init__(self, password: Callable[[], Awaitable[str]] | None) -> None:
        from secrets import token_hex  # only when a password is used

        self._password = password
        self._prompt = f"@@LILFOX-{token_hex(8)}@@"
        self._root = f"@@LILFOX-{token_hex(8)}@@"
        self._said = b""
        self._prompts = 0
        self._changed = asyncio.Event()
        self.accepted = False

    def argv(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Return the argv to start. The sudoers rules must allow ``sh``, which reports when it runs as root."""
        asking = ["-n"] if self._password is None else ["-k", "-S", "-p", self._prompt]
        return ["sudo", *asking, *_kept(env), "--", *self.plain(argv)]

    def plain(self, argv: Sequence[str]) -> list[str]:
        """Return the argv to start if the login is already root."""
        return ["sh", "-c", 'printf "%s" "$0" >&2; exec "$@"', self._root, *argv]

    def hear(self, data: bytes) -> bytes:
        """Return the part of ``data`` (stderr) that the command itself wrote; nothing until root is reached."""
        if self.accepted:
            return data
        self._said += data
        before, root, after = self._said.partition(self._root.encode())
        self._prompts = before.count(self._prompt.encode())
        self.accepted = bool(root)
        self._changed.set()
        return after

    def complaint(self) -> bytes:
        """Return sudo's messages if it did not start the command, else empty."""
        return self._said.replace(self._prompt.encode(), b"") if not self.accepted else b""

    async def answer(self, write: Write) -> bool:
        """Write the password if sudo has asked for it; return whether the command was started (its stdin may
        follow)."""
        if await self._until(1) and self._password is not None:
            await write((await self._password()).encode() + b"\n")
            await self._until(2)
        return self.accepted

    async def reach_root(self, hearing: asyncio.Task[None], write: Write) -> bool:
        """Answers sudo while ``hearing`` reads stderr; returns whether the command was started. Its stdin stays
        open."""
        answering = asyncio.ensure_future(self.answer(write))
        try:
            await asyncio.wait({hearing, answering}, return_when=asyncio.FIRST_COMPLETED)
            return await answering if answering.done() else self.accepted
        finally:
            answering.cancel()

    async def _until(self, prompts: int) -> bool:
        """Wait until root is reached or sudo has prompted ``prompts`` times; return whether it was a prompt."""
        while not self.accepted and self._prompts < prompts:
            self._changed.clear()
            await self._changed.wait()
        return not self.accepted
