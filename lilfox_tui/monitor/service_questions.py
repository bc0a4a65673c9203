"""A service's requests in the series of a Prometheus elsewhere, as questions in PromQL. Pure.

They mean what ``traffic_questions.py`` asks here: sums of rates, and quantiles of the sums of buckets.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lilfox_tui.config.model import MetricNames, ServiceConfig
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    CLIENT_ERRORS,
    IN_FLIGHT,
    MAXIMUM,
    QUANTILES,
    REQUESTS,
    SERVER_ERRORS,
    latency_series,
)
from lilfox_tui.monitor.past_question import Question, matchers, span_text
from lilfox_tui.scrape.application import Application, Latency
from lilfox_tui.scrape.labels import NAME, Matcher, quoted

_MAY_TELL = ".*(http|request|rq|nginx_connections_active).*"
_CLASSES = ((CLIENT_ERRORS, "4.*|CLIENT_ERROR"), (SERVER_ERRORS, "5.*|SERVER_ERROR"))


def scopes_of(name: str, config: ServiceConfig) -> list[dict[str, str]]:
    """Labels of a service's series, the likeliest first: what the config says, else its name as ``job``, or its
    address as ``instance``."""
    if config.series:
        return [dict(config.series)]
    return [{"job": name}, {"instance": urlsplit(config.url).netloc.rpartition("@")[2]}]


def to_recognise(scope: dict[str, str], names: MetricNames) -> tuple[Matcher, ...]:
    """Takes the series that may tell of requests, and those that the config names."""
    named = [each for each in (names.requests, names.latency, names.inflight) if each]
    patterns = "|".join((_MAY_TELL, *(re.escape(each) + ".*" for each in named)))
    return (*(Matcher(label, "=", value) for label, value in scope.items()), Matcher(NAME, "=~", patterns))


def questions(application: Application, labels: dict[str, str], window_s: float) -> list[Question]:
    """All that ``application`` lets ask of the series with ``labels``, over windows of ``window_s``."""
    scope, window = matchers(labels), span_text(window_s)
    found = []
    if (counter := application.requests) is not None:
        total = f"sum(rate({_selector(counter.metric, scope)}[{window}]))"
        found.append(Question(REQUESTS, total))
        for series, statuses in _CLASSES if counter.status else ():
            some = _selector(counter.metric, f"{scope}, {counter.status}=~{quoted(statuses)}")
            # without a series of that class there was none of it, as long as requests are counted
            found.append(Question(series, f"100 * (sum(rate({some}[{window}])) or 0 * {total}) / {total}"))
    if application.latency is not None:
        found += _times(application.latency, scope, window)
    if application.in_flight:
        found.append(Question(IN_FLIGHT, f"sum({_selector(application.in_flight, scope)})"))
    return found


def _times(latency: Latency, scope: str, window: str) -> list[Question]:
    unit = f"{latency.unit_s:g} * "
    if latency.bounds:
        buckets = f"sum by (le) (rate({_selector(latency.metric + '_bucket', scope)}[{window}]))"
        return [Question(latency_series(each), f"{unit}histogram_quantile({each:g}, {buckets})") for each in QUANTILES]
    total, count = (f"sum(rate({_selector(latency.metric + end, scope)}[{window}]))" for end in ("_sum", "_count"))
    found = [Question(AVERAGE, f"{unit}{total} / {count}")]
    if latency.maximum:
        found.append(Question(MAXIMUM, f"{unit}max({_selector(latency.maximum, scope)})"))
    return found


def _selector(name: str, scope: str) -> str:
    return f"{{{NAME}={quoted(name)}, {scope}}}"
