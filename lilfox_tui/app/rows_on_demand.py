"""Rows that are made when they are looked at: of a hundred hosts, a screen shows thirty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from lilfox_tui.app.draw import Row


class RowsOnDemand(Sequence[Row]):
    """``head``, then ``count`` rows by ``make(index)``, each made once."""

    def __init__(self, head: Sequence[Row], count: int, make: Callable[[int], Row]) -> None:
        self._head = tuple(head)
        self._count = count
        self._make = make
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._head) + self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if index < len(self._head):
            return self._head[index]
        if index >= len(self):
            raise IndexError(index)
        row = self._made.get(index)
        if row is None:
            row = self._made[index] = self._make(index - len(self._head))
        return row
