"""From when until when a certificate is valid, read from its DER form. Pure.

The standard library decodes only certificates that it has verified, and a library for all of X.509 would be imported
for two dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0
_BEFORE_VALIDITY = 3
"""The serial number, the algorithm of the signature, and the issuer."""


def validity(der: bytes) -> tuple[datetime, datetime] | None:
    """The first and the last moment of a certificate (RFC 5280 4.1.2.5), aware UTC; None if it has none."""
    try:
        ((_tag, whole),) = _elements(der)
        _tag, signed = next(_elements(whole))
        parts = list(_elements(signed))
        at = _BEFORE_VALIDITY + (parts[0][0] == _VERSION)
        first, last = (_time(*each) for each in _elements(parts[at][1]))
    except (IndexError, ValueError, StopIteration, OverflowError):
        return None
    return first, last


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count]), at + count
        if at + length > len(der):
            raise ValueError(length)
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(tag)
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
