"""The lines of a page of metrics, before anything of them is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr

LONGEST_LINE = 256 * 1024
_MOST_LINES = 4_000_000
_SPLIT_BYTES = 1 << 20
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


class BadPage(LilFoxError):
    """The page cannot be used. ``samples`` and ``kept`` are how many came before what is wrong. ``known_next_time``:
    what was read of it makes the next try quicker."""

    def __init__(
        self,
        message: Message,
        hint: Message | str = "",
        *,
        samples: int = 0,
        kept: int = 0,
        known_next_time: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.samples, self.kept, self.known_next_time = samples, kept, known_next_time


def lines_of(body: bytes) -> list[bytes]:
    """Split in pieces: what C code does at one go holds up all threads. Raises BadPage."""
    found: list[bytes] = []
    start, end = 0, len(body.removesuffix(b"\n"))
    while end - start > _SPLIT_BYTES:
        last = body.rfind(b"\n", start, start + _SPLIT_BYTES)
        if last < 0:
            last = body.find(b"\n", start, end)
        if last < 0:
            break
        found += body[start:last].split(b"\n")
        start = last + 1
        if len(found) > _MOST_LINES:
            raise BadPage(tr("more than {limit} lines; none was read", limit=_MOST_LINES))
    found += body[start:end].split(b"\n")
    return found


def lines_of_one(lines: Sequence[bytes], row: int) -> int:
    """How many lines the sample has that begins in ``row``: as in Prometheus' parser of the text format, and not in
    OpenMetrics, a newline may stand in a quoted value as it is."""
    inside, length = False, 0
    for place in range(row, len(lines)):
        length += len(lines[place])
        if length > LONGEST_LINE:
            break
        inside ^= _is_open(lines[place])
        if not inside:
            return place - row + 1
    return 1


def sample_count(lines: Sequence[bytes]) -> int:
    """How many samples the lines hold, without reading them; 0 where some may stand in several lines, which are hard to
    tell from others."""
    samples = [line for line in lines if line[:1] != b"#" and line.strip()]
    if any(line[:1] in b" \t" for line in samples):
        samples = [line for line in samples if line.lstrip()[:1] != b"#"]
    return 0 if any(map(_is_open, samples)) else len(samples)


def _is_open(line: bytes) -> bool:
    """Whether a quotation that begins in it goes on in the next line, or one of before ends in it."""
    return (_ESCAPED.sub(b"", line) if b"\\" in line else line).count(b'"') % 2 == 1
