"""Lists of labels made from others, and what is kept of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lilfox_tui.promql.operators import label_hash, xxhash64
from lilfox_tui.promql.value import duplicate, joined, nameless, recent, taken
from lilfox_tui.scrape.labels import LabelList, LabelSet

NAMED = LabelList([LabelSet.of({"__name__": "x", "a": str(number)}) for number in range(4)])


def test_the_same_question_gives_the_same_object() -> None:
    assert nameless(NAMED) is nameless(NAMED)
    assert nameless(nameless(NAMED)) is nameless(NAMED)
    mask = np.array([True, False, True, False])
    assert taken(NAMED, mask) is taken(NAMED, mask.copy())
    assert [str(one) for one in taken(NAMED, mask)] == ['x{a="0"}', 'x{a="2"}']
    assert taken(NAMED, np.ones(4, np.bool_)) is NAMED
    other = LabelList([LabelSet.of({"b": "1"})])
    assert joined((NAMED, other)) is joined((NAMED, other))
    assert len(joined((NAMED, other))) == 5
    assert joined((NAMED, LabelList(()))) is NAMED


def test_finds_what_is_there_twice() -> None:
    assert duplicate(NAMED) is None
    assert duplicate(joined((NAMED, NAMED))) == NAMED[0]


def test_forgets_what_was_not_asked_for_lately() -> None:
    made = []
    for number in (*range(100), 99, 0):
        recent(NAMED, "test", number, lambda number=number: made.append(number))  # type: ignore[misc]
    assert made == [*range(100), 0]


def test_several_threads_may_ask() -> None:
    def ask(seed: int) -> bool:
        numbers = [(seed * 7 + step * step) % 40 for step in range(3000)]
        return all(recent(NAMED, "threads", number, lambda number=number: number) == number for number in numbers)  # type: ignore[misc]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(4)))


def test_hashes_as_xxh64_does() -> None:
    # Values of the reference implementation.
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxhash64(b"abc") == 0x44BC2CF5AD770999
    assert xxhash64(b"Call me Ishmael. Some years ago--never mind how long precisely-") == 0x02A2E85470D6FD96


def test_the_hash_of_labels_tells_where_one_text_ends() -> None:
    assert label_hash(LabelSet.of({"a": "bc"})) != label_hash(LabelSet.of({"ab": "c"}))
    assert label_hash(LabelSet.of({"a": "x" * 300})) == xxhash64(b"\x01a\xff\x2c\x01\x00" + b"x" * 300)
