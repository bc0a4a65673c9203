"""All targets that are scraped, as rows: whether each is up, what it gives, and why it does not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lilfox_tui.app.panes.metrics.traffic_rows import kept_text
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.feed import Ready, Unavailable
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.monitor.model import StoreUsage, TargetView
from lilfox_tui.text import human_duration


def target_rows(targets: Sequence[TargetView], kept: StoreUsage | None, now: datetime, glyphs: Glyphs) -> list[Row]:
    """A title and the keys, then those that are down, then the others, then what stands in the way of more."""
    up = sum(isinstance(target.state, Ready) for target in targets)
    count = _("{up} of {count} are up", up=up, count=len(targets))
    rows: list[Row] = [
        (Piece(" " + _("TARGETS"), "title"), Piece("  " + count, "muted")),
        (Piece("   " + _("esc closes, j and k scroll"), "muted"),),
    ]
    for target in sorted(targets, key=lambda each: not each.down):
        rows += _target(target, now, glyphs)
    if not targets:
        rows.append((Piece("   " + _("nothing is scraped"), "muted"),))
    if kept is not None:
        rows += [BLANK, (Piece("   " + _("kept of all") + "  ", "muted"), Piece(kept_text(kept, now)))]
        rows += _problems(kept.problems, glyphs)
    return rows


def down_text(targets: Iterable[TargetView]) -> str:
    """A sentence about those that are down, empty where none is."""
    down = [target for target in targets if target.down]
    if not down:
        return ""
    first = f"{down[0].job} {down[0].instance}".strip()
    said = ngettext("{count} target is down: {first}", "{count} targets are down: {first}, …", len(down), first=first)
    return _("{said}; t shows all", said=said)


def _target(target: TargetView, now: datetime, glyphs: Glyphs) -> list[Row]:
    state = target.state
    sign, role = (glyphs.good, "good") if isinstance(state, Ready) else (glyphs.unknown, "muted")
    if target.down:
        sign, role = glyphs.failing, "failing"
    where = "  ".join((target.url, *([_("from {host}", host=target.host)] if target.host else [])))
    rows: list[Row] = [
        (
            Piece(f" {sign} ", role),
            Piece(f"{target.job}  ", "strong"),
            Piece(where + "  "),
            Piece(_numbers(target, now)),
        )
    ]
    if isinstance(state, Unavailable):
        since = human_duration(max(0, round((now - state.since).total_seconds())))
        why = _("down for {since}: {why}", since=since, why=state.error.message)
        rows.append((Piece("   "), Piece(why if target.down else str(state.error.message), role)))
        if str(state.error.hint):
            rows.append((Piece("   "), Piece(str(state.error.hint), "muted")))
    elif isinstance(state, Ready):
        rows += [(Piece("   "), Piece(str(remark), "degraded")) for remark in state.value.remarks]
    return rows


def _numbers(target: TargetView, now: datetime) -> str:
    every = _("every {period}", period=human_duration(target.every_s))
    if not isinstance(target.state, Ready):
        return every
    scrape = target.state.value
    return _(
        "{samples} in {took}, {age} ago, {every}",
        samples=ngettext("{count} sample", "{count} samples", scrape.kept),
        took=human_duration(scrape.duration_s),
        age=human_duration(max(0, round((now - scrape.at).total_seconds()))),
        every=every,
    )


def _problems(problems: Iterable[str], glyphs: Glyphs) -> list[Row]:
    return [
        (Piece(f" {glyphs.degraded} ", "degraded"), Piece(_("not scraped") + "  "), Piece(each)) for each in problems
    ]
