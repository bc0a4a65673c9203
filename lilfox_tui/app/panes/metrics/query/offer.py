"""What is offered for a query: in the list below its line completions at the cursor or earlier queries, and before the
first query all that can be asked. Plain state and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

from lilfox_tui.app.panes.metrics.alert_series import query_pieces, query_rows
from lilfox_tui.app.panes.metrics.query.history import QueryHistory
from lilfox_tui.app.panes.metrics.query.names import is_counter
from lilfox_tui.app.rendering.columns import GAP, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    PanelArea,
    ScreenPanel,
    cut_row,
    draw_panels,
    fit_row,
    highlighted,
    in_sight,
    row_width,
)
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.core.text import cell_width, clean, fit, in_place
from lilfox_tui.promql.completion import Candidate, Completion, KnownNames, complete
from lilfox_tui.scrape.exposition import Family

SHOWN: Final = 8
"""Rows of the list at most, its edges not counted."""
_WIDEST: Final = 96
_WIDEST_NAME: Final = 48
_ROLES: Final = {"metric": "text", "function": "name", "aggregation": "name", "keyword": "keyword", "value": "string"}


_Mode: TypeAlias = Literal["closed", "typed", "asked", "history"]
"""Completions are offered for what is ``typed``, or because they were ``asked`` for."""


class QueryLine(NamedTuple):
    """A query being written, and the position of the cursor in it."""

    text: str
    cursor: int


class QueryOffer:
    """What is offered for a line, and which of it is marked; nothing is until an arrow key marks it, so that enter runs
    the query."""

    def __init__(self) -> None:
        self.known = KnownNames()
        self.marked: int | None = None
        self._line = QueryLine("", 0)
        self._found = Completion(0, 0)
        self._mode: _Mode = "closed"
        self._history = QueryHistory(None)
        """Whose queries are offered in the mode ``history``."""
        self._top = 0
        """The first choice that is seen."""

    @property
    def choices(self) -> Sequence[Candidate]:
        """What can be taken; empty while the list is closed."""
        return self._found.choices

    @property
    def start(self) -> int:
        """The position in the line of what would be replaced."""
        return self._found.start

    @property
    def wants(self) -> tuple[str, str] | None:
        """The metric and the label whose names are needed and not known."""
        return self._found.wants

    def update(self, line: QueryLine) -> None:
        """Offers completions for a line that has changed. A list that was closed for this line stays closed."""
        if line == self._line:
            return
        if self._mode == "history":
            self.open_history(line, self._history)
        else:
            self._open(line, "typed", complete(line.text, line.cursor, self.known))

    def refresh(self, known: KnownNames) -> None:
        """Offers what is known by now; the list is not opened where it was closed on purpose."""
        self.known = known
        if self._mode in ("typed", "asked"):
            marked = None if self.marked is None else self.choices[self.marked].text
            self._found = complete(self._line.text, self._line.cursor, known, unasked=self._mode == "typed")
            self.marked = next((place for place, each in enumerate(self.choices) if each.text == marked), None)

    def browse(self, line: QueryLine) -> bool:
        """Offers all metrics where nothing is typed; returns whether there are any."""
        self._open(line, "asked", complete(line.text, line.cursor, self.known, unasked=False))
        return bool(self.choices)

    def open_history(self, line: QueryLine, history: QueryHistory) -> None:
        """Offers the earlier queries that hold all words of the line in place of it, the first one marked, until one is
        taken or the list is closed."""
        queries = [each for each in history.matching(line.text) if each != line.text]
        candidates = tuple(Candidate(each, each, "keyword") for each in queries)
        self._open(line, "history", Completion(0, len(line.text), candidates))
        self._history, self.marked = history, 0 if queries else None

    def close(self, line: QueryLine) -> None:
        """Closes the list until the line is another one."""
        self._open(line, "closed", Completion(0, 0))

    def _open(self, line: QueryLine, mode: _Mode, found: Completion) -> None:
        self._line, self._mode, self._found, self.marked, self._top = line, mode, found, None, 0

    def move(self, step: int) -> bool:
        """Marks the choice ``step`` further down; returns whether the list is open. Above the first none is marked."""
        if not self.choices:
            return False
        at = (-1 if self.marked is None else self.marked) + step
        self.marked = None if at < 0 else min(at, len(self.choices) - 1)
        return True

    def click(self, row: int) -> bool:
        """Marks the choice in that row of the list; returns whether there is one."""
        row -= 1  # the upper edge
        place = self._top + row
        if not 0 <= row < SHOWN or place >= len(self.choices):
            return False
        self.marked = place
        return True

    def take(self) -> QueryLine:
        """The line with the marked choice in it, or with the first one; the list is closed, but for the values of a
        label that was taken."""
        chosen = self.choices[self.marked or 0]
        text, found = self._line.text, self._found
        line = QueryLine(text[: found.start] + chosen.insert + text[found.end :], found.start + len(chosen.insert))
        if chosen.kind == "label" and chosen.insert.endswith('"'):
            self._open(line, "typed", complete(line.text, line.cursor, self.known))
        else:
            self.close(line)
        return line

    # ---- drawing -------------------------------------------------------------------------------------------------

    def rows(self, width: int, height: int, glyphs: Glyphs) -> list[Row]:
        """The list in at most ``width`` cells and ``height`` rows in a frame; empty if it is closed. What tab takes is
        highlighted."""
        choices, room = self.choices, min(SHOWN, height - 2)
        if not choices or room < 1 or width < 8:
            return []
        top = self._top = in_sight(self._top, len(choices), room, self.marked)
        shown = choices[top : top + room]
        name_width = min(max(cell_width(in_place(each.text)) for each in shown), _WIDEST_NAME)
        rows = [self._row(each, name_width) for each in shown]
        inner = min(max(map(row_width, rows)), _WIDEST, width - 4)
        hint = self._hint(len(choices))
        inner = max(inner, min(cell_width(hint) + 2, width - 4))
        framed = [
            (
                Piece(glyphs.axis, "rule"),
                *_marked((Piece(" "), *fit_row(row, inner), Piece(" ")), top + place == (self.marked or 0)),
                Piece(glyphs.axis, "rule"),
            )
            for place, row in enumerate(rows)
        ]
        left, right = glyphs.boxes[6], glyphs.boxes[12]
        upper: Row = (Piece(left + glyphs.rule * (inner + 2) + right, "rule"),)
        return [upper, *framed, _edge(hint, inner + 2, glyphs)]

    def _row(self, each: Candidate, name_width: int) -> Row:
        if self._mode == "history":
            return tuple(query_pieces(clean(each.text)))
        name = Piece(fit(in_place(each.text), name_width), _ROLES.get(each.kind, "text"))
        kind = each.type or {"keyword": _("keyword"), "label": _("label"), "value": ""}.get(each.kind, "")
        told = metric_help(each.text, each.type, each.help) if each.kind == "metric" else each.help
        return (name, Piece("  " + kind, "muted"), *((Piece("  " + told, "muted"),) if told else ()))

    def _hint(self, count: int) -> str:
        at = f"{1 if self.marked is None else self.marked + 1}/{count}  "
        return at + (_("tab takes it, esc closes") if self.marked is None else _("enter takes it, esc closes"))


def _marked(row: Row, is_marked: bool) -> Row:
    return tuple(Piece(piece.text, piece.role, "selection") for piece in row) if is_marked else row


def _edge(hint: str, inner: int, glyphs: Glyphs) -> Row:
    left, right = glyphs.boxes[3], glyphs.boxes[9]
    said = cut_row((Piece(f" {hint} ", "muted"),), inner)
    return (Piece(left, "rule"), *said, Piece(glyphs.rule * (inner - row_width(said)) + right, "rule"))


# ---- before the first query ------------------------------------------------------------------------------------------


class QueryExample(NamedTuple):
    """A query, what it answers, and the metrics that it needs."""

    question: Message
    text: str
    needs: tuple[str, ...]


_EXAMPLES: Final = (
    QueryExample(tr("Requests per second"), "sum by (job) (rate(http_requests_total[1m]))", ("http_requests_total",)),
    QueryExample(tr("Share of failed requests"),
                 'sum by (job) (rate(http_requests_total{status=~"5.."}[1m]))'
                 " / sum by (job) (rate(http_requests_total[1m]))",
                 ("http_requests_total",)),
    QueryExample(tr("p95 of response times"),
                 "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))",
                 ("http_request_duration_seconds_bucket",)),
    QueryExample(tr("Busiest hosts"), "topk(5, cpu_usage_percent)", ("cpu_usage_percent",)),
    QueryExample(tr("Load per core"), "topk(5, lilfox_load1 / lilfox_cpus)", ("lilfox_load1", "lilfox_cpus")),
    QueryExample(tr("Fullest filesystems"),
                 "bottomk(5, lilfox_filesystem_available_bytes / lilfox_filesystem_size_bytes)",
                 ("lilfox_filesystem_available_bytes", "lilfox_filesystem_size_bytes")),
    QueryExample(tr("Network, received"), "topk(5, rate(lilfox_network_receive_bytes_total[1m]))",
                 ("lilfox_network_receive_bytes_total",)),
    QueryExample(tr("Bytes written to disks"), "topk(5, rate(lilfox_disk_written_bytes_total[1m]))",
                 ("lilfox_disk_written_bytes_total",)),
    QueryExample(tr("Database connections"), "lilfox_postgresql_connections", ("lilfox_postgresql_connections",)),
    QueryExample(tr("CPU by host"), 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))',
                 ("node_cpu_seconds_total",)),
    QueryExample(tr("Fullest filesystems"), "bottomk(5, node_filesystem_avail_bytes / node_filesystem_size_bytes)",
                 ("node_filesystem_avail_bytes", "node_filesystem_size_bytes")),
    QueryExample(tr("Memory of processes"), "topk(5, process_resident_memory_bytes)",
                 ("process_resident_memory_bytes",)),
    QueryExample(tr("Targets: 1 answers, 0 does not"), "up", ("up",)),
)  # fmt: skip
"""The most telling first."""
_IN_SHORT: Final = (
    ('x{job="api"}', tr("only series with this label; =~ matches a regex, != excludes")),
    ("rate(x[5m])", tr("per-second rate of a counter over 5 minutes")),
    ("sum by (job) (x)", tr("one value per job; also avg, max, min, count")),
    ("topk(5, x)", tr("the five highest; bottomk the lowest")),
    ("x > 0.9", tr("only values above 0.9")),
    ("x offset 1h", tr("the values of an hour ago")),
    ("a / b", tr("divides series with the same labels; on (job) matches by job alone")),
)
_EXAMPLES_SHOWN: Final = 3
_EXAMPLES_ROOMY: Final = 8
"""Where they do not take the place of the metrics, or there are many lines."""
_ROOMY: Final = 34
_QUESTION: Final = 32
_QUESTIONED: Final = 80
"""Cells from which what an example answers has a column of its own."""
_RECENT_SHOWN: Final = 8
_METRICS_SHOWN: Final = 2000
_WIDEST_METRIC: Final = 60
_TWO_COLUMNS: Final = 160
"""Width from which the metrics stand beside the queries."""
_QUERIES_SHARE: Final = 45
_INDENT: Final = "   "
_DATABASE: Final = (
    "lilfox_postgresql_", "lilfox_redis_", "lilfox_backend", "lilfox_queue", "lilfox_breaker", "pg_", "postgres",
    "redis_", "mysql_", "mongodb_", "memcached_", "rabbitmq_", "elasticsearch_",
)  # fmt: skip
_OWN: Final = (
    "ALERTS", "lilfox_alert", "lilfox_rules", "lilfox_recovery", "lilfox_restore", "lilfox_backup", "lilfox_build",
    "scrape_", "lilfox_job", "lilfox_runbook", "lilfox_incident",
)  # fmt: skip
_SERVICE: Final = ("lilfox_service_",)
_HOST: Final = (
    "node_", "lilfox_", "cpu_", "memory_", "disk_", "filesystem_", "network_", "load1", "load5", "load15", "windows_",
)  # fmt: skip


class StartEntry(NamedTuple):
    """Something that can be asked: enter runs it, or puts it into the line."""

    text: str
    runs: bool
    rows: Sequence[Row]


class _Part(NamedTuple):
    title: Row
    entries: Sequence[StartEntry] = ()
    told: Sequence[Row] = ()
    """Rows that cannot be chosen."""


class StartPage:
    """What can be asked before the first query: the expressions of rules that fire or are pending, earlier queries,
    examples whose metrics there are, and the metrics that are known."""

    def __init__(self, rules: Sequence[tuple[str, Row]]) -> None:
        self._rules = rules
        """Their expressions, each with the row that tells its alert."""
        self._known: KnownNames | None = None
        self._metrics: Sequence[_Part] = ()
        self._entries: Sequence[StartEntry] = ()
        self._drawn: Sequence[tuple[int, Mapping[int, int]]] = ()
        """Which entry is in which row, of the rows from a cell on."""
        self.marked: int | None = None

    @property
    def taken(self) -> StartEntry | None:
        """What enter takes."""
        return None if self.marked is None else self._entries[min(self.marked, len(self._entries) - 1)]

    def move(self, step: int) -> bool:
        """Marks the entry so many further down; above the first none is. Returns whether there are any."""
        at = (-1 if self.marked is None else self.marked) + step
        self.marked = None if at < 0 or not self._entries else min(at, len(self._entries) - 1)
        return bool(self._entries)

    def click(self, x: int, y: int) -> bool:
        """Marks what is in those cells; returns whether there is something."""
        owner = next((owners.get(y) for left, owners in reversed(self._drawn) if x >= left), None)
        self.marked = owner
        return owner is not None

    def rows(
        self,
        known: KnownNames,
        history: Sequence[str],
        width: int,
        height: int,
        glyphs: Glyphs,
        nothing: Sequence[Message] = (),
        *,
        boxed: bool,
    ) -> Sequence[Row]:
        """All of it in that room, in one or two boxes or in none. ``nothing`` says why no query has an answer, and what
        to do; then there are neither examples nor metrics."""
        if known is not self._known:
            self._known, self._metrics = known, _metric_parts(known)
        metrics, inner = () if nothing else self._metrics, width - 2 * boxed
        left = width * _QUERIES_SHARE // 100 if boxed and width >= _TWO_COLUMNS and not nothing else width
        most = _EXAMPLES_ROOMY if left < width or height >= _ROOMY else _EXAMPLES_SHOWN
        offered = [_nothing_part(nothing, left - 3)] if nothing else _example_part(known, left - 3, most)
        queries = [*self._rule_part(left - 3), *_recent_part(history, left - 3), *offered]
        if left < width or nothing:
            queries.append(_short_part(left - 3))
        self._entries = [each for part in (*queries, *metrics) for each in part.entries]
        if not boxed:
            rows, owners, _below = self._in_sight([*queries, *metrics], 0, inner, height, [])
            self._drawn = [(0, owners)]
            return rows
        hint = "" if nothing else _("Type a metric, a function or a keyword: names are completed as you type.")
        head = wrapped([(Piece(" "), Piece(hint, "muted"))], left - 2) if hint else []
        title = (Piece(_("New query"), "title"),)
        shown, first = [*queries, *([] if left < width else metrics)], sum(len(part.entries) for part in queries)
        rows, owners, below = self._in_sight(shown, 0, left - 2, height - 2, head)
        panels = [ScreenPanel(PanelArea(0, 0, left, height), title, rows, more=more_below(below))]
        drawn = [(0, {y + 1: place for y, place in owners.items()})]
        if left < width:
            area = PanelArea(left - 1, 0, width - left + 1, height)
            rows, owners, below = self._in_sight(metrics, first, area.inner_width, height - 2, [])
            panels.append(ScreenPanel(area, (Piece(_("Metrics"), "title"),), rows, more=more_below(below)))
            drawn.append((left, {y + 1: place for y, place in owners.items()}))
        self._drawn = drawn
        return draw_panels(panels, width, height, glyphs)

    def _in_sight(
        self, parts: Sequence[_Part], first: int, width: int, height: int, head: Sequence[Row]
    ) -> tuple[list[Row], dict[int, int], int]:
        """The rows of the parts, whose first entry is at the place ``first``, that are seen in so many lines below the
        head: the marked one is; whose each row is; and how many entries are below."""
        lines: list[tuple[Row, int | None]] = []
        place = first
        for number, part in enumerate(parts):
            lines += [*([(BLANK, None)] if number or head else []), (part.title, None)]
            lines += [(row, None) for row in part.told]
            for entry in part.entries:
                marked = place == self.marked
                told = [highlighted(row, width) for row in wrapped(entry.rows, width)] if marked else entry.rows
                lines += [(row, place) for row in told]
                place += 1
        at = [number for number, (_row, owner) in enumerate(lines) if owner is not None and owner == self.marked]
        room = max(1, height - len(head))
        top = in_sight(0, len(lines), room, at[0] if at else 0, at[-1] if at else 0)
        shown = lines[top : top + room]
        owners = {len(head) + y: owner for y, (_row, owner) in enumerate(shown) if owner is not None}
        below = {owner for _row, owner in lines[top + room :]} - {None, *owners.values()}
        return [*head, *(row for row, _owner in shown)], owners, len(below)

    def _rule_part(self, width: int) -> list[_Part]:
        if not self._rules:
            return []
        entries = []
        for expression, row in self._rules:
            told = query_rows(" ".join(expression.split()), width, _INDENT + "  ")
            entries.append(StartEntry(expression, True, (row, *told)))
        return [_Part((Piece(" " + _("Rules that fire or are pending"), "title"),), entries)]


def _recent_part(history: Sequence[str], width: int) -> list[_Part]:
    if not history:
        return []
    keys = _("up takes the newest, ctrl-r searches all {count}", count=len(history))
    title = (Piece(" " + _("Recent queries"), "title"), Piece("  " + keys, "muted"))
    return [_Part(title, [_query_entry(each, width) for each in history[:_RECENT_SHOWN]])]


def _query_entry(text: str, width: int) -> StartEntry:
    return StartEntry(text, True, query_rows(text, width, _INDENT))


def examples(known: KnownNames, most: int = _EXAMPLES_SHOWN) -> list[tuple[str, str]]:
    """Queries whose metrics there are, each with what it answers; of metrics that nobody knows, what one can do with
    the first ones."""
    found = {each.text: str(each.question) for each in _EXAMPLES if all(name in known.metrics for name in each.needs)}
    for name in islice(known.metrics, _EXAMPLES_SHOWN):
        found.setdefault(f"sum(rate({name}[5m]))" if is_counter(name, known) else f"topk(5, {name})", "")
    return list(found.items() if found else ((each.text, str(each.question)) for each in _EXAMPLES))[:most]


def _example_part(known: KnownNames, width: int, most: int) -> list[_Part]:
    entries, shown = [], examples(known, most)
    column = min(_QUESTION, max(cell_width(question) for _text, question in shown) + GAP)
    for text, question in shown:
        if width < _QUESTIONED or column == GAP:
            entries.append(_query_entry(text, width))
            continue
        rows = query_rows(text, width - len(_INDENT) - column)
        heads = (Piece(_INDENT + fit(question, column), "muted"), Piece(_INDENT + " " * column))
        told = [(heads[min(place, 1)], *row) for place, row in enumerate(rows)]
        entries.append(StartEntry(text, True, told))
    return [_Part((Piece(" " + _("Examples"), "title"),), entries)]


def _nothing_part(said: Sequence[Message], width: int) -> _Part:
    """Why no query has an answer, and what to do."""
    roles = ("degraded", *["text"] * len(said))
    told = wrapped([(Piece(_INDENT), Piece(str(each), role)) for each, role in zip(said, roles, strict=False)], width)
    return _Part((Piece(" " + _("No series"), "title"),), (), told)


def _short_part(width: int) -> _Part:
    """PromQL in a few lines."""
    column = max(cell_width(text) for text, _about in _IN_SHORT) + GAP
    told: list[Row] = []
    for text, about in _IN_SHORT:
        pad = Piece(" " * (column - cell_width(text)))
        told += wrapped([(Piece(_INDENT), *query_pieces(text), pad, Piece(str(about), "muted"))], width)
    return _Part((Piece(" " + _("PromQL in short"), "title"),), (), told)


def _metric_parts(known: KnownNames) -> list[_Part]:
    """The metrics that are known with type and help, by what they are of."""
    titles = {
        "service": _("Service metrics"),
        "database": _("Database metrics"),
        "host": _("Host metrics"),
        "own": _("LilFox's own metrics"),
    }
    names = list(islice(known.metrics, _METRICS_SHOWN))
    if not names:
        return [_Part((Piece(" " + _("Metrics"), "title"), Piece("  " + _("no names loaded yet"), "muted")), ())]
    families = [known.family(name) or Family() for name in names]
    width = min(_WIDEST_METRIC, max(map(len, names)))
    kinds = max(cell_width(_type_of(family)) for family in families)
    groups: dict[str, list[StartEntry]] = {name: [] for name in titles}
    above: dict[str, str] = {}
    for name, family in zip(names, families, strict=True):
        group = metric_group(name)
        part = _part_of_family(name, family.type)
        told = part if above.get(group) == family.help else metric_help(name, family.type, family.help)
        groups[group].append(_metric_entry(name, family, told, width, kinds))
        above[group] = family.help
    told = ngettext("{count} known; tab completes it", "{count} known; tab completes them", len(known.metrics))
    if len(names) < len(known.metrics):
        told = _("the first {shown} of {count}; tab completes all of them", shown=len(names), count=len(known.metrics))
    parts: list[_Part] = []
    for group, entries in groups.items():
        if entries:
            note = "" if parts else f" · {told}"
            parts.append(
                _Part((Piece(" " + titles[group], "title"), Piece(f"  {len(entries)}{note}", "muted")), entries)
            )
    return parts


def metric_group(name: str) -> str:
    """What a metric is of, as far as its name tells: ``host``, ``service``, ``database`` or ``own``, of LilFox."""
    for group, starts in (("database", _DATABASE), ("own", _OWN), ("service", _SERVICE), ("host", _HOST)):
        if name.startswith(starts):
            return group
    return "service"


def _metric_entry(name: str, family: Family, told: str, width: int, kinds: int) -> StartEntry:
    kind = Piece(fit(_type_of(family), kinds) + "  ", "name")
    row = (Piece(f"{_INDENT}{fit(in_place(name), width)}  "), kind, Piece(told, "muted"))
    return StartEntry(name, False, (row,))


def metric_help(name: str, kind: str, text: str) -> str:
    """The help text of a metric; that of a family also tells what the metric is of it."""
    part, text = _part_of_family(name, kind), in_place(text)
    return _("{part}: {help}", part=part, help=text) if part and text else part or text


def _part_of_family(name: str, kind: str) -> str:
    """What a metric is of the histogram or summary to which it belongs; empty for a family's own values."""
    if kind not in ("histogram", "summary"):
        return ""
    if name.endswith("_count"):
        return _("number of observations")
    return _("sum of all observations") if name.endswith("_sum") else ""


def _type_of(family: Family) -> str:
    return "" if family.type == "unknown" else in_place(family.type)
