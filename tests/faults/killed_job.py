"""The process of a job that is killed before one of its facts reaches the disk: which one the environment says."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from lilfox_tui.jobs import child
from lilfox_tui.jobs.child import RecordedRun


def main(argv: Sequence[str]) -> int:
    """As the process of a job has it."""
    left = int(os.environ.get("LILFOX_TEST_KILL_AT", "-1"))
    fact = RecordedRun.fact

    def counted(self: RecordedRun, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        fact(self, name, value, sync=sync)

    RecordedRun.fact = counted  # type: ignore[method-assign]
    return child.main(argv)
