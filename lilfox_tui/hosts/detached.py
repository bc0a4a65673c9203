"""A command on a host that survives a lost connection and the end of the LilFox process that started it. Nothing is
installed on the host.

It runs in a session of its own, with a folder of its own (``~/.cache/lilfox/jobs/ID``, 0700; root's with ``sudo``), and
is known by its ID from then on: by this process, by another one, after the link was lost, after the host was booted.
Whoever asks takes the same ``sudo`` that it was begun with. As ``Host.run``, it does not ask whether the host is
protected: that is for who calls."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from secrets import token_hex
from signal import Signals
from typing import Literal, get_args

from msgspec import Struct

from lilfox_tui.core.errors import CommandTimeout, CommandUnknown, HostError, HostUnreachable, NotBegun, StillRuns
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean, time_at, whole
from lilfox_tui.hosts import detached_scripts
from lilfox_tui.hosts.base import OUTPUT_LIMIT, Completed, Host, wait_until_reconnected
from lilfox_tui.hosts.process import last_words
from lilfox_tui.hosts.shell_words import escaped, escaped_bytes, quoted

Stream = Literal["stdout", "stderr"]
State = Literal["absent", "unbegun", "running", "ended", "gone"]
"""``absent``: nothing is known of that ID. ``unbegun``: a start was cut before the command ran; start it again.
``ended``: with its exit status, or cancelled before it ran. ``gone``: it ran, runs no more, and nobody saw its end:
killed with all that watched it, or the host went down."""


class DetachedState(Struct, frozen=True, kw_only=True):
    """The state of a detached command, as the host reports it. Times are aware UTC by the host's clock."""

    id: str
    state: State
    pid: int | None = None
    """Of the command, which leads a process group of its own."""
    since: datetime | None = None
    until: datetime | None = None
    exit_status: int | None = None
    """As a shell has it: 128 + n where signal n ended it (or where the command itself ended with that number)."""
    cancelled: bool = False
    """``cancel`` was asked for before it ended."""
    stdout_bytes: int = 0
    """So much can be read; what was left out is not counted."""
    stderr_bytes: int = 0
    stdout_cut_at: int | None = None
    """Something may be left out at this offset: more came than ``limit_bytes``, and from here on it is the end."""
    stderr_cut_at: int | None = None
    label: str = ""

    @property
    def signal(self) -> str | None:
        """The name of the signal that ``exit_status`` stands for (``KILL``), or None."""
        number = (self.exit_status or 0) - 128
        try:
            return Signals(number).name.removeprefix("SIG") if number > 0 else None
        except ValueError:
            return None

    @property
    def ok(self) -> bool:
        """Whether it ended with exit status 0."""
        return self.exit_status == 0


class DetachedOutput(Struct, frozen=True):
    """A block of the command's output. ``cut``: output may be missing before this block."""

    stream: Stream
    data: bytes
    cut: bool = False


class Begun(Struct, frozen=True):
    """The result of ``start``. ``printed`` is empty unless ``followed`` was set."""

    look: DetachedState
    printed: tuple[DetachedOutput, ...] = ()


BLOCK = 1024 * 1024
_READ = 'eval "$(cat)"'
_FOLLOWED_TURNS = 10
"""Of 0.05 s: so long a start waits for a command that is followed, for its end or its first output."""
_START_S, _ASK_S, _CANCEL_S = 60.0, 30.0, 45.0
_WAIT_TURNS, _WAIT_S = 70, 10.0
"""So long a host waits for more output before it answers that there is none."""
_WAITS_S = (1.0, 2.0, 5.0, 15.0, 30.0)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LABEL = 200
_STATES: dict[str, State] = {state: state for state in get_args(State)}
_CERTAIN, _RUNS = 1, 3
"""Exit statuses of the scripts."""


async def start(
    host: Host,
    job: str,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    sudo: bool = False,
    limit_bytes: int | None = None,
    label: str = "",
    followed: bool = False,
) -> Begun:
    """Start ``argv`` (without a shell); return once its pid is on the host's disk, which is before it runs.

    An ID runs once: after any error but NotBegun the call may be repeated with the same ID, and what was begun by the
    first is found, running or ended. ``job``, its ID, is of letters, digits, ``.``, ``_``, ``-`` (ValueError). With
    ``limit_bytes`` that much is kept of the start of each stream, and 64 KiB of its end; without, all. ``env`` and
    ``stdin`` may be secret: they are in no argv, and in a file (0600) only until the command has them open.
    ``label`` is for people who look at the listing. ``followed``: :func:`follow` is called next; it need not ask for
    what comes at once, which is all of a command that ends within half a second.

    Raises HostError: NotBegun where it is certain
    that the command has not run, CommandUnknown where it is not.
    """
    text = _lines(env, cwd, f"exec {quoted(argv)}")
    return await _start(host, job, text, stdin, sudo, limit_bytes, label, followed)


async def start_script(
    host: Host,
    job: str,
    script: str,
    args: Sequence[str] = (),
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    sudo: bool = False,
    limit_bytes: int | None = None,
    label: str = "",
    followed: bool = False,
) -> Begun:
    """Start a POSIX sh script of LilFox's own with ``args`` as ``$1``…, which appear in no argv; otherwise like
    ``start``."""
    text = _lines(env, cwd, f"set -- {quoted(args)}\n{script}")
    return await _start(host, job, text, stdin, sudo, limit_bytes, label, followed)


async def look(host: Host, job: str, *, sudo: bool = False) -> DetachedState:
    """Return the current state of the command. Raises HostError."""
    return _read_line(host, (await _asked(host, detached_scripts.LOOK, [_named(job)], sudo)).stdout)


async def follow(
    host: Host,
    job: str,
    *,
    sudo: bool = False,
    begun: Begun | None = None,
    stdout_from: int = 0,
    stderr_from: int = 0,
    lost: Callable[[HostError], None] | None = None,
) -> AsyncGenerator[DetachedOutput | DetachedState, None]:
    """Yield its output as it arrives, then one DetachedState: how it ended (or that it is gone, unbegun or absent).
    ``begun``: start after the output that ``start`` has returned. Use inside ``aclosing``.

    A lost link is waited for as long as it takes (``lost`` is told each time) and it goes on where it was: nothing
    twice, nothing left out. Raises HostError for what waiting does not mend: refused logins and keys.
    """
    at = [stdout_from, stderr_from]
    tries = 0
    if begun is not None:
        for output in begun.printed:
            at[output.stream == "stderr"] += len(output.data)
            yield output
        if _all_read(begun.look, at):
            yield begun.look
            return
    while True:
        args = [_named(job), str(at[0]), str(at[1]), str(BLOCK), str(_WAIT_TURNS)]
        try:
            done = await _asked(
                host, detached_scripts.FOLLOW, args, sudo, timeout_s=_WAIT_S + _ASK_S, limit_bytes=3 * BLOCK
            )
            seen, data = _answer(host, done.stdout)
        except (HostUnreachable, CommandUnknown, CommandTimeout) as error:
            if lost is not None:
                lost(error)
            await wait_until_reconnected(host, _WAITS_S[min(tries, len(_WAITS_S) - 1)])
            tries += 1
            continue
        tries = 0
        for output in _blocks(seen, at, data):
            yield output
        if _all_read(seen, at):
            yield seen
            return


async def cancel(host: Host, job: str, *, sudo: bool = False) -> DetachedState:
    """End the command's process group (TERM, after 2 s KILL) and return its state. A command that has not begun will
    never begin; one that has ended, or is gone, is not touched. The state ``running`` means that it could not be ended.
    Raises HostError."""
    return _read_line(
        host, (await _asked(host, detached_scripts.CANCEL, [_named(job)], sudo, timeout_s=_CANCEL_S)).stdout
    )


async def forget(host: Host, *jobs: str, sudo: bool = False) -> None:
    """Remove the folders of the commands, and of any that ended more than seven days ago; commands without a folder are
    ignored. Raises StillRuns, after removing the others, and HostError."""
    done = await _ask(host, detached_scripts.FORGET, [_named(job) for job in jobs], sudo)
    if done.exit_status == _RUNS:
        job = done.stdout.decode().strip()
        raise StillRuns(
            host.name,
            tr("{job} is running on {host}", job=job, host=host.name),
            tr("Cancel it, or wait until it ends."),
        )
    _good(host, done)


async def listing(host: Host, *, sudo: bool = False) -> list[DetachedState]:
    """Return all commands that the host knows, by ID. Raises HostError."""
    lines = (await _asked(host, detached_scripts.LISTING, [], sudo)).stdout.splitlines()
    return [_told(line) for line in lines if _NAME.fullmatch(line.decode("utf-8", "replace").split(" ")[0])]


def _named(job: str) -> str:
    if not _NAME.fullmatch(job):
        raise ValueError(f"not an ID of a detached command: {job!r}")
    return job


def _lines(env: Mapping[str, str] | None, cwd: str | None, last: str) -> str:
    """Return the script that sets environment variables and the working folder, then runs ``last``."""
    lines = []
    for name, value in (env or {}).items():
        if not (name.isascii() and name.isidentifier()):
            raise ValueError(f"not a name of a variable: {name!r}")
        lines.append(f"export {name}={quoted([value])}")
    if cwd is not None:
        lines.append(f"cd -- {quoted([cwd])} || exit 126")
    return "\n".join([*lines, last])


async def _start(
    host: Host, job: str, text: str, stdin: bytes, sudo: bool, limit_bytes: int | None, label: str, followed: bool
) -> Begun:
    limit = "" if limit_bytes is None else str(limit_bytes)
    block, turns = (BLOCK, _FOLLOWED_TURNS) if followed else (0, 0)
    words = clean(label)[:_LABEL]
    args = [_named(job), token_hex(8), limit, str(detached_scripts.END_BYTES), words, str(block), str(turns)]
    script = f"run='{escaped(text)}' given='{escaped_bytes(stdin)}'\n{detached_scripts.START}"
    done = await _ask(host, script, args, sudo, timeout_s=_START_S, limit_bytes=3 * BLOCK)
    if done.exit_status == _CERTAIN:
        raise NotBegun(
            host.name,
            tr("{job} was not started on {host}: {words}", job=job, host=host.name, words=last_words(done.stderr)),
            tr("The command did not run. Fix the cause, then start it again."),
        )
    if not done.ok:
        raise CommandUnknown(
            host.name,
            tr("It is unknown whether {job} was started on {host}: {words}", job=job, host=host.name,
               words=last_words(done.stderr)),
            tr("You can start it again: a command that is already running is not started twice."),
        )  # fmt: skip
    seen, data = _answer(host, done.stdout)
    return Begun(seen, tuple(_blocks(seen, [0, 0], data)) if followed else ())


async def _asked(
    host: Host,
    script: str,
    args: Sequence[str],
    sudo: bool,
    *,
    timeout_s: float = _ASK_S,
    limit_bytes: int = OUTPUT_LIMIT,
) -> Completed:
    return _good(host, await _ask(host, script, args, sudo, timeout_s=timeout_s, limit_bytes=limit_bytes))


async def _ask(
    host: Host,
    script: str,
    args: Sequence[str],
    sudo: bool,
    *,
    timeout_s: float = _ASK_S,
    limit_bytes: int = OUTPUT_LIMIT,
) -> Completed:
    """Run a script on the host. It is sent by stdin because it may contain secrets, and in braces so that a truncated
    one does not run at all."""
    return await host.run(
        ["sh", "-c", _READ, "sh", *args],
        stdin=f"{{\n{script}\n}}".encode("utf-8", "surrogateescape"),
        timeout_s=timeout_s,
        limit_bytes=limit_bytes,
        sudo=sudo,
    )


def _good(host: Host, done: Completed) -> Completed:
    if not done.ok:
        raise HostError(
            host.name,
            tr(
                "{host} does not report the state of its detached commands: {words}",
                host=host.name,
                words=last_words(done.stderr),
            ),
            tr("Check ~/.cache/lilfox/jobs and the disk on the host."),
        )
    return done


def _answer(host: Host, told: bytes) -> tuple[DetachedState, bytes]:
    """Split the output of ``answer`` into its status line and the data after it."""
    line, _, data = told.partition(b"\n")
    return _read_line(host, line), data


def _all_read(seen: DetachedState, at: Sequence[int]) -> bool:
    return seen.state != "running" and at[0] >= seen.stdout_bytes and at[1] >= seen.stderr_bytes


def _read_line(host: Host, line: bytes) -> DetachedState:
    """Parse the host's status line. Raises CommandUnknown if it is invalid: the host can be asked again."""
    try:
        return _told(line)
    except (ValueError, KeyError):
        raise CommandUnknown(
            host.name,
            tr(
                "{host} does not report the state of its detached commands: {words}",
                host=host.name,
                words=last_words(line) or "-",
            ),
            tr("Check ~/.cache/lilfox/jobs and the disk on the host."),
        ) from None


def _told(line: bytes) -> DetachedState:
    """Parse a line of ``tell``: ID STATE PID BEGAN ENDED STATUS CANCELLED, for each stream SIZE END CUT, then LABEL."""
    words = line.decode("utf-8", "replace").rstrip("\n").split(" ", 13)
    job, state, pid, began, ended, status, cancelled = words[:7]
    sizes = [whole(word) for word in words[7:13]]
    cuts = [size if end or cut else None for size, end, cut in (sizes[:3], sizes[3:])]
    return DetachedState(
        id=job,
        state=_STATES[state],
        pid=_number(pid),
        since=_time(began),
        until=_time(ended),
        exit_status=_number(status),
        cancelled=cancelled == "1",
        stdout_bytes=sizes[0] + sizes[1],
        stderr_bytes=sizes[3] + sizes[4],
        stdout_cut_at=cuts[0],
        stderr_cut_at=cuts[1],
        label=clean(words[13]) if len(words) > 13 else "",
    )


def _number(word: str) -> int | None:
    return whole(word) if word.isascii() and word.isdigit() else None


def _time(word: str) -> datetime | None:
    number = _number(word)
    return None if number is None else time_at(number)


def _blocks(seen: DetachedState, at: list[int], data: bytes) -> list[DetachedOutput]:
    """Return the blocks of both streams in ``data``; advances ``at``."""
    found = []
    for index, (stream, total, cut_at) in enumerate(
        (("stdout", seen.stdout_bytes, seen.stdout_cut_at), ("stderr", seen.stderr_bytes, seen.stderr_cut_at))
    ):
        begin = at[index]
        ends = total if cut_at is None or begin >= cut_at else cut_at
        size = max(0, min(BLOCK, ends - begin))
        if size:
            found.append(DetachedOutput("stdout" if stream == "stdout" else "stderr", data[:size], begin == cut_at))
        data = data[size:]
        at[index] += size
    return found
