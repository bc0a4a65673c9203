"""The real ``lilfox``, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lifetime import ending_with_us
from tests.waiting import PATIENCE_S

LILFOX = (sys.executable, "-m", "lilfox_tui")


def lilfox(
    *argv: str | Path, stdin: str | None = None, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        [*LILFOX, *map(str, argv)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextmanager
def running(argv: Sequence[str | Path], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs it until the end of the block; stdout and stderr go into ``output`` with ``.out`` and ``.err``."""
    with output.with_suffix(".out").open("wb") as out, output.with_suffix(".err").open("wb") as err:
        command = ending_with_us(*LILFOX, *map(str, argv))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
