"""Lines and text of raw records, for every format."""

from __future__ import annotations


def every_line(line: bytes) -> bool:  # noqa: ARG001  the contract's ``begins``
    """``begins`` of formats in which each line is a record; ``split.py`` asks these nothing per line."""
    return True


def text_of(raw: bytes) -> str:
    """A record as text, its lines ended by newlines alone; what is no UTF-8 becomes U+FFFD."""
    text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").rstrip("\r\n") if "\r" in text or text.endswith("\n") else text
