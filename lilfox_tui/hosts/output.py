"""The kept part of what a command writes."""

from __future__ import annotations

from lilfox_tui.redact import redact
from lilfox_tui.text import clean

TAIL_BYTES = 4096


class LimitReached(Exception):
    """A command wrote more than its caller wants to keep."""


class BoundedOutput:
    """The first ``limit`` bytes of a stream; raises LimitReached at the first byte past them."""

    def __init__(self, limit: int) -> None:
        self._blocks: list[bytes] = []
        self._room = limit

    def add(self, block: bytes) -> None:
        """Keeps ``block``, or what fits of it."""
        kept = block[: self._room]
        self._blocks.append(kept)
        self._room -= len(kept)
        if len(kept) < len(block):
            raise LimitReached

    def joined(self) -> bytes:
        """All that was kept."""
        return b"".join(self._blocks)


class OutputTail:
    """The last few KB of a stream."""

    def __init__(self) -> None:
        self._end = b""

    def add(self, block: bytes) -> None:
        """Keeps the end of what came so far."""
        self._end = (self._end + block)[-TAIL_BYTES:]

    def joined(self) -> bytes:
        """The end."""
        return self._end


def last_words(stderr: bytes) -> str:
    """The last line a command wrote to stderr, safe to be part of an error."""
    lines = [line for line in redact(stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
    return clean(lines[-1])[:300] if lines else ""
