"""Pages made to cost much: reading them takes time and memory by their length, and hardly anything is kept."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import pytest

from lilfox_tui.scrape.exposition import BadPage, Exposition
from lilfox_tui.scrape.labels import LabelSet

LENGTH = 1 << 20
MOST_S = 5.0
"""Of CPU time, while memory is watched; what grew with the square of the length would take minutes."""
PAGES = {
    "a name": b"a" * LENGTH + b" 1\n",
    "a value of a label": b'a{x="' + b"v" * LENGTH + b'"} 1\n',
    "escapes": b'a{x="' + b"\\\\" * (LENGTH // 2) + b'"} 1\n',
    "a quotation that does not end": b'a{x="' + b'\\"' * (LENGTH // 2) + b"\n",
    "labels": b"a{" + b",".join(b'l%d="v"' % number for number in range(LENGTH // 12)) + b"} 1\n",
    "braces": b"a" + b"{" * LENGTH + b"} 1\n",
    "commas": b"a{" + b"," * LENGTH + b"} 1\n",
    "spaces": b"a" + b" " * LENGTH + b"1\n",
    "digits": b"a " + b"1" * LENGTH + b"\n",
    "empty lines": b"\n" * LENGTH,
    "comments": b"# HELP a b\n" * (LENGTH // 11),
    "metrics without samples": b"".join(b"# HELP a%d b\n" % number for number in range(LENGTH // 18)),
}


@pytest.mark.parametrize("what", PAGES)
def test_a_page_costs_no_more_than_its_length(what: str) -> None:
    exposition = Exposition(LabelSet.of)
    began = time.process_time()
    tracemalloc.start()
    try:
        with suppress(BadPage):
            exposition.read(PAGES[what], openmetrics=False)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < MOST_S
    assert most < 32 * LENGTH
    assert kept < 8 * LENGTH


def test_a_series_of_too_many_labels_is_refused() -> None:
    labels = b",".join(b'l%d="v"' % number for number in range(2000))
    with pytest.raises(BadPage, match="more than 1000 labels"):
        Exposition(LabelSet.of).read(b"a{" + labels + b"} 1\n", openmetrics=False)


def test_what_is_said_of_metrics_is_kept_of_so_many() -> None:
    exposition = Exposition(LabelSet.of)
    exposition.read(PAGES["metrics without samples"], openmetrics=False)
    assert len(exposition.families) == 20_000
