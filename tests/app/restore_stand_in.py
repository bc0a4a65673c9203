"""A restore that is looked at and run without a database: it stands in where the wizard meets backup/ and jobs/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.plan import BackupRequest
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.backup.source import RestoreChange
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.model import Began, Ended, Event, Intent, JobRequest, MessageLogged, Progress, ProgressMade
from tests.app.backups_made import MIB, NOW

JOB = "20260329-031244-00ff"


class StandIn:
    """What is found is set before, what was asked for is read after. ``run`` lets the job go on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.all_checks: list[Check] = [
            Check("server", "good", "17.5, the same as the set's"),
            Check("room", "good", "80G"),
        ]
        self.more_changes: list[RestoreChange] = []
        self.error: LilFoxError | None = None
        self.uncounted: LilFoxError | None = None
        """Why it cannot be told what would change."""
        self.looked: list[BackupRequest] = []
        self.started: list[JobRequest] = []
        self.refusal: LilFoxError | None = None
        self.elsewhere: list[str] = []
        """Other databases on the server."""
        self.elsewhere_error: LilFoxError | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.going_on = asyncio.Event()
        self.result = Ended(
            NOW,
            "ok",
            "lilfox_20260329_020000 is restored, compared and in place",
            "to undo: lilfox restore --undo lilfox_20260329_020000",
            0,
            {
                "set": "lilfox_20260329_020000",
                "kept": ["lilfox_before_20260329_031244", "uploads_before_20260329_031244"],
            },
        )
        patch.setattr("lilfox_tui.backup.effects.looked_at", self.looked_at)
        patch.setattr("lilfox_tui.backup.effects.other_places", self.other_places)
        patch.setattr("lilfox_tui.app.panes.backup.restore_wizard._now", NOW.astimezone)
        patch.setattr("lilfox_tui.jobs.start.start", self.start)
        patch.setattr("lilfox_tui.app.rows.jobs.follow_events", self.events)

    @asynccontextmanager
    async def looked_at(self, request: BackupRequest) -> AsyncIterator[tuple[BackupSet | None, StandIn]]:
        """As ``backup/effects.py``."""
        self.looked.append(request)
        if self.error is not None:
            raise self.error
        await self.answering.wait()
        yield None, self

    async def other_places(self, _request: BackupRequest, _source: str) -> list[str]:
        """As ``backup/effects.py``."""
        if self.elsewhere_error is not None:
            raise self.elsewhere_error
        return self.elsewhere

    @property
    def where(self) -> dict[str, str]:
        """Of both sources."""
        return {"database": "database lilfox on localhost", "uploads": "/srv/lilfox/public/uploads"}

    @property
    def names(self) -> dict[str, str]:
        """Of both sources."""
        return {"database": "lilfox", "uploads": "uploads"}

    async def checks(self, heard: Callable[[Check], None]) -> list[Check]:
        """One after the other."""
        for check in self.all_checks:
            heard(check)
        return self.all_checks

    async def changes(self) -> dict[str, list[RestoreChange]]:
        """Rows of tables, and files."""
        if self.uncounted is not None:
            raise self.uncounted
        return {
            "database": [
                RestoreChange("public.users", "1190", "1204"),
                RestoreChange("public.orders", "88300", "88210", lost_rows=90),
                *self.more_changes,
            ],
            "uploads": [
                RestoreChange("avatars/7.png", "", "added"),
                RestoreChange("avatars/9.png", "newer", "older", lost_files=1),
            ],
        }

    def start(self, request: JobRequest) -> str:
        """As ``jobs/start.py``."""
        if self.refusal is not None:
            raise self.refusal
        self.started.append(request)
        return JOB

    async def events(self, job_id: str) -> AsyncGenerator[list[Event], None]:
        """As ``jobs/listing.py``: half of it, and the rest when it is told to go on."""
        now = datetime(2026, 3, 29, 3, 12, 45, tzinfo=UTC)
        assert job_id == JOB
        yield [
            Began(now, 4711, 1, "b", "web-1", "root"),
            Intent(now, "restoring database next to database lilfox on localhost"),
            ProgressMade(now, Progress("database", 206 * MIB, 412 * MIB, 84.0 * MIB, 2.0)),
            MessageLogged(now, "public.users: 1,204 rows", "good"),
        ]
        await self.going_on.wait()
        yield [self.result]
