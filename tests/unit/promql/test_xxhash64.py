"""Prometheus' hash of labels: how lengths are written before the texts."""

from __future__ import annotations

import pytest

from lilfox_tui.promql.operators import label_hash, xxhash64
from lilfox_tui.scrape.labels import LabelSet


@pytest.mark.parametrize(
    ("length", "written"),
    [(1, b"\x01"), (254, b"\xfe"), (255, b"\xff\xff\x00\x00"), (256, b"\xff\x00\x01\x00")],
)
def test_a_length_is_one_byte_or_four(length: int, written: bytes) -> None:
    assert label_hash(LabelSet.of({"a": "x" * length})) == xxhash64(b"\x01a" + written + b"x" * length)


def test_the_hash_is_that_of_the_specification() -> None:
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"a") == 0xD24EC4F1A98C6E5B
