"""The protocol of a run: the request that starts its job, the facts it records, and its clients with their orders."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.incident.incidents import name_of
from lilfox_tui.jobs.model import Event, JobFact, JobRequest
from lilfox_tui.jobs.reader import ProcessIdentity, boot_id, is_held, start_of
from lilfox_tui.runbook.model import Kind, Runbook

# The clients of a run, a console or a command line: which process each is, and whether it still runs.


class RunClient(Struct, frozen=True, kw_only=True):
    """A client of a run. The kernel identifies its process; a later process with the same pid is another client."""

    name: str
    """``user@machine``; of root by sudo the one who called it."""
    terminal: str = ""
    """``pts/3``: by it two who are the same user are told apart. Empty where it has none."""
    pid: int
    started: int
    boot: str

    @property
    def who(self) -> str:
        """For display."""
        return f"{self.name} {self.terminal}".rstrip()

    @property
    def process(self) -> ProcessIdentity:
        """The process of the client."""
        return ProcessIdentity(self.pid, self.started, self.boot)


def client_of(pid: int, uid: int) -> RunClient:
    """Return the client that runs as process ``pid`` of the user ``uid``."""
    return RunClient(
        name=name_of(uid, _called_by(pid)),
        terminal=_terminal(pid),
        pid=pid,
        started=start_of(pid) or 0,
        boot=boot_id(),
    )


@cache
def this_client() -> RunClient:
    """Return the client of this process."""
    return client_of(os.getpid(), os.geteuid())


def _called_by(pid: int) -> str:
    """Return the user who started the process with sudo; empty if nobody did."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    name = b"SUDO_USER="
    return next((each[len(name) :].decode(errors="replace") for each in variables if each.startswith(name)), "")


def _terminal(pid: int) -> str:
    """Return the controlling terminal of a process, as who(1) names it (tty_nr of proc_pid_stat(5), numbers of
    devices.txt)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    device = int(stat[stat.rfind(b")") + 2 :].split()[4])
    major, minor = os.major(device), os.minor(device)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 and minor < 64 else ""


class ClientPresence:
    """Calls ``gone`` once the process of a client has ended, at once if it already has."""

    def __init__(self, client: RunClient, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._handle = -1
        self._loop = asyncio.get_running_loop()
        try:
            self._handle = os.pidfd_open(client.pid)
        except OSError:
            self._loop.call_soon(self._ended)
            return
        if client.process.runs():
            self._loop.add_reader(self._handle, self._ended)
        else:
            self._loop.call_soon(self._ended)

    def close(self) -> None:
        """Stop watching; ``gone`` is no longer called."""
        self._gone = _nothing
        if self._handle >= 0:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1

    def _ended(self) -> None:
        gone = self._gone
        self.close()
        gone()


def _nothing() -> None:
    """Do nothing: nobody is watching any more."""


# What the job of a run tells, fact after fact: all that is known of a run is reduced from them (``reducer.py``).
#
# A fact that says what is about to run is on the disk before it runs. Texts are masked as everything in a job's events
# is; secret values are in none of them, only their names. Times are aware UTC, and stay when a run is resumed.


EndState = Literal["done", "failed", "unknown", "not begun"]
"""How a command ended on a host. ``unknown``: it was begun, and nobody knows how it ended. ``not begun``: it is certain
that it did not run."""


class RunOpened(Struct, frozen=True, kw_only=True, tag="opened", tag_field="fact"):
    """The run started, with this runbook as it was read."""

    at: datetime
    run: str
    """The job's id."""
    runbook: str
    """Its id."""
    title: str
    path: str
    sha256: str
    hosts: dict[str, tuple[str, ...]]
    """What the host words of its commands mean: ``web*`` → names of hosts, in their order (``gate.py``)."""
    by: str
    incident: str = ""
    resumes: str = ""
    """The run (job) that it goes on with: its facts follow, then :class:`RunResumed`."""


class RunResumed(Struct, frozen=True, kw_only=True, tag="resumed", tag_field="fact"):
    """The run continues an earlier one, whose facts all come before. Secret values are no longer known."""

    at: datetime
    run: str
    hosts: dict[str, tuple[str, ...]]
    """As in :class:`RunOpened`: of the configuration now."""


class RunbookReloaded(Struct, frozen=True, kw_only=True, tag="read again", tag_field="fact"):
    """The file has changed since it was read, and the user confirmed its current text."""

    at: datetime
    sha256: str
    moved: tuple[tuple[int, int, int, int], ...]
    """Of each command that is in both: its step and number before, its step and number now."""
    hosts: dict[str, tuple[str, ...]]
    by: str


class RunbookPinned(Struct, frozen=True, kw_only=True, tag="stays", tag_field="fact"):
    """The user decided that the run keeps its text, whatever its file says from now on."""

    at: datetime
    sha256: str
    by: str


class ValuesSet(Struct, frozen=True, kw_only=True, tag="values", tag_field="fact"):
    """Values were given, or captured from the output of ``run``; those that are ``gone`` are not set any more."""

    at: datetime
    values: dict[str, str]
    secret: tuple[str, ...] = ()
    """Names of those that are secret: only the job has them, and a resumed one asks anew."""
    gone: tuple[str, ...] = ()
    run: str = ""
    host: str = ""
    """They are this host's own: its output held them, and the same command ran on others."""


class CommandBegan(Struct, frozen=True, kw_only=True, tag="began", tag_field="fact"):
    """A command is about to run; on disk before it does. Commands count from 0 in their step, steps in their
    runbook."""

    at: datetime
    run: str
    """The command's id: of one command on one host, once."""
    step: int
    command: int
    host: str
    kind: Kind
    shown: str
    """As it runs, its values written in, secrets masked."""
    by: str
    rollback: bool = False
    """It is of a fence that takes another one back."""
    undoes: tuple[str, ...] = ()
    """``run`` of those that are taken back when it is done."""


class OutputProgress(Struct, frozen=True, kw_only=True, tag="printed", tag_field="fact"):
    """The amount that a running command has printed; sent twice a second at most."""

    run: str
    size_bytes: int
    lines: int


class ConnectionLost(Struct, frozen=True, kw_only=True, tag="link lost", tag_field="fact"):
    """The connection to the host was lost while a command is running. ``reason`` is empty once it is back."""

    at: datetime
    run: str
    reason: str


class CommandEnded(Struct, frozen=True, kw_only=True, tag="ended", tag_field="fact"):
    at: datetime
    run: str
    state: EndState
    message: str
    """Why it failed or is unknown; empty when all is said by the state."""
    exit_status: int | None = None
    stopped: bool = False
    """We ended it: somebody asked, or its time was over."""
    size_bytes: int = 0
    """Of all that it printed, as far as that is known."""
    lines: int = 0
    left_out_bytes: int = 0
    """Of the middle: what is kept (``output.py``) has its head and its tail."""
    uncounted: bool = False
    """There was more in the middle than these three say: the host has left it out."""
    unchanged: bool = False
    """It says that it changed nothing, and none before it may have changed something in its place."""


class RunAllStarted(Struct, frozen=True, kw_only=True, tag="runs all", tag_field="fact"):
    """The run continues to its end without asking anybody."""

    at: datetime
    by: str


class CommandSkipped(Struct, frozen=True, kw_only=True, tag="skipped", tag_field="fact"):
    """A command was skipped; ``command`` None: the rest of the step."""

    at: datetime
    step: int
    command: int | None
    reason: str
    by: str


class DoneByHand(Struct, frozen=True, kw_only=True, tag="by hand", tag_field="fact"):
    """The user reports a step without commands as done."""

    at: datetime
    step: int
    by: str


class ClientActs(Struct, frozen=True, kw_only=True, tag="acts", tag_field="fact"):
    """This client controls the run from now on, and no other does. Without a client: the last one has left, and the
    next one to give an order takes control."""

    at: datetime
    client: RunClient | None = field(default=None, name="face")
    before: str = ""
    """Who acted before, for people."""

    @property
    def last(self) -> str:
        """The client that controls the run, or controlled it last."""
        return self.before if self.client is None else self.client.who

    @property
    def other(self) -> str:
        """The client that controls the run instead of this process; empty if this process may control it."""
        return "" if self.client is None or self.client.process == this_client().process else self.client.who


RunFact: TypeAlias = (
    RunOpened | RunResumed | RunbookReloaded | RunbookPinned | ValuesSet | CommandBegan | OutputProgress
    | ConnectionLost | CommandEnded | RunAllStarted | CommandSkipped | DoneByHand | ClientActs
)  # fmt: skip


def encode_fact(fact: RunFact) -> tuple[str, dict[str, Any]]:
    """Return the name and value under which the job records the fact."""
    value: dict[str, Any] = msgspec.to_builtins(fact)
    return value.pop("fact"), value


def decode_facts(events: Iterable[Event]) -> Iterator[RunFact]:
    """Yield the facts among a job's events; skips all others."""
    for event in events:
        if isinstance(event, JobFact):
            try:
                yield msgspec.convert({"fact": event.name, **event.value}, RunFact)
            except msgspec.ValidationError:
                continue


# Orders to a run's job, from the screen and the command line: through a socket in the job's folder.
#
# The socket is for the job's own user and root alone (its mode, and the kernel's word on who calls). What is secret
# goes this way and is written nowhere.


SOCKET = "orders"
_LONGEST = 1 << 20
_ANSWER_S = 60.0
_TRIES, _AGAIN_S = 500, 0.02
_UCRED = struct.Struct("3i")

OnFailure = Literal["stop", "undo"]


class OrderRefused(LilFoxError):
    """Raised when the run rejects a client's order; message and hint give the reason."""


class RunOne(Struct, frozen=True, kw_only=True, tag="run", tag_field="order"):
    """Run a command: this is its confirmation. Rejected while another one is running (of two clients the first wins),
    and if the file has changed since the client saw it."""

    step: int
    command: int
    sha256: str
    """Of the file as it was shown."""
    hosts: tuple[str, ...] | None = None
    """Where; on all of its hosts where it has not been done when not given."""
    values: dict[str, str] = {}
    """Of its placeholders; secret ones too. They are kept for the commands after it."""
    again: bool = False
    """Although it is done, or nobody knows how it ended. One that failed needs no word: this is the retry."""
    seen: bool = False
    """Somebody has seen it with all its values, and said yes: also where only these make a change of it."""


class RunAll(Struct, frozen=True, kw_only=True, tag="all", tag_field="order"):
    """Run everything left without asking again; then the run ends by itself. It also ends on a failure, and with
    ``undo`` rolls back its earlier changes."""

    sha256: str
    values: dict[str, str] = {}
    on_failure: OnFailure = "stop"


class Skip(Struct, frozen=True, kw_only=True, tag="skip", tag_field="order"):
    """Skip a command, or with None the rest of a step."""

    step: int
    command: int | None
    reason: str


class ByHand(Struct, frozen=True, kw_only=True, tag="hand", tag_field="order"):
    """Mark a step without commands as done."""

    step: int


class TerminalBegins(Struct, frozen=True, kw_only=True, tag="terminal begins", tag_field="order"):
    """The client is about to run an interactive command in its terminal, unless this is rejected."""

    step: int
    command: int
    host: str
    sha256: str
    values: dict[str, str] = {}


class TerminalEnded(Struct, frozen=True, kw_only=True, tag="terminal ended", tag_field="order"):
    """The interactive command has ended in the client's terminal."""

    step: int
    command: int
    host: str
    exit_status: int
    worked: bool | None = None
    """What somebody there says of it; None: the exit status decides."""


class LookAgain(Struct, frozen=True, kw_only=True, tag="look", tag_field="order"):
    """Ask the host how a command with an unknown outcome ended."""

    run: str


class Undo(Struct, frozen=True, kw_only=True, tag="undo", tag_field="order"):
    """Run the rollbacks of the changes, last change first; with ``run``, only that one."""

    sha256: str
    run: str = ""
    values: dict[str, str] = {}


class Stop(Struct, frozen=True, kw_only=True, tag="stop", tag_field="order"):
    """End the commands that are running now. For a command that follows a log, that is success."""


class FinishRun(Struct, frozen=True, kw_only=True, tag="finish", tag_field="order"):
    """End the run, after ending the commands that are running. Changes stay."""

    abort: bool = False
    """It is given up: not all of it was done."""
    idle: bool = False
    """Only where nothing runs, else it is refused."""


class UseText(Struct, frozen=True, kw_only=True, tag="text", tag_field="order"):
    """Continue with this text after the file was changed during the run. This runs nothing."""

    sha256: str
    """Of the text that the run has, which then stays whatever the file says; or of what the file says now, which is
    read again."""


class TakeOver(Struct, frozen=True, kw_only=True, tag="take over", tag_field="order"):
    """Give control of the run to the client that sends this; the previous one follows."""


Order: TypeAlias = (
    RunOne
    | RunAll
    | Skip
    | ByHand
    | TerminalBegins
    | TerminalEnded
    | LookAgain
    | Undo
    | Stop
    | FinishRun
    | TakeOver
    | UseText
)
Handler = Callable[[Order, RunClient], Awaitable[None]]
"""Does it or begins it; the second argument is who orders. Raises LilFoxError: that is the answer."""
_order: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


class _OrderReply(Struct, frozen=True):
    """The job's reply to a client's order; without a message the order is accepted."""

    message: str = ""
    hint: str = ""


async def send(folder: Path, order: Order) -> None:
    """Send a client's order to the job of ``folder``; return when the job has accepted it, which is before it is done.
    Raises OrderRefused with the job's reason, LilFoxError if no job listens at ``folder``."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            line = await _asked(folder, msgspec.json.encode(order) + b"\n")
        answer = msgspec.json.decode(line, type=_OrderReply)
    except (OSError, ValueError, EOFError, msgspec.DecodeError) as error:
        reason = "" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise LilFoxError(
            tr("cannot reach run {run}: {reason}", run=folder.name, reason=reason or tr("no answer")),
            tr("check whether it is still running: lilfox jobs; resume it: lilfox runbook run --resume {run}",
               run=folder.name),
        ) from None  # fmt: skip
    if answer.message:
        raise OrderRefused(answer.message, answer.hint)


async def _asked(folder: Path, line: bytes) -> bytes:
    with _short(folder) as path:
        reader, writer = await _connected(folder, path)
    try:
        writer.write(line)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


async def _connected(folder: Path, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the job, even if it has just started and is not listening yet."""
    for _number in range(_TRIES):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return await asyncio.open_unix_connection(path, limit=_LONGEST)
        if not is_held(folder):
            break
        await asyncio.sleep(_AGAIN_S)
    return await asyncio.open_unix_connection(path, limit=_LONGEST)


@asynccontextmanager
async def listening(folder: Path, handle: Handler) -> AsyncIterator[None]:
    """Accept clients' orders for the job of ``folder`` and pass them to ``handle``, one at a time. Raises LilFoxError
    if the socket cannot be created."""
    turn = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):  # who asked is gone, or sent more than an order
            writer.write(msgspec.json.encode(await _answer(reader, writer, turn, handle)) + b"\n")
            await writer.drain()
        writer.close()

    try:
        with _short(folder) as path:
            server = await asyncio.start_unix_server(serve, path, limit=_LONGEST)
            os.chmod(path, 0o600)  # noqa: PTH101  no more than the umask of a job gives it already
    except OSError as error:
        raise LilFoxError(
            tr("{folder}: cannot create the control socket: {reason}", folder=folder,
               reason=error.strerror or error)
        ) from None  # fmt: skip
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            (folder / SOCKET).unlink()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turn: asyncio.Lock, handle: Handler
) -> _OrderReply:
    told = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _gid = _UCRED.unpack(told)
    if uid not in (0, os.geteuid()):
        return _OrderReply(str(tr("only root and the user who started the run can control it")))
    try:
        order = _order.decode(await reader.readline())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _OrderReply(str(tr("this version of LilFox does not support this request")))
    try:
        async with turn:
            await handle(order, client_of(pid, uid))
    except LilFoxError as error:
        return _OrderReply(str(error.message), str(error.hint))
    return _OrderReply()


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a path to the socket of at most 108 bytes (unix(7)), however long the folder's path is."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


# What a run is asked to be, and the job that it becomes.


RUN_KIND = "runbook"


class RunRequest(Struct, frozen=True, kw_only=True):
    """The request for a run of a runbook. It contains no secrets: clients send secret values later."""

    path: str
    """Of the file, as ``Runbook.path`` has it."""
    runbook: str
    """Its id in that file."""
    sha256: str
    """Of the file as the one who asks has seen it; another one is refused."""
    config: str | None = None
    """Path of the configuration; its defaults without one."""
    read_only: bool = False
    hosts: str = ""
    """Where it runs instead of where the runbook says, in its words."""
    values: dict[str, str] = {}
    resumes: str = ""
    """The job of an earlier run that it goes on with."""
    client: RunClient | None = field(default=None, name="face")
    """Where it was asked for, and who acts then; without one the first who orders does."""


def request_of(request: RunRequest, runbook: Runbook) -> JobRequest:
    """Return the job request. A runbook has one run at a time."""
    return JobRequest(
        entry="lilfox_tui.runbook.run.job:run",
        kind=RUN_KIND,
        title=str(tr("runbook {title}", title=runbook.title)),
        key=f"runbook {request.path}#{request.runbook}",
        arguments=msgspec.to_builtins(request),
    )
