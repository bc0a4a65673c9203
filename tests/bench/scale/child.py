"""``python -m tests.bench.scale.child AXIS OPERATION SIZE FOLDER``: measures one operation at one size, prints JSON."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from tests.bench.scale.axes import axis_named
from tests.bench.scale.model import Stopwatch


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


if __name__ == "__main__":
    main(*sys.argv[1:])
