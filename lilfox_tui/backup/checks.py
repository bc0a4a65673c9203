"""Checks that run before anything is written, and texts about them and about the state of sets."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import Message, _, listed, ntr, tr
from lilfox_tui.core.text import human_bytes, human_duration

CheckState = Literal["good", "warning", "bad"]
AllowedBy = Literal["", "other-server", "end-sessions", "run-code"]
"""The option of a restore that allows what a check forbids."""


class ServerSession(Struct, frozen=True, kw_only=True):
    """A session connected to a database. ``query`` is untrusted text."""

    pid: int
    role: str
    application: str
    client: str
    state: str
    since_s: float | None
    """For so long in this state; None where the role may not see it."""
    query: str = ""


class Check(Struct, frozen=True):
    """One check: ``about`` names what was inspected, ``found`` the result, ``hint`` what to do. A ``bad`` check blocks
    the start."""

    about: Message | str
    state: CheckState
    found: Message | str
    hint: Message | str = ""
    allowed_by: AllowedBy = ""
    brief: Message | str = ""
    """The result without the ``sessions``, where these are listed; empty if ``found`` names none."""
    sessions: Sequence[ServerSession] = ()
    """Those that are in the way."""


SMALL_BYTES = 4 * 1024 * 1024
"""Of a manifest at most."""
FEW_FILES = 20
SPARE = 1.05
"""Room beside what is needed: manifests, and guesses that are a little low."""


class StoreRoom(Struct, frozen=True, kw_only=True):
    """What the system reports about a store's folder; None where it reports nothing."""

    free_bytes: int | None
    free_files: int | None
    read_only: bool
    writable: bool
    mode: int | None
    """Permission bits of the folder."""


def room_checks(folder: str, room: StoreRoom, needed_bytes: int | None, *, write: bool, host: str = "") -> list[Check]:
    """Return the checks of a store's permissions and free space, and of who else can read it. ``host``: where the
    folder is; empty for this machine."""
    where = f"{host}:{folder}" if host else folder
    about = tr("store {where}", where=where)
    checks = [_rights(where, room)] if write else []
    if write and room.free_bytes is not None:
        enough = needed_bytes is None or room.free_bytes >= needed_bytes * SPARE
        free = human_bytes(room.free_bytes)
        found = (
            tr("{free} free; the space needed is unknown", free=free)
            if needed_bytes is None
            else tr("{free} free; {needed} may be needed", free=free, needed=human_bytes(needed_bytes))
        )
        hint = "" if enough else tr("Free up space, keep fewer sets, or use another store.")
        checks.append(Check(about, "good" if enough else "bad", found, hint))
    if write and room.free_files is not None and room.free_files < FEW_FILES:
        found = ntr("only {count} more file can be created", "only {count} more files can be created",
                    room.free_files)  # fmt: skip
        checks.append(Check(about, "bad", found, tr("Its filesystem is running out of inodes: remove files from it.")))
    if room.mode is not None and room.mode & 0o077:
        found = tr("other users of that machine can access it (mode {mode})", mode=f"{room.mode:04o}")
        command = f"chmod 700 {shlex.quote(folder)}"
        hint = (
            tr("Run on {host}: {command}", host=host, command=command)
            if host
            else tr("Run: {command}", command=command)
        )
        checks.append(Check(about, "warning", found, hint))
    return checks


def _rights(where: str, room: StoreRoom) -> Check:
    about = tr("store {where}", where=where)
    if room.read_only:
        hint = tr("Check the kernel log (dmesg): a disk with errors is often remounted read-only.")
        return Check(about, "bad", tr("mounted read-only"), hint)
    if not room.writable:
        return Check(
            about, "bad", tr("no write permission"), tr("Grant write permission to the user that runs backups.")
        )
    return Check(about, "good", tr("writable"))


def duration_check(seconds: float, measured: str, window_s: float | None, hint: Message) -> Check:
    """Return the check of a run's expected duration, ``measured`` from that set, against the backup window of the plan;
    ``hint``: what to do if it is too long."""
    about = tr("duration")
    found = tr("about {duration}, measured at {set}", duration=human_duration(seconds), set=measured)
    if window_s is None:
        return Check(about, "good", found)
    window = human_duration(window_s)
    if seconds <= window_s:
        return Check(about, "good", tr("{found}; the backup window is {window}", found=found, window=window))
    return Check(about, "warning", tr("{found}: longer than the backup window of {window}", found=found, window=window),
                 hint)  # fmt: skip


# The words for a set's state and for a check, in the reader's language.


def status_text(status: str) -> str:
    """Return the word for how thoroughly a set has been verified."""
    return {
        "restored": _("restore-tested"),
        "intact": _("checksums verified"),
        "unverified": _("not verified"),
        "partial": _("partial"),
        "untrusted": _("not trusted"),
        "broken": _("broken"),
        "foreign": _("not proven by LilFox"),
    }.get(status, status)


def proof_text(status: str, missing: Collection[str]) -> str:
    """Return the word for a set's state; of a partial set also the names of the sources that are ``missing``."""
    if status == "partial" and missing:
        return _("partial: {names} missing", names=listed(missing))
    return status_text(status)


def signature_text(signature: str) -> str:
    """Return who wrote a set, according to its signature."""
    return {
        "none": _("unsigned"),
        "good": _("signed"),
        "other": _("signed by an unknown key"),
        "forged": _("signature forged"),
    }.get(signature, signature)


def check_text(check: Check) -> str:
    """Return what was checked and what was found, as one line."""
    return labelled(str(check.about), check.found)


def hint_text(check: Check) -> str:
    """Return the check's hint as shown on the command line, with the option that allows what the check blocks."""
    if not check.allowed_by:
        return str(check.hint)
    return _("{hint} To allow it anyway, use {option}.", hint=check.hint, option=f"--{check.allowed_by}")


def labelled(name: str, what: object) -> str:
    """Return ``name`` and ``what`` in one line."""
    return _("{name}: {what}", name=name, what=what)
