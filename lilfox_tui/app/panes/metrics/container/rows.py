"""Containers as rows: on the home screen, on the page of their host, and in lists to choose from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache

from msgspec import Struct

from lilfox_tui.app.dialogs.prompt import Choice
from lilfox_tui.app.panes.metrics.sections import Section, padded
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row, row_width
from lilfox_tui.app.rows.containers import (
    ContainerGroup,
    EngineContainer,
    Entry,
    Subject,
    subject_of,
)
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.containers.model import Container, ContainerView, EngineView, cpu_text, memory_text, state_text
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview

SHOWN_AT_MOST = 40
"""Rows of each engine on the page of its host: those with problems come first."""
_NAME_MOST, _NAME_LEAST, _STATE_MOST, _CPU, _MEMORY, _HOST_MOST = 28, 10, 26, 15, 12, 14
_STATE_LEAST = 14
"""Cells of the state: one that is restarted all the time does not move the columns behind it."""
_CPU_SHORT = 5
"""Cells of the use of the CPU without its limit."""
_NARROW, _STATE_TOO_FROM, _NUMBERS_FROM, _NAMES = 90, 70, 48, 8
"""Cells below which the image is not shown, those from which the state is told beside what is wrong, and use beside the
state; and those that names of containers need at least."""


class ContainerWidths(Struct, frozen=True):
    """The cells of the columns. 0: a column is not shown."""

    name: int
    host: int
    state: int
    cpu: int
    memory: int


def _widths(
    entries: Iterable[tuple[str, str, str]], width: int, *, hosts: bool = False, limits: bool = False
) -> ContainerWidths:
    """The columns for rows of a name, a host and a state; ``limits``: the use of the CPU is told with its limit."""
    names, of_hosts, states = zip(*entries, strict=True)
    name = min(_NAME_MOST, max(_NAME_LEAST, *map(cell_width, names)), max(_NAME_LEAST, width // 3))
    host = min(_HOST_MOST, max(map(cell_width, of_hosts))) if hosts else 0
    longest = max(_STATE_LEAST, *(cell_width(each) for each in states))
    state = min(_STATE_MOST, longest, max(_STATE_LEAST, width // 3))
    numbers = width >= _NUMBERS_FROM
    return ContainerWidths(
        name, host, state, (_CPU if limits else _CPU_SHORT) if numbers else 0, _MEMORY if numbers else 0
    )


def _head(widths: ContainerWidths, title: str) -> Row:
    cells = [(title, widths.name), (_("host"), widths.host), (_("state"), widths.state), (_("cpu"), widths.cpu),
             (_("memory"), widths.memory)]  # fmt: skip
    return (Piece("   " + "  ".join(fit(text, size) for text, size in cells if size), "muted"),)


def _line(
    view: ContainerView, widths: ContainerWidths, now: datetime, glyphs: Glyphs, width: int, indent: int = 0
) -> Row:
    """A container: of one that is well what it uses, of another one why it is not."""
    role, name = ROLES[view.level], fit_middle(clean(view.container.name), widths.name - indent)
    row = [
        Piece(f" {glyphs.level(view.level)} " + " " * indent, role),
        Piece(fit(name, widths.name - indent) + "  ", "text" if indent else "strong"),
        *_cell(clean(view.host), widths.host, "muted"),
        *_cell(clean(state_text(view.container, now)), widths.state, role if view.reasons else "text"),
    ]
    used = [
        *_cell(cpu_text(view) if widths.cpu > _CPU_SHORT else _share(view.cpu_percent), widths.cpu, "text"),
        *_cell(memory_text(view), widths.memory, "text"),
    ]
    if view.reasons and width < _STATE_TOO_FROM:  # why it is so says more than that it runs again
        row.pop()
    if view.reasons:
        why = (Piece(clean(clauses(map(str, view.reasons))), role),)
        wide = width - row_width((*row, *used)) >= max(_NAME_MOST, row_width(why))
        row += (*used, *why) if wide else why
    else:
        row += used
        if width >= _NARROW:
            row.append(Piece(clean(view.container.image), "muted"))
    return tuple(cut_row(tuple(row), width - 1))


def _cell(text: str, size: int, role: str) -> Row:
    return (Piece(fit(text, size) + "  ", role),) if size else ()


def _share(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.0f}%"


# On the page of their host.


def container_sections(engines: Sequence[EngineView], now: datetime, glyphs: Glyphs) -> Iterator[Section]:
    """Yield a section for each engine of a host."""
    for engine in engines:
        count = ngettext("{count} container", "{count} containers", len(engine.containers))
        keys = _(":containers lists them")
        note = (Piece(clean(f"{engine.version or engine.place}  {count}  {keys}"), "muted"),)
        yield Section(
            _("Containers"), lambda width, engine=engine: _rows(engine, now, glyphs, width), note  # type: ignore[misc]
        )  # fmt: skip


def _rows(engine: EngineView, now: datetime, glyphs: Glyphs, width: int) -> list[Row]:
    rows: list[Row] = []
    if engine.reasons:
        text = clean(clauses(map(str, engine.reasons)))
        rows.append((Piece(" "), Piece(text, ROLES[engine.level])))
    shown = engine.containers[:SHOWN_AT_MOST]
    if shown:
        told = ((clean(each.container.name), "", clean(state_text(each.container, now))) for each in shown)
        widths = _widths(told, width, limits=width >= _NARROW)
        rows += (_head(widths, ""), *(_line(each, widths, now, glyphs, width) for each in shown))
    if hidden := len(engine.containers) - len(shown):
        rows.append((Piece(" " + ngettext("and {count} more", "and {count} more", hidden), "muted"),))
    return padded(rows or [(Piece(" " + _("none"), "muted"),)], width)


# On the home screen.


class HomeContainers:
    """Draws the rows of containers of one overview; the columns are measured once a width."""

    def __init__(self, entries: Mapping[Subject, Entry], overview: Overview, glyphs: Glyphs) -> None:
        self._entries, self._now, self._glyphs = entries, overview.at, glyphs
        self._hosts = len(overview.containers) > 1
        grouped = {subject_of(view) for each in entries.values() if isinstance(each, ContainerGroup)
                   for view in each.views}  # fmt: skip
        self._indented = grouped & set(entries)
        self._widths = cache(self._measured)

    def _measured(self, width: int) -> ContainerWidths:
        told = [self._told(subject, each) for subject, each in self._entries.items()]
        return _widths([each for each in told if each is not None] or [("", "", "")], width, hosts=self._hosts)

    def _told(self, subject: Subject, entry: Entry) -> tuple[str, str, str] | None:
        if isinstance(entry, ContainerView):
            indent = " " * self._indent(subject)
            return (
                indent + clean(entry.container.name),
                clean(entry.host),
                clean(state_text(entry.container, self._now)),
            )
        if isinstance(entry, ContainerGroup):
            return clean(entry.name), clean(entry.host), _running(entry)
        return None

    def _indent(self, subject: Subject) -> int:
        return 2 if subject in self._indented else 0

    def heads(self, width: int) -> Sequence[Row]:
        """The titles of the columns."""
        return (cut_row(_head(self._widths(width), _("container")), width - 1),) if self._entries else ()

    def row(self, subject: Subject, width: int) -> Row:
        """One of the rows."""
        entry, widths = self._entries[subject], self._widths(width)
        if isinstance(entry, ContainerView):
            return _line(entry, widths, self._now, self._glyphs, width, self._indent(subject))
        if isinstance(entry, ContainerGroup):
            return _group(entry, widths, self._glyphs, width)
        role = ROLES[entry.level]
        why = clean(clauses(map(str, entry.reasons)))
        mark = Piece(f" {self._glyphs.level(entry.level)} ", role)
        return tuple(cut_row((mark, Piece(clean(entry.host) + "  ", "strong"), Piece(why, role)), width - 1))


def home_note(overview: Overview, glyphs: Glyphs) -> Row:
    """How many containers there are at each level."""
    levels = [view.level for engines in overview.containers.values() for engine in engines
              for view in engine.containers]  # fmt: skip
    counts = [(level, levels.count(level)) for level in (Level.FAILING, Level.DEGRADED, Level.GOOD)]
    told = [Piece(f"{glyphs.level(level)} {count}", ROLES[level]) for level, count in counts if count]
    return tuple(told) if len(told) > 1 else (Piece(str(len(levels)), "muted"),)


def _running(group: ContainerGroup) -> str:
    return _("{running} of {count} running", running=group.running, count=len(group.views))


def _group(group: ContainerGroup, widths: ContainerWidths, glyphs: Glyphs, width: int) -> Row:
    """Several containers: how many run, what they use together, and which they are."""
    role = ROLES[group.level]
    cpu = [each.rates.cpu for each in group.views if each.rates.cpu is not None]
    memory = [each.usage.memory for each in group.views if each.usage.memory is not None]
    names = listed(clean(each.container.service or each.container.name) for each in group.views)
    row: Row = (
        Piece(f" {glyphs.level(group.level)} ", role),
        Piece(fit(fit_middle(clean(group.name), widths.name), widths.name) + "  ", "strong"),
        *_cell(clean(group.host), widths.host, "muted"),
        *_cell(_running(group), widths.state, "text"),
        *_cell(_share(100 * sum(cpu)) if cpu else "-", widths.cpu, "text"),
        *_cell(human_bytes(sum(memory)) if memory else "-", widths.memory, "text"),
    )
    room = width - row_width(row) - 1
    return cut_row((*row, Piece(names, "muted")) if room >= _NAMES else row, width - 1)


# In a list to choose from, and the selected one below the home screen.


def container_choices(found: Sequence[EngineContainer], now: datetime, glyphs: Glyphs) -> list[Choice]:
    """Containers to choose from, worst first; each is found by its name, its host, its image and its project."""
    if not found:
        return []
    told = ((clean(each.container.name), clean(each.host), clean(state_text(each.container, now))) for _, each in found)
    widths = _widths(told, 2 * _NARROW, hosts=len({each.view.host for each in found}) > 1)
    return [
        Choice(
            "/".join(subject_of(each)),
            _line(each, widths, now, glyphs, 2 * _NARROW),
            clean(f"{each.container.name} {each.host} {each.container.project} {each.container.service} "
                  f"{each.container.image} {each.container.short_id} {each.container.state}"),
            more=clean(clauses(map(str, each.reasons))),
            names=tuple(filter(None, (each.container.name.lower(), each.container.service.lower()))),
        )
        for _engine, each in found
    ]  # fmt: skip


def entry_detail(entry: Entry, now: datetime, glyphs: Glyphs) -> list[Row]:
    """The selected row as text: what is wrong, and what it is."""
    role = ROLES[entry.level]
    mark = Piece(f" {glyphs.level(entry.level)} ", role)
    if isinstance(entry, ContainerView):
        container = entry.container
        why = clauses(map(str, entry.reasons)) or state_text(container, now)
        return [
            (mark, Piece(clean(container.name), "strong"), Piece("  "), Piece(clean(why), role)),
            (Piece("   "), Piece(clean(about(container, now)), "muted")),
        ]
    if isinstance(entry, ContainerGroup):
        ill = listed(clean(each.container.name) for each in entry.views if each.level > Level.UNKNOWN)
        told = _("with problems: {names}", names=ill) if ill else _("no problems")
        return [
            (mark, Piece(clean(entry.name), "strong"), Piece(f"  {_running(entry)}  ", "muted"), Piece(told, role)),
            (Piece("   "), Piece(_("enter lists them"))),
        ]
    hint = "" if entry.error is None else str(entry.error.hint)
    why = clean(clauses(map(str, entry.reasons)))
    return [
        (mark, Piece(clean(entry.host), "strong"), Piece("  "), Piece(why, role)),
        (Piece("   "), Piece(clean(hint))),
    ]


def about(container: Container, now: datetime) -> str:
    """The image, the ports that the host publishes, and the project."""
    ports = " ".join(port.text for port in container.ports if port.host_port)
    project = _("project {name}", name=container.project) if container.project else ""
    age = ""
    if container.created is not None:
        age = _("created {age} ago", age=human_age((now - container.created).total_seconds()))
    return "  ".join(filter(None, (container.image, project, ports, age, container.short_id)))
