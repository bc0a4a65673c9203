"""How long the shortest answers of the command line take, against Python itself."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from lilfox_tui import __version__
from tests.services.lilfox_command import LILFOX, started

ROUNDS = 9
ALLOWED = 2.5


def _took_s(argv: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def test_the_version_is_told_quickly() -> None:
    assert started("--version").stdout == f"lilfox {__version__}\n"
    ratios = [
        _took_s([*LILFOX, "--version"]) / _took_s([sys.executable, "-c", "import argparse"]) for _ in range(ROUNDS)
    ]
    assert statistics.median(ratios) <= ALLOWED
