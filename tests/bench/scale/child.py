"""``python -m tests.bench.scale.child AXIS OPERATION SIZE FOLDER``: measures one operation at one size, prints JSON."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from lilfox_tui.cli.main import parse, run_command
from tests.bench.on_terminal import CannotMeasure
from tests.bench.scale.model import Stopwatch
from tests.bench.scale.results import axis_named


def main(axis: str, operation: str, size: str, folder: str) -> None:
    """Runs it; what it prints goes nowhere."""
    told = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    (found,) = [each for each in axis_named(axis).operations if each.name == operation]
    watch = Stopwatch()
    found.run(int(size), Path(folder), watch)
    sys.stdout.flush()
    os.write(told, msgspec.json.encode(watch.cost(int(size))))


def run_lilfox(*words: str, codes: tuple[int, ...] = (0,)) -> None:
    """Runs ``lilfox WORDS``; raises CannotMeasure for another exit code than one of ``codes``."""
    code = run_command(parse(words))
    if code not in codes:
        raise CannotMeasure(f"lilfox {' '.join(words)}: exit {code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
