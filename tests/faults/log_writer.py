"""A program that writes numbered lines at a pace and rotates its log as it is told, as real ones do.

``python -m tests.faults.log_writer PATH KIND LINES PER_S EVERY``: rotates by KIND each EVERY lines; keeps all files.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

SLICE_S = 0.01


class Writer:
    """Lines ``… n=NUMBER`` to ``path``."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.rotations = 0
        self.file = self.path.open("ab", buffering=0)

    def write(self, first: int, last: int) -> None:
        """The lines of these numbers, by one write(2)."""
        line = "2026-11-24 10:{:02d}:{:02d},{:03d} INFO the work of request n={}\n"
        text = "".join(line.format(n // 60000 % 60, n // 1000 % 60, n % 1000, n) for n in range(first, last))
        self.file.write(text.encode())

    def rotate(self) -> None:
        """By renaming, by copying and emptying, or on to a file with another date."""
        self.rotations += 1
        if self.kind == "copytruncate":
            self._shift()
            shutil.copyfile(self.path, f"{self.path}.1")
            os.truncate(self.path, 0)
        elif self.kind == "rename":
            self.file.close()
            self._shift()
            self.path.rename(f"{self.path}.1")
            self.file = self.path.open("ab", buffering=0)
        elif self.kind == "date":
            self.file.close()
            name = self.path.name.replace("2026-11-01", f"2026-11-{self.rotations + 1:02d}")
            self.file = self.path.with_name(name).open("ab", buffering=0)

    def _shift(self) -> None:
        for number in range(self.rotations - 1, 0, -1):
            Path(f"{self.path}.{number}").rename(f"{self.path}.{number + 1}")


def main(path: str, kind: str, lines: int, per_s: int, every: int) -> None:
    """Writes ``lines`` lines, ``per_s`` a second."""
    writer, at, began_s, rest = Writer(Path(path), kind), 0, time.monotonic(), threading.Event()
    while at < lines:
        due = min(lines, int((time.monotonic() - began_s) * per_s), at - at % every + every)
        if due > at:
            writer.write(at, due)
            at = due
            if at % every == 0 and at < lines:
                writer.rotate()
        else:
            rest.wait(SLICE_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
