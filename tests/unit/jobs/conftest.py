"""What every test of jobs has."""

from __future__ import annotations

from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
