"""A program that does to its log what it is told on stdin, a line of words at a time, as fast as it can.

``python -m tests.faults.ordered_log_writer PATH SEED``: answers each line, when all is done, with the number of lines
that it has written so far. Between two words it rests a random while, so that who follows looks in between, or not.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import sys
import threading
from pathlib import Path

LONGEST_REST_S = 0.08


class Writer:
    """Lines ``… n=NUMBER`` to ``path``; each method is a word."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.lines = 0
        self.files = 0
        self.made = random.Random(seed)
        self.rest = threading.Event()
        self.file = self.path.open("ab", buffering=0)

    def burst(self) -> None:
        """Some lines by one write(2), or one."""
        self.file.write(b"".join(self._line() for _ in range(self.made.choice((1, 3, 40, 400)))))

    def halves(self) -> None:
        """A line in two parts."""
        self._slowly(lambda: None)

    def rename(self) -> None:
        """As logrotate does."""
        self._shift()
        self.path.rename(f"{self.path}.1")
        self._reopen()

    def late(self) -> None:
        """As logrotate does, to a program that is within a line, and goes on in the old file for a while."""
        self._shift()
        self._slowly(lambda: self.path.rename(f"{self.path}.1") and None)
        self.burst()
        self._reopen()

    def olddir(self) -> None:
        """Into a folder where nobody looks."""
        folder = self.path.parent / "old"
        folder.mkdir(exist_ok=True)
        self.path.rename(folder / f"{self.path.name}.{self.lines}")
        self._reopen()

    def remove(self) -> None:
        """Gone, and begun anew."""
        self.path.unlink()
        self._reopen()

    def copytruncate(self) -> None:
        """Copied and emptied."""
        self._shift()
        shutil.copyfile(self.path, f"{self.path}.1")
        os.truncate(self.path, 0)

    def pack(self) -> None:
        """The newest of the old ones, with its time, as gzip does."""
        for plain in sorted(self.path.parent.glob(f"{self.path.name}.[0-9]"))[:1]:
            packed = plain.with_name(f"{plain.name}.gz")
            packed.write_bytes(gzip.compress(plain.read_bytes()))
            shutil.copystat(plain, packed)
            plain.unlink()

    def dated(self) -> None:
        """On to a file beside it that is named by a date, and back after a while."""
        self.files += 1
        beside = self.path.with_name(f"{self.path.stem}-2026{self.files // 28 + 1:02d}{self.files % 28 + 1:02d}.log")
        before, self.file = self.file, beside.open("ab", buffering=0)
        self.burst()
        self.rest.wait(self.made.random() * LONGEST_REST_S)
        self.burst()
        self.file.close()
        self.file = before
        self.burst()

    def link(self) -> None:
        """The name leads to another file from now on."""
        self.files += 1
        target = self.path.parent / "links" / f"{self.files}"
        target.parent.mkdir(exist_ok=True)
        self.file.close()
        self.file = target.open("ab", buffering=0)
        self.burst()
        made = self.path.with_name("link.new")
        made.symlink_to(target)
        made.rename(self.path)

    def _line(self) -> bytes:
        self.lines += 1
        n = self.lines
        return (
            f"2026-11-24 {n // 3600000 % 24:02d}:{n // 60000 % 60:02d}:{n // 1000 % 60:02d},{n % 1000:03d} "
            f"INFO the work of request n={n}\n"
        ).encode()

    def _slowly(self, between: object) -> None:
        line = self._line()
        at = self.made.randrange(1, len(line))
        self.file.write(line[:at])
        self.rest.wait(self.made.random() * LONGEST_REST_S)
        assert callable(between)
        between()
        self.file.write(line[at:])

    def _reopen(self) -> None:
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def _shift(self) -> None:
        for number in range(30, 0, -1):
            for end in ("", ".gz"):
                old = Path(f"{self.path}.{number}{end}")
                if old.exists():
                    old.rename(f"{self.path}.{number + 1}{end}")


def main(path: str, seed: int) -> None:
    """Does what stdin says."""
    writer = Writer(Path(path), seed)
    for line in sys.stdin:
        for word in line.split():
            getattr(writer, word)()
            writer.rest.wait(writer.made.random() * LONGEST_REST_S)
        sys.stdout.write(f"{writer.lines}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
