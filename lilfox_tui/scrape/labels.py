"""Label sets of series, and lists of them that remember what was once derived from them.

A scrape gives the same series over and over. So the list of their labels is one object for as long as they stay the
same, and what an evaluation needs of it (names dropped, groups, match keys) is made once and kept with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, cast, overload

from msgspec import Struct

from lilfox_tui.metrics.model import Labels

T = TypeVar("T")
NAME = "__name__"
"""The label that holds a metric's name."""
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""What a label's name must be where it stands without quotes, and before Prometheus 3 anywhere."""


class LabelSet(Struct, eq=False, gc=False):
    """The identity of a series: label pairs sorted by name, ``__name__`` among them, none with an empty value (as in
    Prometheus' data model). Values are untrusted text. The constructor wants them sorted; :meth:`of` takes anything.

    The garbage collector need not walk them: texts make no circles, and with many series it would hold up everybody.
    """

    pairs: Labels
    _hash: int = 0

    def __post_init__(self) -> None:
        self._hash = hash(self.pairs)

    @classmethod
    def of(cls, labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> LabelSet:
        """From a mapping, or from pairs in any order; the last of one name counts."""
        return cls(tuple(sorted((name, value) for name, value in dict(labels).items() if value)))

    def get(self, name: str) -> str:
        """The value of one label, empty where it is not there."""
        return next((value for key, value in self.pairs if key == name), "")

    def without(self, names: Collection[str]) -> LabelSet:
        """All labels but ``names``."""
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] not in names))

    def only(self, names: Collection[str]) -> LabelSet:
        """No labels but ``names``."""
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] in names))

    def replaced(self, labels: Mapping[str, str]) -> LabelSet:
        """With ``labels`` in the place of those of the same names; an empty value takes the label off."""
        return LabelSet.of({**dict(self.pairs), **labels})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self._hash == other._hash and self.pairs == other.pairs

    def __ne__(self, other: object) -> bool:  # Struct has one of its own
        return not self == other

    def __hash__(self) -> int:
        return self._hash

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __str__(self) -> str:
        """As PromQL writes it: ``up{instance="a:1", job="node"}``."""
        inner = ", ".join(f"{name}={quoted(value)}" for name, value in self.pairs if name != NAME)
        return f"{self.get(NAME)}{{{inner}}}" if inner or not self.get(NAME) else self.get(NAME)

    def __repr__(self) -> str:
        return f"LabelSet({self})"


class LabelList(Sequence[LabelSet]):
    """A list of label sets that never changes; the same object means the same series in the same order."""

    __slots__ = ("_derived", "sets")

    def __init__(self, sets: Sequence[LabelSet]) -> None:
        self.sets = tuple(sets)
        self._derived: dict[Hashable, object] = {}

    def derived(self, key: Hashable, make: Callable[[LabelList], T]) -> T:
        """``make(self)``, made at the first call with that ``key`` and kept."""
        if key not in self._derived:
            self._derived[key] = make(self)
        return cast("T", self._derived[key])

    @overload
    def __getitem__(self, place: int) -> LabelSet: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[LabelSet]: ...

    def __getitem__(self, place: int | slice) -> LabelSet | Sequence[LabelSet]:
        return self.sets[place]

    def __len__(self) -> int:
        return len(self.sets)


def quoted(value: str) -> str:
    """A value as PromQL writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
