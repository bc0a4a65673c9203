"""Beginning a job."""

from __future__ import annotations

from collections.abc import Mapping

from lilfox_tui.jobs.model import Request


def start(request: Request, *, env: Mapping[str, str] | None = None) -> str:
    """Begins ``request`` in a process and session of its own and gives the job's id once that process runs and has
    put so on the disk. Blocks for about 0.2 s: from an event loop use ``asyncio.to_thread``.

    The process runs in ``/`` (paths in ``wanted`` are absolute), with umask 077, in the language in force here and
    with ``env`` (this process's own when not given). Raises KeyHeld where another job has the key, JobError where
    nothing can be put on the disk; then nothing was begun."""
    raise NotImplementedError
