"""A ``prometheus.yml`` as it is: whom it scrapes, how, and which rule files it names.

What it says to others (remote_write, alerting, storage, tracing) is passed over. What it says of scraping and is not
supported is told with its line and does not stop the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.problems import Findings
from lilfox_tui.config.yaml_nodes import Node, parse
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import _, tr
from lilfox_tui.scrape.prometheus_job import LIMIT_FIELDS, UNREAD_FIELDS, Globals, Job, JobReading
from lilfox_tui.scrape.prometheus_nodes import DIALECT, PrometheusNodes
from lilfox_tui.scrape.prometheus_text import read_text
from lilfox_tui.text import clean

_TOP_FIELDS = (
    "global", "runtime", "alerting", "rule_files", "scrape_config_files", "scrape_configs", "storage", "tracing",
    "otlp", "remote_write", "remote_read",
)  # fmt: skip
_GLOBAL_FIELDS = (
    "scrape_interval", "scrape_timeout", "evaluation_interval", "rule_query_offset", "query_log_file",
    "external_labels", *LIMIT_FIELDS, *UNREAD_FIELDS,
)  # fmt: skip
_ALERTING_FIELDS = ("alert_relabel_configs", "alertmanagers")


class PrometheusFile(Struct, frozen=True):
    """``rule_files`` are patterns as whole paths. ``unsupported`` are sentences, each as ``file:line: what``;
    ``not_told`` is one about Alertmanagers, empty where there are none."""

    path: Path
    evaluation_interval_s: float
    external_labels: Mapping[str, str]
    rule_files: tuple[str, ...]
    jobs: tuple[Job, ...]
    unsupported: tuple[str, ...] = ()
    not_told: str = ""


def read_prometheus(path: Path) -> PrometheusFile:
    """The file at ``path`` (UTF-8, up to 8 MiB), which names files whose content is sent. Raises NotTrusted, and
    ConfigError with all its problems, each as ``file:line: key: what``."""
    return from_text(read_text(path, trusted=True), path)


def from_text(text: str, path: Path) -> PrometheusFile:
    """As :func:`read_prometheus` of what ``path`` is said to hold; paths in it are relative to its folder."""
    findings = Findings(str(path))
    root = parse(text, findings, DIALECT)
    reading = JobReading(PrometheusNodes(findings), path.absolute().parent)
    made = _file(reading, root, path)
    if findings:
        problems = findings.sorted()
        raise ConfigError(tr("{path} cannot be used:\n{problems}", path=path, problems="\n".join(problems)), problems)
    return made


def _file(reading: JobReading, root: Node | None, path: Path) -> PrometheusFile:
    nodes = reading.nodes
    top = nodes.fields(root, _TOP_FIELDS, ()) if root is not None else {}
    given = _globals(reading, top.get("global"))
    jobs: dict[str, Job] = {}
    for node in reading.sections(top.get("scrape_configs"), ("scrape_configs",)):
        job = reading.job(node, given)
        if job.name in jobs:
            first = jobs[job.name].line
            reading.wrong(node.line, ("scrape_configs", job.name), _("this job is in line {line} already", line=first))
        jobs.setdefault(job.name, job)
    if "scrape_config_files" in top:
        what = _("{key} is not supported; its targets are not scraped", key="scrape_config_files")
        reading.unsupported.append((top["scrape_config_files"].line, what))
    rule_files = nodes.items(top.get("rule_files"), ("rule_files",))
    return PrometheusFile(
        path,
        given.evaluation_interval_s,
        given.external_labels,
        tuple(reading.path(nodes.text(one, ("rule_files",))) for one in rule_files),
        tuple(jobs.values()),
        tuple(f"{clean(str(path))}:{line}: {what}" for line, what in sorted(reading.unsupported)),
        _not_told(reading, top.get("alerting"), path),
    )


def _not_told(reading: JobReading, node: Node | None, path: Path) -> str:
    fields = reading.nodes.fields(node, _ALERTING_FIELDS, ("alerting",)) if node is not None else {}
    if not reading.nodes.items(fields.get("alertmanagers"), ("alerting", "alertmanagers")):
        return ""
    what = _("its Alertmanagers are told nothing from here; name them under notifiers: with kind: alertmanager")
    return f"{clean(str(path))}:{fields['alertmanagers'].line}: {what}"


def _globals(reading: JobReading, node: Node | None) -> Globals:
    at = ("global",)
    given = Globals()
    fields = reading.nodes.fields(node, _GLOBAL_FIELDS, at) if node is not None else {}
    interval, timeout = reading.times(fields, at, given.interval_s, given.timeout_s)
    labels, lines = reading.nodes.texts(fields.get("external_labels"), (*at, "external_labels"))
    reading.label_names(lines, (*at, "external_labels"))
    evaluation = reading.nodes.duration_s(fields.get("evaluation_interval"), at)
    return replace(
        given,
        interval_s=interval,
        timeout_s=timeout,
        evaluation_interval_s=evaluation or given.evaluation_interval_s,
        external_labels=labels,
        limits=reading.limits(fields, at, given.limits),
    )
