"""An entry as a line of a timeline: without secrets, bounded, and back."""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import Any

import msgspec

from lilfox_tui.incident.model import Entry, What
from lilfox_tui.redact import redact, redact_all
from lilfox_tui.text import encodable

NOTHING_BEFORE = "0" * 64
MOST_BYTES = 256 << 10
"""Of a line."""
_AROUND_BYTES = 8192
_MOST_ITEMS = 200
_MOST_CHARS = (32_000, 1000, 100)
"""Of each text; the next one where the line would still be too long."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_encode = msgspec.json.Encoder().encode
_decode_what: msgspec.json.Decoder[What] = msgspec.json.Decoder(What)
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def masked(text: str) -> str:
    """``text`` as a timeline and its evidence may hold it: no colours, which would hide a secret from who looks for
    it, no secrets, nothing that JSON cannot hold."""
    return redact(_ESCAPES.sub("", encodable(text)) if "\x1b" in text else encodable(text))


def stored(what: What) -> What:
    """``what`` with every text in it masked, at any depth, and none that is endless."""
    plain = redact_all(_few(msgspec.to_builtins(what)), masked)
    for most in _MOST_CHARS:
        line = _encode(_cut_all(plain, most))
        if len(line) < MOST_BYTES - _AROUND_BYTES:
            break
    return _decode_what.decode(line)


def line_of(entry: Entry) -> bytes:
    """The entry's line, without a newline."""
    return _encode(entry)


def entry_of(line: bytes) -> Entry:
    """The line's entry. Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError where it is none."""
    return _decoder.decode(line)


def digest(line: bytes) -> str:
    """SHA-256, in hex, of a line without its newline."""
    return hashlib.sha256(line).hexdigest()


def once_field(once: str) -> bytes:
    """How ``once`` stands in a line; in a text of one it would have its quotes escaped."""
    return b'"once":' + _encode(once)


def _few(value: Any) -> Any:
    """No more items than somebody reads."""
    if isinstance(value, dict):
        return {name: _few(each) for name, each in islice(value.items(), _MOST_ITEMS)}
    return [_few(each) for each in value[:_MOST_ITEMS]] if isinstance(value, list | tuple) else value


def _cut_all(value: Any, most: int) -> Any:
    if isinstance(value, dict):
        return {_cut(name, most): _cut_all(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_cut_all(each, most) for each in value]
    return _cut(value, most) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    """Its head and its tail: what a program says last is often why."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    tail = most - head
    return f"{text[:head]}… {len(text) - most} …{text[-tail:]}"
