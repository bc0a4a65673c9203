"""Records kept in memory, bounded by bytes: of programs whose output can be read only once (a command, a pipe)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator

KEEP_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 64
"""What a kept record costs beside its bytes (CPython: head of ``bytes``, references, time)."""


class Kept:
    """The newest records by their number (from 0, in the order in which they came); the oldest fall out first."""

    def __init__(self, limit_bytes: int = KEEP_BYTES) -> None:
        self._limit = limit_bytes
        self._raw: list[bytes] = []
        self._sizes: array[int] = array("q")
        self._marks: list[tuple[int, int]] = []
        self._gone = 0
        self.first = 0
        """Number of the oldest that is kept: so many have fallen out."""
        self.bytes = 0

    @property
    def end(self) -> int:
        """One past the newest number."""
        return self.first + len(self._raw) - self._gone

    def add(self, raw: bytes, size_bytes: int) -> None:
        """Keeps one more."""
        self._raw.append(raw)
        self._sizes.append(size_bytes)
        self.bytes += len(raw) + _OVERHEAD_BYTES
        while self.bytes > self._limit and self.end - self.first > 1:
            self.bytes -= len(self._raw[self._gone]) + _OVERHEAD_BYTES
            self._raw[self._gone] = b""
            self._gone += 1
            self.first += 1
        if self._gone > 1024 and self._gone * 2 > len(self._raw):
            del self._raw[: self._gone], self._sizes[: self._gone]
            del self._marks[: bisect_left(self._marks, self.first, key=lambda mark: mark[0])]
            self._gone = 0

    def at(self, number: int) -> tuple[bytes, int]:
        """Raw bytes and size of one that is kept."""
        index = number - self.first + self._gone
        return self._raw[index], self._sizes[index]

    def mark(self, number: int, time_us: int) -> None:
        """Notes the time of the record ``number``, the newest of those that are noted."""
        before = self._marks[-1][1] if self._marks else time_us
        self._marks.append((number, max(before, time_us)))

    def first_at(self, time_us: int, time_of: Callable[[int], int | None]) -> int:
        """The first number at which the times have reached ``time_us``: found among the marks, then one by one."""
        mark = bisect_left(self._marks, time_us, key=lambda mark: mark[1])
        start = self._marks[mark - 1][0] if mark else self.first
        end = self._marks[mark][0] if mark < len(self._marks) else self.end
        reached = (n for n in range(max(start, self.first), end) if (at := time_of(n)) is not None and at >= time_us)
        return next(reached, max(end, self.first))

    def numbers(self, start: int, *, older: bool) -> Iterator[int]:
        """The numbers from ``start`` on that are kept: going newer with it, going older without it."""
        return iter(
            range(min(start, self.end) - 1, self.first - 1, -1) if older else range(max(start, self.first), self.end)
        )
