"""What a test expects against what came, and the words for the difference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lilfox_tui.i18n import _
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.text import clean

_SHOWN_AT_MOST = 50


class ShownAlert(NamedTuple):
    """What is compared of an alert."""

    labels: Labels
    annotations: Labels

    def __str__(self) -> str:
        return " ".join(clean(str(LabelSet(pairs))) for pairs in (self.labels, self.annotations) if pairs)


class Sample(NamedTuple):
    """One value of an answer."""

    labels: LabelSet
    value: float

    def __str__(self) -> str:
        return f"{clean(str(self.labels)) or '{}'} {self.value!r}"


def alerts_differ(expected: Sequence[ShownAlert], got: Sequence[ShownAlert]) -> str | None:
    """None where both are the same alerts in any order, else what is missing and what is too much."""
    missing, extra = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
    return _difference(missing.elements(), extra.elements(), got) if missing or extra else None


def samples_differ(expected: Sequence[Sample], got: Sequence[Sample], *, fuzzy: bool) -> str | None:
    """None where both are the same samples in any order. A NaN is never what was expected, as in promtool; with
    ``fuzzy`` the next float above or below is the same."""
    wanted, came = ({sample.labels: sample.value for sample in samples} for samples in (expected, got))
    missing = [one for one in expected if not _same(one.value, came.get(one.labels), fuzzy)]
    extra = [one for one in got if not _same(one.value, wanted.get(one.labels), fuzzy)]
    if not missing and not extra and len(expected) == len(got):
        return None
    difference = _difference(missing, extra, got)
    if any(math.isnan(one.value) for one in missing):
        difference += "\n" + _("  NaN is not equal to anything; ask for “x != x” instead")
    return difference


def _same(one: float, other: float | None, fuzzy: bool) -> bool:
    return one == other or (fuzzy and other in (math.nextafter(one, -math.inf), math.nextafter(one, math.inf)))


def _difference(missing: Iterable[object], extra: Iterable[object], got: Sequence[object]) -> str:
    lines = [_("  expected, did not come: {what}", what=what) for what in missing]
    lines += [_("  came, was not expected: {what}", what=what) for what in extra]
    if not got:
        lines.append(_("  nothing came"))
    if len(lines) > _SHOWN_AT_MOST:
        lines[_SHOWN_AT_MOST:] = [_("  … {count} more", count=len(lines) - _SHOWN_AT_MOST)]
    return "\n".join(lines)
