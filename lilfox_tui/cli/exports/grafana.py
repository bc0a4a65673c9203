"""The Grafana export: a dashboard in the classic JSON model, and the data sources as provisioning files.

https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/ and
…/administration/provisioning/. Expressions select what our own console has and what ``lilfox monitor`` serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from lilfox_tui.cli.exports.formatting import comment, yaml_item
from lilfox_tui.cli.exports.log_streams import elasticsearch_log, loki_server, server_of
from lilfox_tui.config.model import ApiConfig, Config, MetricNames
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.i18n import Message, _
from lilfox_tui.monitor.model import watched_services
from lilfox_tui.monitor.scrape_once import ScrapeResult, scrape_once
from lilfox_tui.scrape.application import Application, Counter, Latency, recognise
from lilfox_tui.scrape.labels import LabelList, Matcher, ms_of, quoted

# Which metrics of the services tell of their requests, as their pages have them now.


USUAL = Application(
    requests=Counter("http_requests_total", "status"),
    latency=Latency("http_request_duration_seconds", 1.0, (1.0,)),
    in_flight="http_requests_in_progress",
)
"""For a service that does not answer now."""


class TrafficMetrics(Struct, frozen=True):
    """The metrics of the applications. ``applications`` is by job, ``guessed`` are services that did not answer,
    ``troubles`` the reasons."""

    applications: Mapping[str, Application]
    guessed: tuple[str, ...]
    troubles: tuple[Message, ...]


async def find_traffic_metrics(config: Config, config_file: Path | None) -> TrafficMetrics:
    """Scrapes everything once and returns the applications' metrics. Raises LilFoxError if a configured prometheus.yml
    cannot be used."""
    names: dict[str, MetricNames] = {
        name: each for name, each in watched_services(config).items() if each.metrics is not None
    }
    async with scrape_once(config, config_file, for_s=0.0, every_s=1.0, hosts=False) as seen:
        jobs = {name: _application_of(seen, name, each) for name, each in (names | dict(config.scrape)).items()}
    guessed = tuple(name for name, found in jobs.items() if found is None and name in names)
    jobs |= dict.fromkeys(guessed, USUAL)
    known = {name: found for name, found in jobs.items() if found is not None and found.requests is not None}
    return TrafficMetrics(known, guessed, seen.troubles)


def _application_of(seen: ScrapeResult, job: str, names: MetricNames) -> Application | None:
    """The metrics recognised for the job; None if no target of it answered."""
    scrapers = [one for one in seen.scrapers if one.target.label("job") == job and one.feed.value is not None]
    if not scrapers:
        return None
    end_ms = ms_of(seen.at) + 1
    found = seen.store.select((Matcher("job", "=", job),), 0, end_ms)
    series = LabelList([labels for one in found for labels in one.labels])
    families = {name: family for one in scrapers for name, family in one.exposition.families.items()}
    return recognise(families, series, names)


DATASOURCE = "lilfox-prometheus"
"""Uid of the data source that the dashboard asks."""
WINDOW = "5m"
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 8
_ERRORS = {"5xx": "5..|5xx|SERVER_ERROR", "4xx": "4..|4xx|CLIENT_ERROR"}
_QUANTILES = (0.5, 0.95, 0.99)


class Panel(NamedTuple):
    """One panel: expressions with their legends (Grafana's ``{{label}}``)."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]


def dashboard(config: Config, applications: Mapping[str, Application]) -> dict[str, Any]:
    """The whole dashboard, with a row for each part that exists."""
    rows = {
        _("Services"): list(service_panels(applications)),
        _("Hosts"): host_panels(),
        _("Backends"): backend_panels({each.kind for each in config.backends.values()}),
    }
    return {
        "uid": "lilfox",
        "title": f"LilFox {config.name}".rstrip(),
        "tags": ["lilfox"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": []},
        "panels": _placed({title: panels for title, panels in rows.items() if panels}),
    }


def _placed(rows: Mapping[str, Sequence[Panel]]) -> list[dict[str, Any]]:
    """The panels, three side by side under a heading for each row, without overlaps."""
    placed: list[dict[str, Any]] = []
    y = 0
    for title, panels in rows.items():
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": y}
        placed.append({"id": len(placed) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place})
        y += 1
        for index, panel in enumerate(panels):
            x = index * _WIDTH % _COLUMNS
            place = {"h": _HEIGHT, "w": _WIDTH, "x": x, "y": y + index * _WIDTH // _COLUMNS * _HEIGHT}
            placed.append(_panel(panel, len(placed) + 1, place))
        y += -(-len(panels) * _WIDTH // _COLUMNS) * _HEIGHT
    return placed


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": DATASOURCE}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(panel.lines)
        ],
    }


# ---- what is asked -----------------------------------------------------------------------------------------------


def service_panels(applications: Mapping[str, Application]) -> Iterator[Panel]:
    """Panels for requests, errors, response times and requests in flight; services with the same metrics share one
    expression."""
    counters = _together({job: one.requests for job, one in applications.items() if one.requests is not None})
    if not counters:
        return
    rates = [
        (f"sum by (job) (rate({_selector(one.metric, jobs)}[{WINDOW}]))", "{{job}}") for one, jobs in counters.items()
    ]
    yield Panel(_("Requests per second"), "reqps", rates)
    for name, statuses in _ERRORS.items():
        shares = [(_share(one, jobs, statuses), "{{job}}") for one, jobs in counters.items() if one.status]
        if shares:
            yield Panel(_("Share of {status}", status=name), "percentunit", shares)
    latencies = _together({job: one.latency for job, one in applications.items() if one.latency is not None})
    times = [line for one, jobs in latencies.items() for line in _times(one, jobs)]
    if times:
        yield Panel(_("Response time"), "s", times)
    gauges = _together({job: one.in_flight for job, one in applications.items() if one.in_flight})
    if gauges:
        lines = [(f"sum by (job) ({_selector(metric, jobs)})", "{{job}}") for metric, jobs in gauges.items()]
        yield Panel(_("Requests in flight"), "short", lines)
    yield Panel(_("Targets up"), "short", [(f"min by (job) ({_selector('up', list(applications))})", "{{job}}")])


def _together(by_job: Mapping[str, Any]) -> dict[Any, list[str]]:
    """The jobs grouped by equal metrics."""
    jobs: dict[Any, list[str]] = {}
    for job, one in by_job.items():
        jobs.setdefault(_shape(one), []).append(job)
    return jobs


def _shape(one: Any) -> Any:
    """The metric without details that differ between services and that no expression needs."""
    if isinstance(one, Counter):
        return Counter(one.metric, one.status)
    if isinstance(one, Latency):
        return Latency(one.metric, one.unit_s, one.bounds[:1])
    return one


def _share(one: Counter, jobs: Sequence[str], statuses: str) -> str:
    """An expression for the share of responses with these statuses: 0 without such responses, no value without any
    responses."""
    own = f"{one.status}=~{quoted(statuses)}"
    bad, every = (f"sum by (job) (rate({_selector(one.metric, jobs, more)}[{WINDOW}]))" for more in (own, ""))
    return f"({bad} or 0 * {every}) / {every}"


def _times(one: Latency, jobs: Sequence[str]) -> Iterator[tuple[str, str]]:
    scale = "" if one.unit_s == 1 else f" * {one.unit_s:g}"
    if one.bounds:
        buckets = f"sum by (job, le) (rate({_selector(one.metric + '_bucket', jobs)}[{WINDOW}]))"
        for quantile in _QUANTILES:
            yield f"histogram_quantile({quantile}, {buckets}){scale}", f"{{{{job}}}} P{quantile * 100:g}"
        return
    total, count = (f"sum by (job) (rate({_selector(one.metric + end, jobs)}[{WINDOW}]))" for end in ("_sum", "_count"))
    yield f"{total} / {count}{scale}", "{{job}} " + _("mean")


def _selector(metric: str, jobs: Sequence[str], more: str = "") -> str:
    pattern = "|".join(job.replace(".", "\\.") for job in jobs)
    job = f"job={quoted(jobs[0])}" if len(jobs) == 1 else f"job=~{quoted(pattern)}"
    return f"{metric}{{{job}{', ' if more else ''}{more}}}"


def host_panels() -> list[Panel]:
    """Panels for the metrics of hosts."""
    used = "lilfox_filesystem_used_bytes"
    return [
        Panel(_("CPU busy"), "percentunit", [("cpu_usage_percent / 100", "{{host}}")]),
        Panel(_("Memory used"), "percentunit", [("memory_usage_percent / 100", "{{host}}")]),
        Panel(
            _("Disk used"),
            "percentunit",
            [(f"{used} / ({used} + lilfox_filesystem_available_bytes)", "{{host}} {{mountpoint}}")],
        ),
        Panel(_("Load per core"), "short", [("lilfox_load1 / lilfox_cpus", "{{host}}")]),
        Panel(
            _("Network"),
            "Bps",
            [
                (f"sum by (host) (rate(lilfox_network_receive_bytes_total[{WINDOW}]))", "{{host}} " + _("in")),
                (f"sum by (host) (rate(lilfox_network_transmit_bytes_total[{WINDOW}]))", "{{host}} " + _("out")),
            ],
        ),
        Panel(
            _("Disk I/O"),
            "Bps",
            [
                (f"sum by (host) (rate(lilfox_disk_read_bytes_total[{WINDOW}]))", "{{host}} " + _("read")),
                (f"sum by (host) (rate(lilfox_disk_written_bytes_total[{WINDOW}]))", "{{host}} " + _("written")),
            ],
        ),
    ]


_QUEUES = ("celery", "rq", "arq", "rabbitmq")


def backend_panels(kinds: set[str]) -> list[Panel]:
    """Panels for backends of these kinds; none if there are none."""
    if not kinds:
        return []
    panels = [Panel(_("Backends up"), "short", [("lilfox_backend_up", "{{backend}}")])]
    if "postgresql" in kinds:
        panels += [
            Panel(
                _("PostgreSQL connections"),
                "short",
                [
                    ("lilfox_postgresql_connections", "{{backend}} {{state}}"),
                    ("lilfox_postgresql_connections_max", "{{backend}} " + _("limit")),
                ],
            ),
            Panel(_("PostgreSQL cache hit ratio"), "percent", [("lilfox_postgresql_cache_hit_percent", "{{backend}}")]),
        ]
    if "redis" in kinds:
        panels += [
            Panel(_("Redis hit ratio"), "percent", [("lilfox_redis_hit_percent", "{{backend}}")]),
            Panel(_("Redis memory"), "bytes", [("lilfox_redis_used_memory_bytes", "{{backend}}")]),
        ]
    if kinds & set(_QUEUES):
        panels.append(Panel(_("Queues"), "short", [("lilfox_queue_length", "{{backend}} {{queue}}")]))
    if kinds & {"breakers", "pybreaker"}:
        panels.append(Panel(_("Breakers not closed"), "short", [("lilfox_breakers_not_closed", "{{backend}}")]))
    return panels


# ---- data sources ------------------------------------------------------------------------------------------------


def datasources_yml(config: Config) -> str:
    """The provisioning file of the Prometheus that the dashboard queries, and of the Alertmanager, the Loki and the
    Elasticsearch that the configuration names."""
    text = comment(_("Generated by lilfox export grafana-datasource from LilFox's configuration."))
    text += comment(_("Put it into Grafana's provisioning/datasources folder."))
    prometheus = config.prometheus or ApiConfig(url="http://127.0.0.1:9090")
    text += "apiVersion: 1\ndatasources:\n"
    text += yaml_item(*_datasource(config, "LilFox", DATASOURCE, "prometheus", prometheus, {"httpMethod": "POST"}))
    if config.alertmanager is not None:
        own = {"implementation": "prometheus"}
        text += yaml_item(
            *_datasource(config, "LilFox Alertmanager", "lilfox-alertmanager", "alertmanager", config.alertmanager, own)
        )
    if (loki := loki_server(config)) is not None:
        text += yaml_item(*_datasource(config, "LilFox Loki", "lilfox-loki", "loki", loki, {"maxLines": 1000}))
    if (log := elasticsearch_log(config)) is not None:
        fields = {"timeField": log.time_field, "logMessageField": "message", "logLevelField": "log.level"}
        options = {"index": log.index, **fields}
        server = server_of(log)
        text += yaml_item(
            *_datasource(config, "LilFox Elasticsearch", "lilfox-elasticsearch", "elasticsearch", server, options)
        )
    return text


def _datasource(
    config: Config, name: str, uid: str, kind: str, api: ApiConfig, options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    secure: dict[str, str] = {}
    data: dict[str, Any] = dict(options)
    made: dict[str, Any] = {"name": name, "uid": uid, "type": kind, "access": "proxy", "url": _plain(api.url)}
    if kind == "prometheus":
        made["isDefault"] = True
    if api.user is not None:
        made |= {"basicAuth": True, "basicAuthUser": _plain(api.user)}
        if api.password is not None:
            secure["basicAuthPassword"] = _secret(api.password, notes)
    headers: dict[str, str] = dict(api.headers)
    if api.bearer is not None:
        headers["Authorization"] = api.bearer
    for number, (header, value) in enumerate(headers.items(), 1):
        data[f"httpHeaderName{number}"] = header
        given = _secret(value, notes) if isinstance(value, SecretRef) else _plain(value)
        secure[f"httpHeaderValue{number}"] = f"Bearer {given}" if value is api.bearer else given
    if not api.verify_tls:
        data["tlsSkipVerify"] = True
    if api.ca_file:
        data["tlsAuthWithCACert"] = True
        secure["tlsCACert"] = f"$__file{{{api.ca_file}}}"
    if api.from_ is not None and not config.hosts[api.from_].local:
        notes.append(
            _(
                "LilFox queries {name} from {host} through SSH; Grafana must be able to reach its address",
                name=name,
                host=api.from_,
            )
        )
    made["jsonData"] = data
    return made | ({"secureJsonData": secure} if secure else {}), notes


def _plain(text: str) -> str:
    """``text`` with Grafana's variables escaped."""
    return text.replace("$", "$$")


def _secret(ref: SecretRef, notes: list[str]) -> str:
    """Grafana's own syntax to read a secret at startup (its variable expansion)."""
    kind, _colon, rest = ref.partition(":")
    if kind == "env":
        return f"$__env{{{rest}}}"
    if kind == "file":
        return f"$__file{{{Path(rest).expanduser()}}}"
    path = "/etc/grafana/secrets/lilfox"
    notes.append(_("write the output of the command in LilFox's configuration to {path}", path=path))
    return f"$__file{{{path}}}"
