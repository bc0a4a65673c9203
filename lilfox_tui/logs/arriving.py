"""Bytes as they come from a program into the raw bytes of records: the format is found in what comes first."""

from __future__ import annotations

from lilfox_tui.logs.format import Format, load_format
from lilfox_tui.logs.recognise import recognise
from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.split import split_records

SAMPLE_BYTES = 64 * 1024
"""So much is looked at to recognise the format; less where the program pauses before."""


class Arriving:
    """``take`` what comes; each gives the records that are whole. A record is whole when the next one begins, or at a
    pause (``settle``). Of a record longer than RAW_LIMIT the rest is counted and not kept."""

    def __init__(self, format_name: str) -> None:
        self._format: Format | None = load_format(format_name) if format_name else None
        self.format_name = format_name
        self._pending = b""
        self._cut_bytes = 0

    @property
    def format(self) -> Format:
        """The format; plain until one is recognised."""
        return self._format or load_format("plain")

    def take(self, block: bytes) -> list[tuple[bytes, int]]:
        """Records that are whole now: raw (no last newline) and size in bytes."""
        self._pending += block
        if self._format is None:
            if len(self._pending) < SAMPLE_BYTES:
                return []
            self._recognise()
        return self._whole()

    def settle(self, *, ended: bool) -> list[tuple[bytes, int]]:
        """What is whole when nothing more has come for a while: whole lines; with ``ended`` also a half line."""
        if self._format is None and self._pending:
            if b"\n" not in self._pending and not ended:
                return []
            self._recognise()
        found = self._whole()
        rest = self._pending if ended else self._pending[: self._pending.rfind(b"\n") + 1]
        self._pending = self._pending[len(rest) :]
        return found + [self._counted(raw) for _offset, raw in split_records(rest, self.format)] if rest else found

    def _recognise(self) -> None:
        self.format_name = recognise(self._pending[:SAMPLE_BYTES])
        self._format = load_format(self.format_name)

    def _whole(self) -> list[tuple[bytes, int]]:
        """All records but the last, which may go on."""
        end = self._pending.rfind(b"\n") + 1
        if not end:
            self._bound()
            return []
        records = split_records(self._pending[:end], self.format)
        if not records:
            return []
        half = self._pending[end:]
        ends_here = len(half) > RAW_LIMIT and self.format.begins(half)
        whole = records if ends_here else records[:-1]
        self._pending = half if ends_here else self._pending[records[-1][0] :]
        found = [self._counted(raw) for _offset, raw in whole]
        self._bound()
        return found

    def _bound(self) -> None:
        """Keeps the start of what never ends; a short half line after it may be the next one and stays."""
        end = self._pending.rfind(b"\n") + 1
        if not end or len(self._pending) - end > RAW_LIMIT:
            end = len(self._pending)
        if end > 2 * RAW_LIMIT:
            newline = self._pending[end - 1 : end] == b"\n"
            self._cut_bytes += end - RAW_LIMIT - newline
            self._pending = self._pending[:RAW_LIMIT] + b"\n" * newline + self._pending[end:]

    def _counted(self, raw: bytes) -> tuple[bytes, int]:
        size, self._cut_bytes = len(raw) + self._cut_bytes, 0
        return raw[:RAW_LIMIT], size
