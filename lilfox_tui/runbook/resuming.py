"""Going on with a run whose job is gone: what it wrote down, and who goes on with it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.folder import EVENTS, REQUEST, is_id
from lilfox_tui.jobs.listing import find_folder, find_job
from lilfox_tui.jobs.model import Request
from lilfox_tui.jobs.reading import EventReader
from lilfox_tui.regular_file import open_regular
from lilfox_tui.runbook import kept_runbook
from lilfox_tui.runbook.facts import Opened, Resumed, RunFact, heard
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.on_disk import OnDisk
from lilfox_tui.runbook.wish import KIND, Wish
from lilfox_tui.trusted_file import NotTrusted, refuse

_GOES_ON = "resumed"
"""A file of the job's folder: the id of the run that went on with it."""
_MOST_RUNS = 1000
_MOST_BYTES = 8 << 20


def newest(run: str) -> str:
    """The run that went on with ``run``, and the one that went on with that, and so on: the one whose facts are all
    that is known. Raises LilFoxError where there is none, it is no run of a runbook, or it runs."""
    for _number in range(_MOST_RUNS):
        folder = find_folder(run)
        job = find_job(folder.name)
        if job.kind != KIND:
            raise LilFoxError(tr("job {id} is no run of a runbook: {title}", id=job.id, title=job.title))
        if job.state == "running":
            raise LilFoxError(
                tr("run {id} goes on, process {pid} on {host}", id=job.id, pid=job.pid, host=job.host),
                tr("watch it: lilfox attach {id}", id=job.id),
            )
        before = _wished(folder.name)
        if before and _later(find_folder(before)) != folder.name:
            run = before  # it was killed before it took over: it has done nothing, another one may have gone on
            continue
        later = _later(folder)
        if not later:
            return folder.name
        run = later
    raise LilFoxError(tr("run {id}: who went on with it goes round in a circle", id=run))


def wish_of(run: str) -> Wish:
    """What was asked of it. Raises NotTrusted, LilFoxError."""
    folder = _own_folder(run)
    try:
        with os.fdopen(open_regular(folder / REQUEST), "rb") as file:
            request = msgspec.json.decode(file.read(_MOST_BYTES), type=Request)
        if request.kind == KIND:
            return msgspec.convert(request.wanted, Wish)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LilFoxError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=error)) from None
    raise LilFoxError(tr("job {id} is no run of a runbook: {title}", id=folder.name, title=request.title))


def runbook_of(run: str) -> Runbook:
    """Its runbook as it read it, with nothing secret in it; as its file has it where it was never opened. Raises
    LilFoxError."""
    try:
        return kept_runbook.read(_own_folder(run))
    except NotTrusted:
        raise
    except LilFoxError:
        wish = wish_of(run)
        return OnDisk(wish.path, wish.runbook).read()


def facts_of(run: str) -> list[RunFact]:
    """All that is known of it, which may have begun in an earlier run. Raises LilFoxError where it cannot be read."""
    return _known(run)[1]


def _known(run: str) -> tuple[Path, list[RunFact]]:
    """The folder of the run that knows all, and what it knows: one that was killed while it took over has done nothing,
    and the one that it took over from knows all. Raises LilFoxError."""
    for _number in range(_MOST_RUNS):
        folder = _own_folder(run)
        try:
            facts = list(heard(EventReader(folder).read()))
        except OSError as error:
            raise LilFoxError(
                tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
            ) from None
        resumes = next((fact.resumes for fact in facts if isinstance(fact, Opened)), "") or _wished(run)
        if not resumes or any(isinstance(fact, Resumed) and fact.run == resumes for fact in facts):
            return folder, facts
        run = resumes
    raise LilFoxError(tr("run {id}: who went on with it goes round in a circle", id=run))


def _wished(run: str) -> str:
    """With which run it was to go on, where it did not come to say so itself."""
    with suppress(LilFoxError):
        return wish_of(run).resumes
    return ""


def with_outputs(run: str, folder: Path) -> None:
    """What the commands of ``run`` printed is in ``folder``, too."""
    for path in _known(run)[0].iterdir():
        if path.suffix in (".head", ".tail"):
            with suppress(OSError):
                os.link(path, folder / path.name, follow_symlinks=False)


def say_resumed(run: str, by: str) -> None:
    """Notes in the folder of ``run`` that ``by`` goes on with it. Raises LilFoxError where that cannot be written."""
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
    """Of a run that is gone on with. Raises NotTrusted for one of somebody else: its commands and values would be ours;
    LilFoxError."""
    folder = find_folder(run)
    for name in (REQUEST, EVENTS, kept_runbook.NAME):
        refuse(folder / name)
    return folder


def _later(folder: Path) -> str:
    """Who went on with the run in ``folder``; nothing where nobody did."""
    try:
        with os.fdopen(open_regular(folder / _GOES_ON), "rb") as file:
            later = file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return later if is_id(later) else ""
