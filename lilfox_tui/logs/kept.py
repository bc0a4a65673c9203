"""Records kept in memory, bounded by bytes: of programs whose output can be read only once (a command, a pipe)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

KEEP_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 64
"""What a kept record costs beside its bytes (CPython: head of ``bytes``, references, time)."""
_NEVER = -(2**63)


class Kept:
    """The newest records by their number (from 0, in the order in which they came); the oldest fall out first."""

    def __init__(self, limit_bytes: int = KEEP_BYTES) -> None:
        self._limit = limit_bytes
        self._raw: list[bytes] = []
        self._sizes: array[int] = array("q")
        self._latest: array[int] = array("q")
        self._gone = 0
        self.first = 0
        """Number of the oldest that is kept: so many have fallen out."""
        self.bytes = 0

    @property
    def end(self) -> int:
        """One past the newest number."""
        return self.first + len(self._raw) - self._gone

    def add(self, raw: bytes, size_bytes: int, time_us: int | None) -> None:
        """Keeps one more."""
        before = self._latest[-1] if self._latest else _NEVER
        self._raw.append(raw)
        self._sizes.append(size_bytes)
        self._latest.append(before if time_us is None else max(before, time_us))
        self.bytes += len(raw) + _OVERHEAD_BYTES
        while self.bytes > self._limit and self.end - self.first > 1:
            self.bytes -= len(self._raw[self._gone]) + _OVERHEAD_BYTES
            self._raw[self._gone] = b""
            self._gone += 1
            self.first += 1
        if self._gone > 1024 and self._gone * 2 > len(self._raw):
            del self._raw[: self._gone], self._sizes[: self._gone], self._latest[: self._gone]
            self._gone = 0

    def at(self, number: int) -> tuple[bytes, int]:
        """Raw bytes and size of one that is kept."""
        index = number - self.first + self._gone
        return self._raw[index], self._sizes[index]

    def first_at(self, time_us: int) -> int:
        """The first number at or after which the times seen have reached ``time_us``."""
        return bisect_left(self._latest, time_us, lo=self._gone) - self._gone + self.first

    def numbers(self, start: int, *, older: bool) -> Iterator[int]:
        """The numbers from ``start`` on that are kept: going newer with it, going older without it."""
        return iter(
            range(min(start, self.end) - 1, self.first - 1, -1) if older else range(max(start, self.first), self.end)
        )
