"""The containers of a host as a section of its page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from lilfox_tui.app.panes.metrics.sections import Section, padded
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.containers.model import Container, ContainerView, EngineView
from lilfox_tui.core.i18n import _, clauses, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes

SHOWN_AT_MOST = 40
"""Rows of each engine: those with problems come first."""
_NAME_MOST, _STATE, _CPU, _MEMORY = 28, 24, 12, 12
_NARROW = 90
"""Cells below which the image is not shown."""


def container_sections(engines: Sequence[EngineView], now: datetime, glyphs: Glyphs) -> Iterator[Section]:
    """Yield a section for each engine of a host."""
    for engine in engines:
        count = ngettext("{count} container", "{count} containers", len(engine.containers))
        note = (Piece(clean(f"{engine.version or engine.place}  {count}"), "muted"),)
        yield Section(
            _("Containers"), lambda width, engine=engine: _rows(engine, now, glyphs, width), note  # type: ignore[misc]
        )  # fmt: skip


def _rows(engine: EngineView, now: datetime, glyphs: Glyphs, width: int) -> list[Row]:
    rows: list[Row] = []
    if engine.reasons:
        text = clean(clauses(map(str, engine.reasons)))
        rows.append((Piece(" "), Piece(text, ROLES[engine.level])))
    shown = engine.containers[:SHOWN_AT_MOST]
    names = min(_NAME_MOST, max((cell_width(clean(each.container.name)) for each in shown), default=0))
    if shown:
        heads = fit(_("CPU"), _CPU) + fit(_("Memory"), _MEMORY)
        rows.append((Piece(" " * (names + 4) + fit(_("State"), _STATE) + heads, "muted"),))
    rows += (_row(each, now, glyphs, names, width) for each in shown)
    if hidden := len(engine.containers) - len(shown):
        rows.append((Piece(" " + ngettext("and {count} more", "and {count} more", hidden), "muted"),))
    return padded(rows or [(Piece(" " + _("none"), "muted"),)], width)


def _row(view: ContainerView, now: datetime, glyphs: Glyphs, names: int, width: int) -> Row:
    role, name = ROLES[view.level], clean(view.container.name)
    row = [
        Piece(f" {glyphs.level(view.level)} ", role),
        Piece(fit(fit_middle(name, names), names + 1), "text"),
        Piece(fit(state_words(view.container, now), _STATE), role if view.reasons else "text"),
        Piece(fit(cpu_words(view), _CPU), "text"),
        Piece(fit(memory_words(view), _MEMORY), "text"),
    ]
    if view.reasons:
        row.append(Piece(clean(clauses(map(str, view.reasons))), role))
    elif width >= _NARROW:
        row.append(Piece(clean(view.container.image), "muted"))
    return tuple(row)


def state_words(container: Container, now: datetime) -> str:
    """State, since when, and health."""
    since = container.started if container.running else container.finished or container.created
    words = [container.state, "" if since is None else human_age((now - since).total_seconds())]
    words.append(container.health if container.running else "")
    return " ".join(filter(None, words))


def cpu_words(view: ContainerView) -> str:
    """Use of the CPU, and its limit in cores."""
    percent, limit = view.cpu_percent, view.container.cpu_limit
    if percent is None:
        return "-"
    return f"{percent:.0f}%" if limit is None else _("{percent:.0f}% of {cores:g}", percent=percent, cores=limit)


def memory_words(view: ContainerView) -> str:
    """Use of memory, and its limit."""
    used, limit = view.usage.memory, view.container.memory_limit
    if used is None:
        return "-"
    return human_bytes(used) if limit is None else f"{human_bytes(used)}/{human_bytes(limit)}"
