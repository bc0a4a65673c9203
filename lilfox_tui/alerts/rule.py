"""Rules as a rule file has them (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from lilfox_tui.promql.query import Query

Kind = Literal["alert", "record"]


class Place(Struct, frozen=True):
    """Where parts of a rule stand in its file; lines count from 1. ``labels`` and ``annotations`` are those of each
    name."""

    rule: int
    expression: int
    labels: Mapping[str, int]
    annotations: Mapping[str, int]
    wait: int = 0
    """The line of ``for``, 0 where there is none."""


class Rule(Struct, frozen=True):
    """One rule. ``name`` is the alert's, or that of the series that it records; ``query`` is ``expression``, parsed.

    ``labels`` are the group's with the rule's own over them. Those of an alert, and ``annotations``, are template
    texts (:mod:`lilfox_tui.alerts.template`); those of a recording rule are plain.
    """

    kind: Kind
    name: str
    expression: str
    query: Query
    for_s: float
    keep_firing_for_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: Place
    problem: str = ""
    """Why it cannot be used, with its place; empty where it can."""

    @property
    def line(self) -> int:
        """Where it begins in its file."""
        return self.place.rule


class Group(Struct, frozen=True):
    """Rules that are evaluated one after the other, in this order.

    ``interval_s`` is None where the file gives none (then it is the engine's). ``limit`` is how many alerts or series
    a rule may give, 0 for any number. ``query_offset_s`` sets its evaluations back in time; None for the engine's.
    """

    name: str
    interval_s: float | None
    limit: int
    query_offset_s: float | None
    labels: Mapping[str, str]
    rules: tuple[Rule, ...]
    line: int


class RuleFile(Struct, frozen=True):
    """A file that was read; ``name`` is what its problems call it, mostly its path. ``refused`` are groups that cannot
    be used, and why; ``problems`` all that is wrong in it, that of single rules too."""

    name: str
    groups: tuple[Group, ...]
    refused: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()
