"""XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): Prometheus' hash of labels."""

from __future__ import annotations

import struct
from typing import Final

from lilfox_tui.scrape.labels import LabelSet

_MASK: Final = 2**64 - 1
_PRIME_1: Final = 0x9E3779B185EBCA87
_PRIME_2: Final = 0xC2B2AE3D27D4EB4F
_PRIME_3: Final = 0x165667B19E3779F9
_PRIME_4: Final = 0x85EBCA77C2B2AE63
_PRIME_5: Final = 0x27D4EB2F165667C5


def label_hash(labels: LabelSet) -> int:
    """The hash of a label set as Prometheus 3 takes it: lengths and texts in a row (labels_stringlabels.go)."""
    parts = []
    for pair in labels:
        for text in pair:
            encoded = text.encode("utf-8", "surrogatepass")
            parts += [_length(len(encoded)), encoded]
    return xxhash64(b"".join(parts))


def _length(size: int) -> bytes:
    return bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little")


def xxhash64(text: bytes) -> int:
    """The 64-bit hash with seed 0."""
    tail = len(text) // 32 * 32
    if tail:
        lanes = [(_PRIME_1 + _PRIME_2) & _MASK, _PRIME_2, 0, -_PRIME_1 & _MASK]
        for words in struct.iter_unpack("<4Q", text[:tail]):
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
        result = sum(_turned(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _PRIME_1 + _PRIME_4) & _MASK
    else:
        result = _PRIME_5
    return _mixed(_with_tail((result + len(text)) & _MASK, text[tail:]))


def _with_tail(result: int, rest: bytes) -> int:
    words = len(rest) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", rest[:words]):
        result = (_turned(result ^ _round(0, word), 27) * _PRIME_1 + _PRIME_4) & _MASK
    rest = rest[words:]
    if len(rest) >= 4:
        half = int.from_bytes(rest[:4], "little")
        result = (_turned(result ^ (half * _PRIME_1 & _MASK), 23) * _PRIME_2 + _PRIME_3) & _MASK
        rest = rest[4:]
    for byte in rest:
        result = _turned(result ^ (byte * _PRIME_5 & _MASK), 11) * _PRIME_1 & _MASK
    return result


def _mixed(result: int) -> int:
    result = (result ^ result >> 33) * _PRIME_2 & _MASK
    result = (result ^ result >> 29) * _PRIME_3 & _MASK
    return result ^ result >> 32


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _PRIME_2) & _MASK, 31) * _PRIME_1 & _MASK


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK
