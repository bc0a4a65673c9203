"""One JSON object from the bytes of a record, also from what is not quite JSON, and from one that was cut."""

from __future__ import annotations

import json
import re

import msgspec

from lilfox_tui.logs.record import RAW_LIMIT

_decode = msgspec.json.Decoder().decode
_scan = json.JSONDecoder(strict=False)
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_KEY = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*+)"\s*:\s*', re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+')
_LONGEST_HALF_ESCAPE = 5


def object_in(raw: bytes) -> dict[str, object] | None:
    """The object that ``raw`` is; None where it is none. Of invalid UTF-8, lone surrogates, NaN and control characters
    in strings it makes what can be made; of an object cut at RAW_LIMIT, the fields before the cut. NUL before it is the
    hole that copytruncate leaves."""
    if not raw.lstrip(b"\0 \t\r\n\xef\xbb\xbf").startswith(b"{"):
        return None
    try:
        found = _decode(raw)
    except (ValueError, RecursionError):
        return _leniently(raw)
    return found if isinstance(found, dict) else None


def _leniently(raw: bytes) -> dict[str, object] | None:
    text = raw.decode("utf-8", "replace").lstrip("\0\ufeff \t\r\n")
    text = _ESCAPE.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        found = _scan.decode(text)
    except (ValueError, RecursionError):
        return _before_cut(text) if len(raw) >= RAW_LIMIT else None
    return found if isinstance(found, dict) else None


def _before_cut(text: str) -> dict[str, object] | None:
    fields: dict[str, object] = {}
    place = 1
    while key := _KEY.match(text, place):
        name = str(_whole_text(key[1]))
        try:
            value, place = _scan.raw_decode(text, key.end())
        except (ValueError, RecursionError):
            half = _TEXT.match(text, key.end())
            if half and len(text) - half.end() <= _LONGEST_HALF_ESCAPE:
                fields[name] = _whole_text(half[0])
            break
        if place == len(text) and not isinstance(value, str):
            break  # a number may have gone on
        fields[name] = value
    return fields or None


def _whole_text(cut: str) -> object:
    """Of a text in JSON without its end; as it stands where it has escapes that there are not."""
    try:
        return _scan.decode(cut + '"')
    except ValueError:
        return cut[1:]
