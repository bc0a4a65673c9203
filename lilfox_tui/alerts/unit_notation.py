"""Series in promtool's notation: ``up{job="a"} 1 2x3 _ stale 0+10x100`` (Prometheus' promql/parser).

``AxN`` is A and N times A again, ``A+BxN`` is A and N more, each B above the last; ``_`` leaves one value out, ``_xN``
leaves out N.
"""

from __future__ import annotations

import re

import numpy as np

from lilfox_tui.config.problems import quoted
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.scrape.labels import NAME, LabelSet
from lilfox_tui.scrape.series import ABSENT_BITS, STALE_BITS, Floats
from lilfox_tui.told import whole

MOST_VALUES = 5_000_000
"""Of one series; promtool would try to hold any number."""
_QUOTED = r"""\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'|`[^`]*+`"""
_BRACES = rf"""(?P<braces>\{{(?:[^\"'`}}]|{_QUOTED})*+\}})?"""
_NAME = r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?"
_SERIES = re.compile(rf"{_NAME}{_BRACES}(?P<values>(?:\s.*)?)", re.DOTALL)
_METRIC = re.compile(rf"\s*+{_NAME}+\s*+{_BRACES}\s*+", re.DOTALL)
_NUMBER = r"(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]+)?|(?:[iI][nN][fF]|[nN][aA][nN])(?![a-zA-Z0-9_:]))"
_VALUE = re.compile(rf"(?P<first>[-+]?{_NUMBER})(?P<step>[-+]{_NUMBER}(?=x))?(?:x(?P<times>[0-9]+))?")
_GAP = re.compile(r"_(?:x(?P<times>[0-9]+))?")
_STALE = re.compile(r"stale")


class NotationError(LilFoxError):
    """A series or its values that are not in this notation, or that are not supported."""


def series(text: str, semantics: Semantics) -> tuple[LabelSet, Floats]:
    """A series and its values, ABSENT where one is left out and STALE where the series ends. Raises NotationError."""
    match = _SERIES.fullmatch(text)
    if match is None or not (match["name"] or match["braces"]):
        raise NotationError(tr("{given} is not a series with its values, such as up 1 0x5", given=quoted(text)))
    parts = [_values(item) for item in match["values"].split()]
    return _labels(match["name"], match["braces"], semantics), np.concatenate([np.empty(0), *parts])


def metric(text: str, semantics: Semantics) -> LabelSet:
    """The labels of a series as a query would name it; none for an empty text. Raises NotationError."""
    match = _METRIC.fullmatch(text)
    if match is None:
        raise NotationError(tr("{given} is not a series, such as up", given=quoted(text)))
    return _labels(match["name"], match["braces"], semantics)


def _labels(name: str | None, braces: str | None, semantics: Semantics) -> LabelSet:
    if not (braces or "{}")[1:-1].strip():
        return LabelSet.of({NAME: name or ""})
    # a selector must have a name, or a value that is not empty: it gets one where the text has none
    named = f"{name or ''}{braces}" if NAME in (braces or "") else f"x{braces}"
    query = parse(named, semantics)
    (matchers,) = query.selectors
    other = next((matcher for matcher in matchers if matcher.op != "="), None)
    if other is not None:
        raise NotationError(
            tr("{label}: labels are given with =, not with {op}", label=quoted(other.name), op=other.op)
        )
    labels = {matcher.name: matcher.value for matcher in matchers}
    return LabelSet.of(labels if NAME in (braces or "") else {**labels, NAME: name or ""})


def _values(item: str) -> Floats:
    if item.startswith("{{"):
        raise NotationError(tr("native histograms are not supported"))
    if match := _GAP.fullmatch(item):
        return _filled(whole(match["times"] or "1"), ABSENT_BITS)
    if match := _VALUE.fullmatch(item):
        return _counted(match)
    if _STALE.fullmatch(item):
        return _filled(1, STALE_BITS)
    raise NotationError(tr("{item} is not a value; write 1, 1x5, 0+10x5, _, _x5 or stale", item=quoted(item)))


def _counted(match: re.Match[str]) -> Floats:
    values = np.full(_limited(whole(match["times"] or "0") + 1), float(match["step"] or 0.0))
    values[0] = float(match["first"])
    if match["step"] is None:
        values[1:] = values[0]
        return values
    return np.cumsum(values)  # one addition after the other, as Prometheus does it


def _filled(count: int, bits: int) -> Floats:
    return np.full(_limited(count), bits, np.int64).view(np.float64)


def _limited(count: int) -> int:
    if count > MOST_VALUES:
        raise NotationError(tr("more than {limit} values in one series", limit=MOST_VALUES))
    return count
