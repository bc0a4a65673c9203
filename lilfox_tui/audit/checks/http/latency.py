"""Routes that are slower than the goal of the service, by the histogram on its page of metrics."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.services import BODY_LIMIT, METRICS, Configured, Get, HttpReply, reply_of
from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_duration
from lilfox_tui.promql.functions.histogram import bucket_quantile
from lilfox_tui.scrape.application import Latency, recognise
from lilfox_tui.scrape.exposition import BadPage, Exposition, ScrapedPage
from lilfox_tui.scrape.labels import NAME, LabelSet

GOAL: Fact[ServiceConfig] = Fact("goal", Configured(), lambda service: service)
METRICS_PAGE: Fact[HttpReply] = Fact("metrics", Get(METRICS), reply_of)
_QUANTILE = 0.95
_REQUESTS_AT_LEAST = 20
_LONG_BY_NATURE = re.compile(
    r"\bws\b|websocket|stream|\bsse\b|events|download|upload|export|longpoll|metrics", re.IGNORECASE
)
"""Routes whose answers last as long as somebody listens, or are large."""


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Routes of whose requests more than one in twenty took longer than ``slow`` of the service."""
    service, reply = facts[GOAL], facts[METRICS_PAGE]
    if service.slow is None or reply.status != 200 or reply.is_html:
        raise Absent
    if len(reply.body) >= BODY_LIMIT:
        raise NotKnown(tr("the page of metrics is longer than {limit}", limit=human_bytes(BODY_LIMIT)))
    exposition = Exposition(LabelSet.of)
    try:
        page = exposition.read(reply.body, openmetrics=reply.kind == "application/openmetrics-text")
    except BadPage as error:
        raise NotKnown(tr("{where}: {reason}", where=reply.path, reason=error.message)) from None
    latency = recognise(exposition.families, page.labels, service).latency_by_route
    if latency is None or not latency.bounds:
        raise Absent
    for route, buckets in sorted(_buckets(page, latency).items()):
        count = buckets.get(math.inf, 0.0)
        if not route or count < _REQUESTS_AT_LEAST or _LONG_BY_NATURE.search(route):
            continue
        value = quantile(buckets) * latency.unit_s
        if _share_within(buckets, service.slow / latency.unit_s) < _QUANTILE:
            yield AuditFinding(
                route,
                tr(
                    "{route}: P95 {value} over {count} requests since the application started; the goal is {goal}",
                    route=route,
                    value=human_duration(value),
                    count=round(count),
                    goal=human_duration(service.slow),
                ),
                Fix(
                    tr(
                        "Find out what the route waits for, starting with the database. If it may take longer, raise "
                        "slow of the service in the configuration."
                    ),
                    commands=("lilfox audit --only postgresql",),
                ),
            )


def _buckets(page: ScrapedPage, latency: Latency) -> Mapping[str, Mapping[float, float]]:
    """The cumulative counts by upper bound of each route, all other labels added up."""
    found: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for labels, value in zip(page.labels.sets, page.values.tolist(), strict=True):
        if labels.get(NAME) == f"{latency.metric}_bucket":
            found[labels.get(latency.route)][float(labels.get("le"))] += value
    return found


def _share_within(buckets: Mapping[float, float], goal: float) -> float:
    """The share of requests within ``goal``, at best: all of the bucket that it falls into count as quicker."""
    bound = min((each for each in buckets if each >= goal), default=math.inf)
    return buckets[bound] / buckets[math.inf]


def quantile(buckets: Mapping[float, float]) -> float:
    """The 95th percentile as histogram_quantile() of Prometheus has it."""
    bounds, counts = zip(*sorted(buckets.items()), strict=True)
    return float(bucket_quantile(_QUANTILE, np.array(bounds), np.array([counts]))[0])


CHECKS = (
    AuditCheck(
        "slow-route",
        AuditSeverity.MEDIUM,
        tr("a route is slower than its goal"),
        tr("More than one request in twenty takes longer than the goal."),
        (GOAL, METRICS_PAGE),
        judge,
        "https://prometheus.io/docs/practices/histograms/",
    ),
)
