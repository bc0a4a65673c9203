"""The past that is not kept here, asked of the Prometheus of the config. Imports numpy; nothing of it at the start."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import Thresholds
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import listed, tr
from lilfox_tui.metrics.history import Point
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import WINDOW, traffic_of
from lilfox_tui.monitor.history_queries import (
    RATE_S,
    HistoryQuery,
    chart_query,
    host_instances,
    host_scope,
    matchers,
    own_names,
    pattern,
    recognition_queries,
    row_queries,
    service_queries,
    service_scopes,
)
from lilfox_tui.monitor.model import HostView, Overview, ServiceView
from lilfox_tui.monitor.watchers.past_rows import past_host
from lilfox_tui.promql.engine import QueryEngine
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.application import Application, recognise
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.untrusted_numbers import time_at

_TAG = "lilfox_question"
_TOGETHER_CHARS = 6000
"""Questions are put together into one query up to this length: it stands in the address of a GET."""
_AT_ONCE = 4
_SEARCHED = timedelta(hours=1)
"""How far around a moment series of requests are looked for."""
_EXPORTER = ("instance", "job")


class _QueryAnswer(NamedTuple):
    question: HistoryQuery
    labels: LabelSet
    value: float


class FarChart(Struct, frozen=True):
    """What a chart gets: values at their times, oldest first, and the series that were taken, as PromQL writes them."""

    points: tuple[Point, ...]
    taken: str


class RemoteHistory:
    """Asks for hosts and services at times that history does not have. ``engine`` gives who answers. Everything raises
    LilFoxError. Use from one event loop."""

    def __init__(self, engine: Callable[[], QueryEngine | None], thresholds: Thresholds) -> None:
        self._engine, self._thresholds = engine, thresholds
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._applications: dict[str, tuple[tuple[int, int], Application, dict[str, str]]] = {}

    async def chart(
        self, view: HostView | ServiceView, series: Series, start: datetime, end: datetime, step_s: float
    ) -> FarChart | None:
        """The values of ``series`` at each whole multiple of ``step_s`` from ``start`` to before ``end`` (aware). None
        where a Prometheus is not asked for that series."""
        if isinstance(view, HostView):
            question = chart_query(series, host_scope(view.name, view.config), step_s)
            said = ""
        else:
            application, labels = await self._application(view, start, end)
            asked = service_queries(application, labels, step_s)
            question = next((each for each in asked if each.series == series), None)
            said = "{" + matchers(labels) + "}"
        if question is None:
            return None
        first, last = math.ceil(start.timestamp() / step_s), math.ceil(end.timestamp() / step_s) - 1
        if first > last:
            return FarChart((), said)
        async with self._few:
            lines = await self._engine_here().range(question.text, _time(first * step_s), _time(last * step_s), step_s)
        if isinstance(view, HostView):
            said = (
                _one_exporter(view.name, (line.labels for line in lines))
                or "{" + host_scope(view.name, view.config) + "}"
            )
        if not lines:
            raise LilFoxError(
                tr("no series there for {scope} at that time", scope=said),
                tr("series: under the host or service in the configuration names their labels"),
            )
        points = [
            Point(_time(at_ms / 1000), value, value, value)
            for line in lines
            for at_ms, value in zip(line.times.tolist(), line.values.tolist(), strict=True)
            if math.isfinite(value)
        ]
        return FarChart(tuple(points), said)

    async def overview(self, overview: Overview, hosts: Sequence[str], services: Sequence[str]) -> Overview:
        """``overview`` with what is known there of these hosts and services at its time."""
        views = {name: overview.hosts[name] for name in hosts}
        values, asked = await asyncio.gather(
            self._hosts_at(views, overview.at),
            asyncio.gather(*(self._service_at(overview.services[name], overview.at) for name in services)),
        )
        changed = {name: self._host_then(view, values.get(name, {}), overview.at) for name, view in views.items()}
        return replace(
            overview,
            hosts={**overview.hosts, **changed},
            services={**overview.services, **{view.name: view for view in asked}},
        )

    def _host_then(self, view: HostView, values: Mapping[Series, float] | LilFoxError, at: datetime) -> HostView:
        if isinstance(values, LilFoxError):
            return replace(view, level=Level.UNKNOWN, reasons=(values.message,))
        return past_host(view.name, view.config, self._thresholds, values, at)

    async def _hosts_at(
        self, views: Mapping[str, HostView], at: datetime
    ) -> dict[str, Mapping[Series, float] | LilFoxError]:
        """The values of each host; why not where several exporters may be meant."""
        alike = {name: view for name, view in views.items() if not view.config.series}
        own = {name: own_names(name, view.config) for name, view in alike.items()}
        asked = [self._host_at(view, at) for name, view in views.items() if name not in alike]
        found: dict[str, Mapping[Series, float] | LilFoxError] = {}
        if alike:
            scope = host_instances(each for names in own.values() for each in names)
            by_instance: dict[str, list[_QueryAnswer]] = {}
            for answer in await self._at(row_queries(scope, RATE_S), at):
                by_instance.setdefault(answer.labels.get("instance"), []).append(answer)
            for name, names in own.items():
                fits = re.compile(pattern(names))
                of_host = (answers for instance, answers in by_instance.items() if fits.fullmatch(instance))
                found[name] = _values(name, [each for answers in of_host for each in answers])
        return found | dict(await asyncio.gather(*asked))

    async def _host_at(self, view: HostView, at: datetime) -> tuple[str, Mapping[Series, float] | LilFoxError]:
        answers = await self._at(row_queries(host_scope(view.name, view.config), RATE_S), at)
        return view.name, _values(view.name, answers)

    async def _service_at(self, view: ServiceView, at: datetime) -> ServiceView:
        try:
            application, labels = await self._application(view, at - _SEARCHED, at)
        except _NoRequests:
            return view
        answers = await self._at(service_queries(application, labels, RATE_S), at)
        if not answers:
            return view
        values = {question.series: value for question, _labels, value in answers}
        traffic = traffic_of({**values, WINDOW: RATE_S}, at)
        return view if traffic is None else replace(view, traffic=Ready(traffic, at))

    async def _application(
        self, view: ServiceView, start: datetime, end: datetime
    ) -> tuple[Application, dict[str, str]]:
        """Which series tell of a service's requests, and the labels by which they are its own."""
        searched = int(start.timestamp() // 3600), int(end.timestamp() // 3600)
        known = self._applications.get(view.name)
        if known is not None and known[0] == searched:
            return known[1:]
        for labels in (scopes := service_scopes(view.name, view.config)):
            async with self._few:
                found = await self._engine_here().series(recognition_queries(labels, view.config), start, end)
            application = recognise({}, LabelList(found), view.config)
            if application.requests is not None or application.latency is not None:
                self._applications[view.name] = searched, application, labels
                return application, labels
        tried = ", ".join("{" + matchers(labels) + "}" for labels in scopes)
        raise _NoRequests(
            tr("no series of requests there for {scope} at that time", scope=tried),
            tr("series: under the host or service in the configuration names their labels"),
        )

    async def _at(self, asked: Sequence[HistoryQuery], at: datetime) -> list[_QueryAnswer]:
        """Each answer that is a number; several questions go in one query."""
        by_tag = {str(place): each for place, each in enumerate(asked)}
        texts = [f'label_replace({each.text}, "{_TAG}", "{tag}", "", "")' for tag, each in by_tag.items()]
        together: list[str] = []
        for text in texts:
            if together and len(together[-1]) + len(text) < _TOGETHER_CHARS:
                together[-1] += f" or {text}"
            else:
                together.append(text)
        found = []
        for value in await asyncio.gather(*(self._instant(text, at) for text in together)):
            for labels, number in zip(value.labels, value.values.tolist(), strict=True):
                question = by_tag.get(labels.get(_TAG))
                if question is not None and math.isfinite(number):
                    found.append(_QueryAnswer(question, labels, number))
        return found

    async def _instant(self, text: str, at: datetime) -> Vector:
        async with self._few:
            value = await self._engine_here().instant(text, at)
        return value if isinstance(value, Vector) else NOTHING

    def _engine_here(self) -> QueryEngine:
        engine = self._engine()
        assert engine is not None
        return engine


class _NoRequests(LilFoxError):
    """A Prometheus has nothing of a service."""


def _values(name: str, answers: Sequence[_QueryAnswer]) -> Mapping[Series, float] | LilFoxError:
    try:
        _one_exporter(name, (labels for _question, labels, _value in answers))
    except LilFoxError as error:
        return error
    found = {}
    for question, labels, value in answers:
        series = question.series
        own = (*series.labels, *((label, labels.get(label)) for label in question.by))
        found[Series(series.name, own)] = value
    return found


def _one_exporter(name: str, found: Iterable[LabelSet]) -> str:
    """The instance and job that tell of a host, as a selector; empty where nothing does. Raises LilFoxError where there
    are several: their sum would be of no host."""
    exporters = sorted({str(labels.only(_EXPORTER)) for labels in found})
    if len(exporters) > 1:
        raise LilFoxError(
            tr("{count} exporters may be {name}: {which}", count=len(exporters), name=name, which=listed(exporters)),
            tr("series: under the host or service in the configuration names their labels"),
        )
    return exporters[0] if exporters else ""


def _time(seconds: float) -> datetime:
    return time_at(seconds)
