"""What is kept of the errors that a streamed command writes."""

from __future__ import annotations

import pytest

from lilfox_tui.hosts.process import END_BYTES, OutputEnds


@pytest.mark.parametrize("size", [1, 7, END_BYTES, 100_000])
def test_of_a_long_error_the_reason_at_the_start_and_the_end_are_kept(size: int) -> None:
    """pg_dump writes the reason first, and then a query that names every table."""
    tables = b", ".join(b"public.t%d" % number for number in range(5000))
    written = b"pg_dump: error: ERROR:  out of shared memory\nQuery was: LOCK TABLE " + tables + b" IN SHARE MODE\n"
    ends = OutputEnds()
    for at in range(0, len(written), size):
        ends.add(written[at : at + size])
    kept = ends.joined()
    start, _, end = kept.partition(b" ...\n")
    assert written.startswith(start + b" ")
    assert written.endswith(end)
    assert b"out of shared memory\nQuery was: LOCK TABLE public.t0, " in start
    assert len(kept) <= 2 * END_BYTES + 5


@pytest.mark.parametrize("length", [0, 1, END_BYTES, END_BYTES + 1, 2 * END_BYTES])
def test_a_short_one_is_kept_as_it_is(length: int) -> None:
    written = bytes(number % 251 for number in range(length))
    ends = OutputEnds()
    ends.add(written[: length // 3])
    ends.add(written[length // 3 :])
    assert ends.joined() == written
