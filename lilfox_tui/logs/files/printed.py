"""What grep prints with offsets (``-b``) and following lines (``-A``), read back: ``OFFSET:hit``, ``OFFSET-following``,
``--`` between what is not adjacent; and ``OFFSET?`` of a hit whose text is not told."""

from __future__ import annotations

import re

from lilfox_tui.logs.files.disk import Found, Text

CUT_BYTES = 200
"""A following line that may begin the next record is sent up to here."""
_TOGETHER_BYTES = 16 * 1024
_LINE = re.compile(rb"(\d+)([:?-])", re.DOTALL)
_STATUS = re.compile(rb"@(\d+)")


class Printed:
    """``take`` what comes. ``status`` is the searching program's exit status once that has come: 0 found, 1 nothing."""

    def __init__(self, base: int) -> None:
        self.status: int | None = None
        self._base = base
        self._rest = b""
        self._hits: list[int] = []
        self._line_at = 0
        self._text = bytearray()
        self._next = -1

    def take(self, data: bytes) -> Found:
        """The hits whose text is whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        offsets: list[int] = []
        texts: dict[int, Text] = {}
        for line in lines:
            if (match := _LINE.match(line)) is None:
                status = _STATUS.fullmatch(line)
                self.status = int(status[1]) if status else self.status
                self._close(offsets, texts)
                continue
            at, text = self._base + int(match[1]), line[match.end() :]
            if match[2] == b":":
                self._hit(at, text, offsets, texts)
            elif match[2] == b"?":
                self._close(offsets, texts)
                offsets.append(at)
            elif at == self._next:
                self._follow(at, text)
            else:
                self._next = -1
        return Found(offsets, texts)

    def _hit(self, at: int, text: bytes, offsets: list[int], texts: dict[int, Text]) -> None:
        if at != self._next or len(self._text) > _TOGETHER_BYTES:
            if at == self._next:
                self._text += text[:CUT_BYTES]
            self._close(offsets, texts)
            self._line_at = at
        self._hits.append(at)
        self._text += text + b"\n"
        self._next = at + len(text) + 1

    def _follow(self, at: int, text: bytes) -> None:
        self._text += text if len(text) >= CUT_BYTES else text + b"\n"
        self._next = -1 if len(text) >= CUT_BYTES else at + len(text) + 1

    def _close(self, offsets: list[int], texts: dict[int, Text]) -> None:
        if self._hits:
            offsets += self._hits
            if not self._base or self._line_at > self._base:  # the first line may be half a line
                texts.update(dict.fromkeys(self._hits, (self._line_at, bytes(self._text))))
        self._hits, self._text, self._next = [], bytearray(), -1
