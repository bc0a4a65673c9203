"""Reads the events of a job, and reduces them to its state."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import signal
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from lilfox_tui.core import paths
from lilfox_tui.core.files import open_regular
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.jobs.model import (
    Began,
    Ended,
    Event,
    Intent,
    Job,
    JobError,
    JobRequest,
    Progress,
    ProgressMade,
    StepDone,
)

# Where jobs are kept: ``jobs`` in the places that ``core/paths.py`` knows.


REQUEST, EVENTS, OUTPUT, CHECKED, RESERVE = "request.json", "events.jsonl", "output.log", "checked", "reserve"
_JOBS = "jobs"
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}", re.ASCII)


def own_folder() -> Path:
    """The folder of this process's jobs; made if missing. Raises JobError."""
    try:
        return paths.own_folder(_JOBS)
    except paths.FolderRefused as refused:
        raise JobError(tr("{problem}; nothing was started", problem=refused.message), refused.hint) from None


def all_folders() -> list[Path]:
    """The folders that may hold jobs, the user's first. They need not exist."""
    return paths.all_folders(_JOBS)


def is_id(name: str) -> bool:
    """Whether ``name`` is a job id: ``20231230-020000-3f9a``, the local start time and a suffix that distinguishes jobs
    of the same second."""
    return _ID.fullmatch(name) is not None


# Processes told apart for good: a pid comes again, a pid with its start time and its boot does not.


_BOOT = Path("/proc/sys/kernel/random/boot_id")


class ProcessIdentity(Struct, frozen=True):
    """A process that its pid alone does not identify: ``started`` is in clock ticks since the boot (field 22 of
    proc_pid_stat(5)), ``boot`` the kernel's id of that boot."""

    pid: int
    started: int
    boot: str

    def runs(self) -> bool:
        """Whether this very process exists and has not ended."""
        return self.boot == boot_id() and start_of(self.pid) == self.started

    def signal(self, number: int) -> bool:
        """Sends a signal to the process, but never to another process that now has its pid; returns whether it existed.
        Raises PermissionError."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.runs():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def this_process() -> ProcessIdentity:
    """The calling process."""
    pid = os.getpid()
    return ProcessIdentity(pid, start_of(pid) or 0, boot_id())


def boot_id() -> str:
    """The kernel's id of this boot; empty if there is none."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """The start time of the process; None if there is none, or it has ended and was not reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()  # the name before it may hold blanks and brackets
    return None if len(fields) < 20 or fields[0] in (b"Z", b"X") else int(fields[19])


# A job's folder as others read it: what is new since the last look, and whether its process is there.
#
# What stands there may have been written by another user, torn by a crash, or made to harm: everything is bounded, what
# is no event is left out, and links are not followed.


_BLOCK = 1 << 20
_LONGEST_LINE = 8 << 20
_MOST_BYTES = 64 << 20
_TAIL = 64 << 10
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class EventReader:
    """Reads ``events.jsonl`` of ``folder`` from the start; waits for the rest of an incomplete line at its end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._at = 0
        self._rest = b""
        self._size = -1

    def grown(self) -> bool:
        """Whether there is unread data. Raises OSError."""
        return self._path.lstat().st_size != self._size

    def read(self) -> list[Event]:
        """The events that came since the last call. Raises OSError."""
        found: list[Event] = []
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            self._size = os.fstat(file.fileno()).st_size
            file.seek(self._at)
            while self._at < _MOST_BYTES and (block := file.read(_BLOCK)):
                self._at += len(block)
                found += self._events(block)
        return found

    def ends(self) -> tuple[Began, list[Event]] | None:
        """The first and the last events of an ended job, without reading those in between; None if they are
        inconclusive. Raises OSError."""
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= 2 * _TAIL:
                return None
            first = _event(file.read(_TAIL).partition(b"\n")[0])
            file.seek(-_TAIL, os.SEEK_END)
            last = [event for line in file.read(_TAIL).split(b"\n")[1:] if (event := _event(line)) is not None]
        if isinstance(first, Began) and last and isinstance(last[-1], Ended):
            return first, last
        return None

    def _events(self, block: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b"!"  # no event any more, whatever follows
        return [event for line in lines if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_held(folder: Path, began: Began | None = None) -> bool:
    """Whether the job's process exists: it locks its events before they become visible and holds the lock until it
    ends, and the kernel releases that lock in any case. Without locks (some network file systems), pid and start time
    decide. Raises OSError if the events cannot be read."""
    handle = open_regular(folder / EVENTS)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return began is not None and ProcessIdentity(began.pid, began.started, began.boot).runs()
    finally:
        os.close(handle)
    return False


# Reduces the events of a job to what is known of it: a ``Job``.


_MOST_REQUEST_BYTES = 8 << 20


class JobReducer:
    """Reduces events in order to the state of a job; ``began`` and ``ended`` are those two events, once received.
    ``owner`` is the user who requested the job, if known before it began."""

    def __init__(self, folder: Path, request: JobRequest, asked: datetime, owner: str) -> None:
        self._folder = folder
        self._request = request
        self._asked = asked
        self._owner = owner
        self._progress: dict[str, Progress] = {}
        self._intended = ""
        self.began: Began | None = None
        self.ended: Ended | None = None

    def take(self, events: Iterable[Event]) -> None:
        """Takes the next events."""
        for event in events:
            match event:
                case ProgressMade():
                    self._progress[event.progress.part] = event.progress
                case Intent():
                    self._intended = event.text
                case StepDone():
                    self._intended = ""
                case Began() if self.began is None:
                    self.began = event
                case Ended() if self.ended is None:
                    self.ended = event

    def lost(self, at: datetime) -> Ended:
        """The end event of a job whose process was gone at ``at`` without a result. A job that never began did
        nothing."""
        if self.began is None:
            return Ended(
                at,
                "failed",
                _("its process ended before the job started; nothing was done"),
                _("start the job again"),
                1,
            )
        message = _("its process is gone and left no result")
        if self._intended:
            message = _("its process is gone and left no result; it was about to: {intent}", intent=self._intended)
        hint = _(
            "check what the job left behind, then mark it as checked: lilfox jobs checked {id}", id=self._folder.name
        )
        return Ended(at, "unknown", message, hint, 1)

    def job(self, *, running: bool, checked: bool = False) -> Job:
        """The current state of the job. ``running``: its process exists."""
        began, ended = self.began, self.ended
        if ended is None and not running:
            ended = self.lost(self._asked if began is None else began.at)
        return Job(
            id=self._folder.name,
            kind=self._request.kind,
            title=self._request.title,
            key=self._request.key,
            folder=str(self._folder),
            state="running" if ended is None else ended.state,
            started=self._asked if began is None else began.at,
            ended=None if self.ended is None else self.ended.at,
            pid=None if began is None else began.pid,
            host="" if began is None else began.host,
            user=self._owner if began is None else began.user,
            message="" if ended is None else ended.message,
            hint="" if ended is None else ended.hint,
            exit_code=None if ended is None else ended.exit_code,
            progress=tuple(each.current(ended=ended is not None) for each in self._progress.values()),
            result={} if ended is None else ended.result,
            checked=checked,
        )


def new_reducer(folder: Path) -> JobReducer:
    """The reducer of a job of which only the request is known. Raises OSError, msgspec.DecodeError,
    UnicodeDecodeError."""
    with os.fdopen(open_regular(folder / REQUEST), "rb") as file:
        facts = os.fstat(file.fileno())
        request = msgspec.json.decode(file.read(_MOST_REQUEST_BYTES), type=JobRequest)
    return JobReducer(folder, request, datetime.fromtimestamp(facts.st_mtime, UTC), _name(facts.st_uid))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
