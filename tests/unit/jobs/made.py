"""Folders of jobs, made without processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from lilfox_tui.jobs.model import Began, Ended, Event, JobRequest
from lilfox_tui.jobs.reader import EVENTS, REQUEST, this_process

AT = datetime(2023, 12, 30, 2, 0, tzinfo=UTC)
OK = Ended(AT + timedelta(seconds=60), "ok", "good")


def began(at: datetime = AT) -> Began:
    """Of this very process."""
    me = this_process()
    return Began(at, me.pid, me.started, me.boot, "db-1", "root")


def make(jobs: Path, number: int, events: Sequence[Event], *, key: str = "backup lilfox") -> Path:
    """A job's folder with these events; nobody holds it."""
    folder = jobs / f"20231230-020000-{number:04x}"
    folder.mkdir(parents=True, mode=0o700)
    request = JobRequest(entry="lilfox_tui.x:y", kind="backup", title=f"job {number}", key=key, arguments={})
    (folder / REQUEST).write_bytes(msgspec.json.encode(request))
    (folder / EVENTS).write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return folder
