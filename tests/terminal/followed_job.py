"""Begins the effect of the tests that waits, and follows it as a sub-command does: ``… UNTIL [CLEAN]``."""

from __future__ import annotations

import sys

from lilfox_tui.cli.job_output import follow_job
from lilfox_tui.cli.output import exit_code_of
from tests.unit.jobs.effects import begin

if __name__ == "__main__":
    until, clean = (*sys.argv[1:], "")[:2]
    sys.exit(exit_code_of(lambda: follow_job(begin("waits", title="wait for it", until=until, clean=clean))))
