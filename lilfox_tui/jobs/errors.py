"""What can go wrong with jobs."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message


class Holder(Struct, frozen=True):
    """The job that holds a key, as it told when it took it: untrusted text, since when in aware UTC."""

    id: str
    user: str
    host: str
    since: datetime


class JobError(LilFoxError):
    """A job could not be begun, found or ended."""


class KeyHeld(JobError):
    """Another job acts on the same thing now. ``holder`` is None where it has not told who it is."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, holder: Holder | None) -> None:
        super().__init__(message, hint)
        self.holder = holder


class NoSuchJob(JobError):
    """No job has this id, or several begin with it."""

    exit_code = 2
