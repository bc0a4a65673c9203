"""A run on disk: its runbook file and snapshot, the facts that it records, and what a resumed run reads."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import defaultdict, deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.files import NotTrusted, open_regular, refuse
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.paths import modes
from lilfox_tui.incident import incidents
from lilfox_tui.incident import model as timeline
from lilfox_tui.jobs.listing import find_folder, find_job
from lilfox_tui.jobs.model import JobRequest, Level, Run
from lilfox_tui.jobs.reader import EVENTS, REQUEST, EventReader, is_id
from lilfox_tui.redact import redact
from lilfox_tui.runbook.bash.asking import is_shell
from lilfox_tui.runbook.bash.placeholders import placeholders_of
from lilfox_tui.runbook.library import bundled
from lilfox_tui.runbook.model import BUNDLED, Command, Document, Runbook
from lilfox_tui.runbook.parse.document import UnreadableRunbook, data_of, read
from lilfox_tui.runbook.run.output import StoredOutput, masked
from lilfox_tui.runbook.run.protocol import (
    RUN_KIND,
    ClientActs,
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    DoneByHand,
    RunbookPinned,
    RunClient,
    RunFact,
    RunOpened,
    RunRequest,
    RunResumed,
    decode_facts,
    encode_fact,
)
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import CommandResult

# What a run's job writes down: facts, lines for those who attach, the timeline of the incident that is open.


_IN_TIMELINE = 2000
"""Characters of an output's start and of its end that stand in the timeline itself."""
_EVIDENCE_FROM = 2 * _IN_TIMELINE


class RunRecorder:
    """Records the facts of a run, and reduces them to its state. ``secrets``: values that are never written."""

    def __init__(self, run: Run, runbook: Runbook) -> None:
        self.reducer = RunReducer(runbook)
        self.secrets: set[str] = set()
        self._run = run
        self._commands = 0

    @property
    def folder(self) -> Path:
        """The run's folder, which is that of its job."""
        return self._run.folder

    @property
    def run_id(self) -> str:
        """The run's folder, which is that of its job."""
        return self._run.id

    def next_command(self) -> str:
        """Return a new id for a command on a host."""
        self._commands += 1
        return f"{self._run.id}-{self._commands}"

    def fact(self, fact: RunFact, *, must: bool = True, sync: bool = False) -> bool:
        """Record a fact; return whether it is on disk. If not, only this process knows it. Raises LilFoxError if it
        ``must`` be on disk and cannot be."""
        written = True
        try:
            self._run.fact(*encode_fact(fact), sync=sync)
        except LilFoxError:
            if must:
                raise
            written = False
        self.reducer.take([fact])
        return written

    def say(self, text: str, level: Level = "note") -> None:
        """Send a line to attached clients."""
        self._run.say(masked(text, self.secrets), level)

    async def take_control(self, fact: ClientActs, client: RunClient) -> None:
        """Record that ``client`` controls the run from now on; if it took over from another client, tell all
        clients."""
        self.fact(fact, must=False, sync=True)
        if fact.before not in ("", client.who):
            self.say(_("{who} is now in control; previously {before}", who=client.who, before=fact.before), "warning")
            what = timeline.TookOver(before=fact.before, who=client.who, process=client.pid)
            await self._in_timeline(what, by=client.name)

    async def stays(self, fact: RunbookPinned) -> None:
        """Record that the run keeps its text. Raises LilFoxError if that cannot be recorded."""
        self.fact(fact, sync=True)
        path, sha256 = self.reducer.runbook.path, fact.sha256[:12]
        text = _(
            "the run continues with its own copy of {path} (sha256 {sha256}…), whatever the file contains now",
            path=path,
            sha256=sha256,
        )
        self.say(text, "warning")
        await self._in_timeline(timeline.Noted(text=text), by=fact.by)

    async def began(self, fact: CommandBegan, title: str, command: Command) -> None:
        """Record a command before it runs. Raises LilFoxError if a change cannot be recorded: it must then not run."""
        must = command.kind in ("change", "interactive")
        words = f"{fact.step + 1}. {title}: {fact.host}: {fact.shown}"
        if must:
            self._run.intent(words, sync=False)  # on the disk with the fact below
        runbook = self.reducer.runbook
        await self._in_timeline(
            timeline.StepBegan(
                runbook=runbook.title,
                sha256=self.reducer.sha256,
                step=fact.step + 1,
                title=title,
                command=fact.shown,
                host=fact.host,
                run=fact.run,
            ),
            by=fact.by,
            once=f"began {fact.run}",
            must=must,
        )
        self.fact(fact, must=must, sync=must)
        if not must:
            self.say(words)

    async def ended(self, fact: CommandEnded, result: CommandResult, kept: StoredOutput, undo: str) -> bool:
        """Record the end of a command; return whether it is on disk. If not, only this process knows it, and the next
        change is not started."""
        await self._end_in_timeline(fact, result, kept)
        if fact.state == "done":
            await self._in_force(fact, result, undo)
        status = "" if fact.exit_status is None else f" ({fact.exit_status})"
        text = " ".join(filter(None, (f"{result.host}: {_words(fact)}{status}", fact.message)))
        worked = fact.state == "done"
        if fact.state != "unknown" and result.kind in ("change", "interactive"):  # what was intended has ended
            self._run.done(masked(text, self.secrets), worked=worked, sync=False)  # on the disk with the fact below
        else:
            self.say(text, "good" if worked else "bad")
        return self.fact(fact, must=False, sync=True)  # last: who sees it may order what is next

    async def _end_in_timeline(self, fact: CommandEnded, result: CommandResult, kept: StoredOutput) -> None:
        text = kept.text
        evidence = await self._evidence(fact.run, result, kept) if len(text) > _EVIDENCE_FROM else ""
        if len(text) > _EVIDENCE_FROM:
            text = f"{text[:_IN_TIMELINE]}\n…\n{text[-_IN_TIMELINE:]}"
        state: timeline.StepState = "failed" if fact.state == "not begun" else fact.state
        await self._in_timeline(
            timeline.StepEnded(
                run=fact.run,
                state=state,
                message=fact.message,
                took_s=max(0.0, (fact.at - result.began).total_seconds()),
                exit_status=fact.exit_status,
                output=text,
                output_lines=fact.lines,
                output_bytes=fact.size_bytes,
                evidence=evidence,
            ),
            by=result.by,
            once=f"ended {fact.run} {state}",
        )

    async def skipped(self, fact: CommandSkipped) -> None:
        """Record that a command, or the rest of a step, is skipped."""
        self.fact(fact)
        runbook = self.reducer.runbook
        title = runbook.steps[fact.step].title
        self.say(
            _("{step}. {title}: skipped: {reason}", step=fact.step + 1, title=title, reason=fact.reason), "warning"
        )
        what = timeline.StepSkipped(runbook=runbook.title, step=fact.step + 1, title=title, reason=fact.reason)
        await self._in_timeline(what, by=fact.by)

    async def by_hand(self, fact: DoneByHand) -> None:
        """Record that the user has done a step by hand."""
        self.fact(fact)
        title = self.reducer.runbook.steps[fact.step].title
        text = _("{step}. {title}: done by hand", step=fact.step + 1, title=title)
        self.say(text, "good")
        await self._in_timeline(timeline.Noted(text=text), by=fact.by)

    async def _in_force(self, fact: CommandEnded, result: CommandResult, undo: str) -> None:
        """Record in the timeline what was changed or reverted. A reading command changes nothing, even in a fence that
        rolls another one back; nor does one that says so."""
        if undo and result.kind == "change" and not fact.unchanged:
            await self._in_timeline(
                timeline.Changed(change=fact.run, text=f"{result.host}: {result.shown}", undo=undo), by=result.by
            )
        for run in result.undoes:
            await self._in_timeline(timeline.Reverted(change=run, text=f"{result.host}: {result.shown}"), by=result.by)

    async def _evidence(self, run: str, result: CommandResult, kept: StoredOutput) -> str:
        """Store the output beside the timeline; return the name of its file."""
        with suppress(LilFoxError):
            folder = await asyncio.to_thread(incidents.current_folder, own=True)
            if folder is not None:
                entry = await asyncio.to_thread(
                    incidents.keep_evidence, folder.name, f"{run}.txt", kept.evidence, f"{result.host}: {result.shown}"
                )
                if isinstance(entry.what, timeline.EvidenceKept):
                    return entry.what.file
        return ""

    async def _in_timeline(self, what: timeline.What, *, by: str, once: str | None = None, must: bool = False) -> None:
        try:
            await asyncio.to_thread(incidents.record, what, by=by, once=once)
        except LilFoxError as error:
            if must:
                raise
            self.say(_("not recorded in the incident's timeline: {reason}", reason=error.message), "warning")


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def _words(fact: CommandEnded) -> str:
    return {
        "done": _("done"),
        "failed": _("failed"),
        "unknown": _("outcome unknown"),
        "not begun": _("did not start"),
    }[fact.state]


# The runbook of a run, kept in its job's folder without secrets: what faces show, whatever becomes of its file.


SNAPSHOT = "runbook.json"
"""Of its file."""
_MOST_BYTES = 256 << 20


def save_snapshot(folder: Path, runbook: Runbook) -> None:
    """Write the snapshot into the job's folder, atomically. Raises LilFoxError."""
    part = folder / f".{SNAPSHOT}"
    try:
        mode = modes(folder.parent)[1]
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(_encoded(runbook))
        part.replace(folder / SNAPSHOT)
    except OSError as error:
        raise LilFoxError(
            tr("{folder}: cannot be written: {reason}", folder=folder, reason=error.strerror or error)
        ) from None


def read_snapshot(folder: Path) -> Runbook:
    """Read the runbook of the run in ``folder``; what looked like a secret is masked. Raises LilFoxError."""
    return _read(folder)[0]


def read_full_snapshot(folder: Path) -> Runbook:
    """Read the runbook of the run in ``folder`` to run it again; refuses a snapshot in which anything was masked.
    Raises NotTrusted if another user may have written it, LilFoxError."""
    refuse(folder / SNAPSHOT)
    runbook, masked = _read(folder)
    if masked:
        raise LilFoxError(
            tr(
                "{folder}: the runbook text contained what looks like a secret; that part was not saved",
                folder=folder,
            ),
            tr("restore the original text and resume, or start a new run"),
        )
    return runbook


class _Masked(Struct):
    masked: bool = True


def _encoded(runbook: Runbook) -> bytes:
    kept = _without_secrets(msgspec.to_builtins(runbook))
    masked = msgspec.json.encode(kept) != msgspec.json.encode(runbook)
    return msgspec.json.encode({**kept, "masked": masked})


def _read(folder: Path) -> tuple[Runbook, bool]:
    """Read a snapshot; also return whether anything in it was masked."""
    try:
        with os.fdopen(open_regular(folder / SNAPSHOT), "rb") as file:
            data = file.read(_MOST_BYTES)
        kept, masked = msgspec.json.decode(data, type=Runbook), msgspec.json.decode(data, type=_Masked).masked
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LilFoxError(
            tr("the runbook in {folder} cannot be read: {reason}", folder=folder, reason=reason)
        ) from None
    steps = tuple(replace(step, commands=tuple(map(_placed, step.commands))) for step in kept.steps)
    return replace(kept, steps=steps), masked


def _placed(command: Command) -> Command:
    """Return the command with its placeholders positioned in the masked text."""
    if not command.placeholders:
        return command
    shell = (each for each in command.placeholders if is_shell(each))
    return replace(command, placeholders=(*placeholders_of(command.text), *shell))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return redact(value) if isinstance(value, str) else value


# The runbook of a run as its file has it: read, looked at before every command, and read again when it was changed.


class RunbookFile:
    """The runbook with the id ``name`` in the file ``path``."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._seen: tuple[int, ...] | None = None
        self._sha256 = ""

    def read(self) -> Runbook:
        """Read the runbook from the file as it is now. Raises LilFoxError if it is unreadable, missing, or has
        errors."""
        self._seen = self._signature()
        document = self._document()
        self._sha256 = document.sha256
        refuse_broken(document)
        for runbook in document.runbooks:
            if runbook.id == self._name:
                return runbook
        raise LilFoxError(
            tr("{path}: this file has no runbook {name}", path=self._path, name=self._name),
            tr("available: {names}", names=listed(runbook.id for runbook in document.runbooks) or "-"),
        )

    def sha256(self) -> str:
        """Return the SHA-256 of the file's current bytes; empty if unreadable. Reads the file only if it looks
        changed."""
        if self._path.startswith(BUNDLED):
            return self._sha256
        signature = self._signature()
        if signature is None:
            return ""
        if signature != self._seen:
            try:
                self._sha256 = hashlib.sha256(data_of(Path(self._path))).hexdigest()
            except UnreadableRunbook:
                return ""
            self._seen = signature
        return self._sha256

    def _signature(self) -> tuple[int, ...] | None:
        try:
            found = Path(self._path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _document(self) -> Document:
        if not self._path.startswith(BUNDLED):
            return read(Path(self._path))
        for document in bundled():
            if document.path == self._path:
                return document
        raise LilFoxError(
            tr("{path}: LilFox has no such bundled runbook", path=self._path), tr("see: lilfox runbook list")
        )


def command_moves(before: Runbook, now: Runbook) -> tuple[tuple[int, int, int, int], ...]:
    """Return old and new position (step, command, step, command) of each command that is in both runbooks, with the
    same text in a step of the same title. Equal ones are matched in order."""
    places: dict[tuple[str, str, str], deque[tuple[int, int]]] = defaultdict(deque)
    for step, each in enumerate(now.steps):
        for number, command in enumerate(each.commands):
            places[each.title, command.kind, command.text].append((step, number))
    found = []
    for step, each in enumerate(before.steps):
        for number, command in enumerate(each.commands):
            if places[each.title, command.kind, command.text]:
                found.append((step, number, *places[each.title, command.kind, command.text].popleft()))
    return tuple(found)


def refuse_broken(document: Document) -> None:
    """Raise UsageError with the line of a document's first error that blocks the file, or the reason why it has no
    runbook."""
    for problem in document.problems:
        if (problem.severity == "error" and problem.blocks == "file") or (
            problem.code == "no-steps" and not document.runbooks
        ):
            raise UsageError(
                tr("{path}:{line}: {what}; nothing in this file is run", path=document.path, line=problem.line,
                   what=problem.text),
                tr("list all problems: lilfox runbook lint {path}", path=document.path),
            )  # fmt: skip


# Going on with a run whose job is gone: what it wrote down, and who goes on with it.


_GOES_ON = "resumed"
"""A file of the job's folder: the id of the run that went on with it."""
_MOST_RUNS = 1000
_MOST_EVENTS_BYTES = 8 << 20


def newest_run(run: str) -> str:
    """Return the last run in the chain that resumed ``run``: its facts are complete. Raises LilFoxError if there is
    none, it is not a runbook run, or it is still running."""
    for _number in range(_MOST_RUNS):
        folder = find_folder(run)
        job = find_job(folder.name)
        if job.kind != RUN_KIND:
            raise LilFoxError(tr("job {id} is not a runbook run: {title}", id=job.id, title=job.title))
        if job.state == "running":
            raise LilFoxError(
                tr("run {id} is still active (process {pid} on {host})", id=job.id, pid=job.pid, host=job.host),
                tr("watch it: lilfox attach {id}", id=job.id),
            )
        before = _resumed_by_request(folder.name)
        if before and _later(find_folder(before)) != folder.name:
            run = before  # it was killed before it took over: it has done nothing, another one may have gone on
            continue
        later = _later(folder)
        if not later:
            return folder.name
        run = later
    raise LilFoxError(tr("run {id}: the chain of resumed runs is circular", id=run))


def request_of_run(run: str) -> RunRequest:
    """Return the request of a run. Raises NotTrusted, LilFoxError."""
    folder = _own_folder(run)
    try:
        with os.fdopen(open_regular(folder / REQUEST), "rb") as file:
            request = msgspec.json.decode(file.read(_MOST_EVENTS_BYTES), type=JobRequest)
        if request.kind == RUN_KIND:
            return msgspec.convert(request.arguments, RunRequest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LilFoxError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=error)) from None
    raise LilFoxError(tr("job {id} is not a runbook run: {title}", id=folder.name, title=request.title))


def runbook_of(run: str) -> Runbook:
    """Return the runbook as the run read it, without secrets; from its file if the run never opened. Raises
    LilFoxError."""
    try:
        return read_snapshot(_own_folder(run))
    except NotTrusted:
        raise
    except LilFoxError:
        request = request_of_run(run)
        return RunbookFile(request.path, request.runbook).read()


def facts_of(run: str) -> list[RunFact]:
    """Return all known facts of a run, including those of the runs that it resumed. Raises LilFoxError if they cannot
    be read."""
    return _known(run)[1]


def _known(run: str) -> tuple[Path, list[RunFact]]:
    """Return the folder of the run with the complete facts, and the facts: a run killed while taking over has done
    nothing, and the one before it has them all. Raises LilFoxError."""
    for _number in range(_MOST_RUNS):
        folder = _own_folder(run)
        try:
            facts = list(decode_facts(EventReader(folder).read()))
        except OSError as error:
            raise LilFoxError(
                tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
            ) from None
        resumes = next((fact.resumes for fact in facts if isinstance(fact, RunOpened)), "") or _resumed_by_request(run)
        if not resumes or any(isinstance(fact, RunResumed) and fact.run == resumes for fact in facts):
            return folder, facts
        run = resumes
    raise LilFoxError(tr("run {id}: the chain of resumed runs is circular", id=run))


def _resumed_by_request(run: str) -> str:
    """Return the run that ``run`` was requested to resume, for a run that has not recorded that itself; empty if
    unknown."""
    with suppress(LilFoxError):
        return request_of_run(run).resumes
    return ""


def copy_outputs(run: str, folder: Path) -> None:
    """Link the command outputs of ``run`` into ``folder``."""
    for path in _known(run)[0].iterdir():
        if path.suffix in (".head", ".tail"):
            with suppress(OSError):
                os.link(path, folder / path.name, follow_symlinks=False)


def mark_resumed(run: str, by: str) -> None:
    """Note in the folder of ``run`` that ``by`` resumes it. Raises LilFoxError if that cannot be written."""
    path = find_folder(run) / _GOES_ON
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(by.encode())
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise LilFoxError(
            tr("{path}: cannot be written: {reason}", path=path, reason=error.strerror or error)
        ) from None


def _own_folder(run: str) -> Path:
    """Return the folder of a run to resume. Raises NotTrusted for another user's, because its commands and values would
    be run; LilFoxError."""
    folder = find_folder(run)
    for name in (REQUEST, EVENTS, SNAPSHOT):
        refuse(folder / name)
    return folder


def _later(folder: Path) -> str:
    """Return which run resumed the one in ``folder``; empty if none did."""
    try:
        with os.fdopen(open_regular(folder / _GOES_ON), "rb") as file:
            later = file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return later if is_id(later) else ""
