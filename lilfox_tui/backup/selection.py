"""Selects the set that a user means: by id, date, tag, or in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches

from msgspec import Struct

from lilfox_tui.backup.checks import status_text
from lilfox_tui.backup.sets.model import WORD, BackupSet, Status, newest_of_each, tag_of
from lilfox_tui.backup.sets.names import read_file_name
from lilfox_tui.backup.sets.old_sets import is_rollback
from lilfox_tui.backup.sets.retention import CLOCKS_APART
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean, fit

_LATEST = ("latest", "newest", "最新", "最近")
_DAYS = {"today": 0, "今天": 0, "yesterday": 1, "昨天": 1, "前天": 2}
_IN_WORDS = re.compile(rf"({'|'.join(_DAYS)})(?: *(\d{{1,2}})[::](\d\d)(?:[::](\d\d))?)?", re.ASCII | re.IGNORECASE)
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII)
_STAMP = re.compile(r"\d{8}_\d{6}", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?P<second>:\d\d)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE)
_SHOWN_IDS = 8
_SHOWN_CELLS = 60


class _Span(Struct, frozen=True):
    """A time span from ``start`` up to ``end``, exclusive: timezone-aware, or local time, which can be ambiguous."""

    start: datetime
    end: datetime

    def of(self, found: BackupSet, zone: tzinfo) -> datetime:
        """Return when the set was started, as aware or local time to match this span."""
        return found.created if self.start.tzinfo is not None else found.created.astimezone(zone).replace(tzinfo=None)


def choose(
    words: str, sets: Sequence[BackupSet], *, now: datetime, zone: tzinfo, plan: str = "", partial: bool = False
) -> BackupSet:
    """Return the set of ``sets`` that ``words`` mean: its id in any case, ``20231230_020000``, ``20231230``,
    ``latest``, ``yesterday 02:00``, ``昨天 02:00``, ``2023-12-30``, ``2023-12-30T02:00``, ``tag:1.4.0`` (the newest
    with that tag). A time without seconds means that minute. With ``plan``, only its sets and those without a plan
    count. A broken set can be named, but ``latest`` and a tag never select it, nor a partial one unless ``partial``.

    Raises UsageError where none or several are meant, with the nearest before and after.
    """
    wanted = " ".join(words.split())
    ours = [found for found in sets if not plan or found.plan in (plan, "")]
    if wanted.lower() in _LATEST:
        return _latest(ours, now, zone, partial=partial)
    if wanted.startswith(WORD):
        return _tagged(ours, wanted.removeprefix(WORD), zone, partial=partial)
    named = [found for found in ours if found.id == wanted] or [
        found for found in ours if found.id.lower() == wanted.lower()
    ]
    if named:
        return _only(named, wanted, zone)
    if _STAMP.fullmatch(wanted):
        dated = [found for found in ours if wanted in _stamps(found)]
        if dated:
            return _only(dated, wanted, zone)
    span = _span(wanted, now.astimezone(zone).date())
    if span is None:
        raise _unknown(wanted, ours)
    within = [found for found in ours if span.start <= span.of(found, zone) < span.end]
    if not within:
        raise _nothing_there(wanted, span, ours, zone)
    return _only(within, wanted, zone)


def _latest(sets: Sequence[BackupSet], now: datetime, zone: tzinfo, *, partial: bool) -> BackupSet:
    in_time = [found for found in sets if found.created <= now + CLOCKS_APART]
    usable = [found for found in in_time if _may_be_meant(found, partial=partial)]
    nightly = [found for found in usable if not is_rollback(found)] or usable
    if nightly:
        return max(nightly, key=lambda found: (found.created, found.id))
    if (last := _newest(found for found in in_time if found.status == Status.PARTIAL)) is not None:
        raise _only_partial(tr("no set is complete"), last, zone)
    refused = _newest(sets)
    why = tr("the store has no sets") if refused is None else tr(
        "no set can be restored; {set} is {status}: {reason}",
        set=_shown(refused, zone), status=status_text(refused.status), reason=refused.reason,
    )  # fmt: skip
    raise UsageError(why, tr("list all sets: lilfox backup list"))


def _may_be_meant(found: BackupSet, *, partial: bool) -> bool:
    return found.complete or (partial and found.status == Status.PARTIAL)


def _newest(sets: Iterable[BackupSet]) -> BackupSet | None:
    return max(sets, key=lambda found: (found.created, found.id), default=None)


def _only_partial(what: Message, last: BackupSet, zone: tzinfo) -> UsageError:
    return UsageError(
        tr("{what}; the newest is {set}: {reason}", what=what, set=_shown(last, zone), reason=last.reason),
        tr("to use it anyway, specify its name or add --partial; list all sets: lilfox backup list"),
    )


def _tagged(sets: Sequence[BackupSet], tag: str, zone: tzinfo, *, partial: bool) -> BackupSet:
    newest_first = sorted(sets, key=lambda found: (found.created, found.id), reverse=True)
    tagged = newest_of_each(newest_first)
    if tag in tagged and not partial:
        return tagged[tag]
    ours = [found for found in newest_first if tag_of(found) == tag]
    if partial and (found := next((each for each in ours if _may_be_meant(each, partial=True)), None)) is not None:
        return found
    if (last := next((each for each in ours if each.status == Status.PARTIAL), None)) is not None:
        raise _only_partial(tr("no set with the tag {tag} is complete", tag=_quoted(tag)), last, zone)
    if ours:
        raise UsageError(tr("every set with the tag {tag} is broken or not trusted", tag=_quoted(tag)),
                         tr("list all sets: lilfox backup list"))  # fmt: skip
    known = listed([*tagged][:_SHOWN_IDS]) or tr("none")
    raise UsageError(tr("no set has the tag {tag}", tag=_quoted(tag)), tr("existing tags: {tags}", tags=known))


def _stamps(found: BackupSet) -> set[str]:
    """Return all dates in the set's names, because the files of an old set can differ."""
    read = [read_file_name(part.name) for part in found.parts]
    return {found.id[-15:], *(name.stamp for name in read if name is not None)}


def _span(words: str, today: date) -> _Span | None:
    """Return ``words`` as a time span; None if they are not a valid time."""
    try:
        if _STAMP.fullmatch(words):
            return _as_precise(datetime.strptime(words, "%Y%m%d_%H%M%S"), second=True)  # noqa: DTZ007  the wall's clock
        return _of_words(words, today)
    except (ValueError, OverflowError):
        return None


def _of_words(words: str, today: date) -> _Span | None:
    if found := _IN_WORDS.fullmatch(words):
        day = today - timedelta(days=_DAYS[found[1].lower()])
        if found[2] is None:
            return _whole_day(day)
        at = datetime.combine(day, time(int(found[2]), int(found[3]), int(found[4] or 0)))
        return _as_precise(at, second=found[4] is not None)
    if found := _DAY.fullmatch(words):
        return _whole_day(date(int(found[1]), int(found[2]), int(found[3])))
    if found := _ISO.fullmatch(words):
        return _as_precise(datetime.fromisoformat(words.upper()), second=found["second"] is not None)
    return None


def _whole_day(day: date) -> _Span:
    start = datetime.combine(day, time())
    return _Span(start, start + timedelta(days=1))


def _as_precise(at: datetime, *, second: bool) -> _Span:
    return _Span(at, at + timedelta(seconds=1 if second else 60))


def _only(found: Sequence[BackupSet], words: str, zone: tzinfo) -> BackupSet:
    if len(found) == 1:
        return found[0]
    ids = [_shown(each, zone) for each in sorted(found, key=lambda each: each.created)]
    more = [] if len(ids) <= _SHOWN_IDS else ["…"]
    raise UsageError(
        tr("{words} matches {count} sets", count=len(found), words=_quoted(words)),
        tr("specify one of: {sets}", sets=listed(ids[:_SHOWN_IDS] + more)),
    )


def _nothing_there(words: str, span: _Span, sets: Sequence[BackupSet], zone: tzinfo) -> UsageError:
    earlier = [found for found in sets if span.of(found, zone) < span.start]
    later = [found for found in sets if span.of(found, zone) >= span.end]
    before = max(earlier, key=lambda found: found.created, default=None)
    after = min(later, key=lambda found: found.created, default=None)
    return UsageError(tr("no set was started at {words}", words=_quoted(words)), _nearest(before, after, zone))


def _nearest(before: BackupSet | None, after: BackupSet | None, zone: tzinfo) -> Message:
    if before is not None and after is not None:
        return tr("the nearest are {before} and {after}", before=_shown(before, zone), after=_shown(after, zone))
    near = before or after
    return tr("the store has no sets") if near is None else tr("the nearest is {set}", set=_shown(near, zone))


def _unknown(words: str, sets: Sequence[BackupSet]) -> UsageError:
    near = get_close_matches(words, [found.id for found in sets], n=1)
    if near:
        return UsageError(tr("no set is named {words}", words=_quoted(words)), tr("did you mean {word}?", word=near[0]))
    newest = max(sets, key=lambda found: found.created, default=None)
    example = "lilfox_20231230_020000" if newest is None else newest.id
    return UsageError(
        tr("no set is named {words}, and it is not a valid time", words=_quoted(words)),
        tr("for example: {set}, {date}, latest or yesterday 02:00", set=example, date=example[-15:]),
    )


def _shown(found: BackupSet, zone: tzinfo) -> str:
    status = " ✖" if found.refused else " ◐ " + status_text(found.status) if found.status == Status.PARTIAL else ""
    return f"{found.id} ({found.created.astimezone(zone):%Y-%m-%d %H:%M:%S}{status})"


def _quoted(words: str) -> str:
    return f"“{fit(clean(words), _SHOWN_CELLS).rstrip()}”"
