"""The real ``lilfox``, as a process of its own.

``lilfox`` forks it from one that has imported, which saves half a second of CPU time; ``started`` and ``running`` have
it start from nothing, for tests of how it starts or of what may differ between two starts (the seed of hashes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lifetime import ending_with_us
from tests.services import forked_lilfox
from tests.waiting import PATIENCE_S

LILFOX = (sys.executable, "-m", "lilfox_tui")


Done = subprocess.CompletedProcess[str]


def lilfox(
    *argv: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None, timeout_s: float = PATIENCE_S
) -> Done:
    """Runs it to its end; ``env`` comes on top of the test's own."""
    words, environment = [*map(str, argv)], {**os.environ, **(env or {})}
    return forked_lilfox.run(words, env=environment, stdin=stdin, timeout_s=timeout_s) or started(
        *words, stdin=stdin, env=env, timeout_s=timeout_s
    )


def started(
    *argv: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None, timeout_s: float = PATIENCE_S
) -> Done:
    """As ``lilfox``, and it starts from nothing."""
    return subprocess.run(
        [*LILFOX, *map(str, argv)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **(env or {})},
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
