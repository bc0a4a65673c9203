"""What can go wrong with incidents."""

from __future__ import annotations

from lilfox_tui.errors import LilFoxError


class IncidentError(LilFoxError):
    """An incident could not be opened, read or changed."""


class NoSuchIncident(IncidentError):
    """No incident has this id, or none is open."""

    exit_code = 2


class NotRecorded(IncidentError):
    """It could not be written down (a full disk, a read-only one): what was to be recorded must not be done."""


class MomentRefused(IncidentError):
    """One of its four moments cannot have been at that time."""

    exit_code = 2
