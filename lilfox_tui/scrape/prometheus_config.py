"""Reads a ``prometheus.yml``: its scrape jobs, and which rule files it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lilfox_tui.config.values import SecretRef
from lilfox_tui.config.yaml_nodes import Findings, KeyPath, ListNode, Node, parse, quoted, rather
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.http import Tls
from lilfox_tui.scrape.labels import LABEL_NAME
from lilfox_tui.scrape.prometheus_yaml import DIALECT, Fields, PrometheusNodes, read_text
from lilfox_tui.scrape.target import (
    ACTIONS,
    BODY_LIMIT,
    SAMPLE_LIMIT,
    PlainSecret,
    RelabelRule,
    ScrapeAccess,
    ScrapeLimits,
)

LIMIT_FIELDS = (
    "body_size_limit", "sample_limit", "target_limit", "label_limit", "label_name_length_limit",
    "label_value_length_limit", "keep_dropped_targets",
)  # fmt: skip
UNREAD_FIELDS = (
    "scrape_protocols", "fallback_scrape_protocol", "scrape_failure_log_file", "metric_name_validation_scheme",
    "metric_name_escaping_scheme", "scrape_native_histograms", "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb", "extra_scrape_metrics",
)  # fmt: skip
"""Of ``global`` and of a job: taken and without effect here."""
DISCOVERIES = (
    "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "eureka", "gce", "hetzner", "http",
    "ionos", "kubernetes", "kuma", "lightsail", "linode", "marathon", "nerve", "nomad", "openstack", "ovhcloud",
    "puppetdb", "scaleway", "serverset", "stackit", "triton", "uyuni", "vultr",
)  # fmt: skip
_JOB_FIELDS = (
    "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params", "honor_labels",
    "honor_timestamps", "track_timestamps_staleness", "enable_compression", "scrape_classic_histograms",
    "native_histogram_bucket_limit", "native_histogram_min_bucket_factor", "static_configs", "file_sd_configs",
    "relabel_configs", "metric_relabel_configs", "basic_auth", "authorization", "bearer_token", "bearer_token_file",
    "oauth2", "tls_config", "follow_redirects", "enable_http2", "http_headers", "proxy_url", "no_proxy",
    "proxy_from_environment", "proxy_connect_header", *LIMIT_FIELDS, *UNREAD_FIELDS,
    *(f"{name}_sd_configs" for name in DISCOVERIES),
)  # fmt: skip
_ACCESS_FIELDS = ("basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file")
_UNSUPPORTED = ("oauth2", "proxy_url", "proxy_from_environment", "http_headers")
_NO_LIMITS = ("target_limit", "keep_dropped_targets")
_SECRET_SOURCES = ("username_file", "username_ref", "password_ref", "credentials_ref")
_TLS_UNSUPPORTED = ("ca", "cert", "key", "ca_ref", "cert_ref", "key_ref", "min_version", "max_version")
_RELABEL_FIELDS = ("source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action")
_TLS_FIELDS = (
    "ca", "cert", "key", "ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify", "min_version",
    "max_version", "ca_ref", "cert_ref", "key_ref",
)  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]i?)?B", re.ASCII)
_FILE_PATTERN = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


class TargetGroup(Struct, frozen=True):
    """Addresses that share labels."""

    targets: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}


class ScrapeJob(Struct, frozen=True):
    """One scrape config. ``files`` are the patterns of file_sd as whole paths."""

    name: str
    interval_s: float
    timeout_s: float
    scheme: str = "http"
    metrics_path: str = "/metrics"
    params: Mapping[str, tuple[str, ...]] = {}
    honor_labels: bool = False
    honor_timestamps: bool = True
    groups: tuple[TargetGroup, ...] = ()
    files: tuple[str, ...] = ()
    relabel: tuple[RelabelRule, ...] = ()
    metric_relabel: tuple[RelabelRule, ...] = ()
    limits: ScrapeLimits = ScrapeLimits()
    access: ScrapeAccess = ScrapeAccess()
    line: int = 1


class Globals(Struct, frozen=True):
    """The defaults for jobs."""

    interval_s: float = 60.0
    timeout_s: float = 10.0
    evaluation_interval_s: float = 60.0
    external_labels: Mapping[str, str] = {}
    limits: ScrapeLimits = ScrapeLimits()


class JobReader(Struct):
    """Builds scrape jobs from YAML nodes. Errors go to the findings of ``nodes``, unsupported settings to
    ``unsupported`` (line, sentence). Relative paths are below ``folder``."""

    nodes: PrometheusNodes
    folder: Path
    unsupported: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, line: int, at: KeyPath, what: str) -> None:
        self.nodes.findings.add(line, at, what)

    def sections(self, node: Node | None, at: KeyPath) -> tuple[Node, ...]:
        """Return the items of a list of sections, in which Prometheus accepts no nulls."""
        items = self.nodes.items(node, at)
        if isinstance(node, ListNode) and len(items) < len(node.items):
            self.wrong(node.line, at, _("a list item is empty; fill it in or remove it"))
        return items

    def job(self, node: Node, given: Globals) -> ScrapeJob:
        """Return one job of ``scrape_configs``."""
        name = self.nodes.named(node, "job_name")
        at: KeyPath = ("scrape_configs", name) if name else ("scrape_configs",)
        fields = self.nodes.fields(node, _JOB_FIELDS, at)
        if not name:
            self.wrong(node.line, at, _("the job has no name; add one, such as job_name: node"))
        self._say_unsupported(fields, at)
        interval, timeout = self.times(fields, at, given.interval_s, given.timeout_s)
        relabel = self.relabel(fields.get("relabel_configs"), (*at, "relabel_configs"))
        text = self.nodes.text
        return ScrapeJob(
            name,
            interval,
            timeout,
            scheme=text(fields.get("scheme"), at) or "http",
            metrics_path=text(fields.get("metrics_path"), at) or "/metrics",
            params=self._params(fields.get("params"), (*at, "params")),
            honor_labels=self.nodes.flag(fields.get("honor_labels"), at, default=False),
            honor_timestamps=self.nodes.flag(fields.get("honor_timestamps"), at, default=True),
            groups=self.groups(fields.get("static_configs"), (*at, "static_configs"), relabelled=bool(relabel)),
            files=self._files(fields.get("file_sd_configs"), (*at, "file_sd_configs")),
            relabel=relabel,
            metric_relabel=self.relabel(fields.get("metric_relabel_configs"), (*at, "metric_relabel_configs")),
            limits=self.limits(fields, at, given.limits),
            access=self._access(fields, at),
            line=node.line,
        )

    def times(self, fields: Fields, at: KeyPath, interval_s: float, timeout_s: float) -> tuple[float, float]:
        """Return interval and timeout in seconds; the given ones by default, and never a timeout longer than the
        interval."""
        interval = self.nodes.duration_s(fields.get("scrape_interval"), at) or interval_s
        timeout = self.nodes.duration_s(fields.get("scrape_timeout"), at) or 0.0
        if timeout > interval:
            line = self.nodes.line(fields.get("scrape_timeout"), fields["scrape_timeout"])
            self.wrong(line, at, _("scrape_timeout is longer than scrape_interval; make it shorter"))
        return interval, timeout or min(timeout_s, interval)

    def limits(self, fields: Fields, at: KeyPath, given: ScrapeLimits) -> ScrapeLimits:
        """Return the limits, with those written replacing ``given``; 0 counts as not written."""
        whole = self.nodes.whole
        self._ignored(fields, [name for name in _NO_LIMITS if whole(fields.get(name), at)], at)
        return ScrapeLimits(
            body_bytes=self._size(fields.get("body_size_limit"), at) or given.body_bytes or BODY_LIMIT,
            samples=whole(fields.get("sample_limit"), at) or given.samples or SAMPLE_LIMIT,
            labels=whole(fields.get("label_limit"), at) or given.labels,
            label_name_length=whole(fields.get("label_name_length_limit"), at) or given.label_name_length,
            label_value_length=whole(fields.get("label_value_length_limit"), at) or given.label_value_length,
        )

    def groups(self, node: Node | None, at: KeyPath, *, relabelled: bool) -> tuple[TargetGroup, ...]:
        """Return groups of targets, as in ``static_configs`` and file_sd files."""
        made = []
        for item in self.sections(node, at):
            fields = self.nodes.fields(item, ("targets", "labels"), at)
            labels, lines = self.nodes.texts(fields.get("labels"), at)
            self.label_names(lines, at)
            targets = []
            for address in self.nodes.items(fields.get("targets"), at):
                targets.append(self.nodes.text(address, at))
                if not relabelled and "/" in targets[-1]:
                    what = _(
                        "{value} is not a valid address; use HOST:PORT, without http:// or a path",
                        value=quoted(targets[-1]),
                    )
                    self.wrong(address.line, at, what)
            made.append(TargetGroup(tuple(targets), labels))
        return tuple(made)

    def label_names(self, lines: Mapping[str, int], at: KeyPath) -> None:
        """Report invalid label names."""
        for name, line in lines.items():
            if not LABEL_NAME.fullmatch(name):
                self.wrong(line, at, _("{name} is not a valid label name", name=quoted(name)))

    def relabel(self, node: Node | None, at: KeyPath) -> tuple[RelabelRule, ...]:
        """Return the relabelling rules."""
        return tuple(self._rule(item, at) for item in self.sections(node, at))

    def _rule(self, node: Node, at: KeyPath) -> RelabelRule:
        fields = self.nodes.fields(node, _RELABEL_FIELDS, at)
        rule = RelabelRule()
        action = self.nodes.text(fields.get("action"), at).lower() or rule.action
        if action not in ACTIONS:
            what = _("{value} is not a valid value", value=quoted(action))
            self.wrong(fields["action"].line, at, f"{what}; {rather(action, ACTIONS)}")
            return rule
        rule = replace(
            rule,
            action=action,
            source_labels=tuple(self.nodes.text(one, at) for one in self.nodes.items(fields.get("source_labels"), at)),
            modulus=self.nodes.whole(fields.get("modulus"), at),
            **{name: self.nodes.text(fields[name], at) for name in _RELABEL_TEXTS if name in fields},
        )
        try:
            rule.check()
        except LilFoxError as error:
            self.wrong(node.line, at, str(error))
        return rule

    def _params(self, node: Node | None, at: KeyPath) -> dict[str, tuple[str, ...]]:
        return {
            key.text: tuple(self.nodes.text(one, at) for one in self.nodes.items(value, at))
            for key, value in self.nodes.entries(node, at)
        }

    def _files(self, node: Node | None, at: KeyPath) -> tuple[str, ...]:
        patterns = []
        for item in self.nodes.items(node, at):
            fields = self.nodes.fields(item, ("files", "refresh_interval"), at)
            self.nodes.duration_s(fields.get("refresh_interval"), at)
            files = self.nodes.items(fields.get("files"), at)
            if not files:
                self.wrong(item.line, at, _("no files; add one, such as targets/*.json"))
            for file in files:
                pattern = self.nodes.text(file, at)
                if not _FILE_PATTERN.fullmatch(pattern):
                    what = _(
                        "{value} must name a .json, .yml or .yaml file, with * only in the file name",
                        value=quoted(pattern),
                    )
                    self.wrong(file.line, at, what)
                patterns.append(self.path(pattern))
        return tuple(patterns)

    def path(self, written: str) -> str:
        """Return a path written in the file as an absolute path; empty stays empty."""
        return str(self.folder / written) if written else ""

    def _size(self, node: Node | None, at: KeyPath) -> int:
        text = self.nodes.text(node, at)
        match = _SIZE.fullmatch(text)
        if match is not None:
            return int(min(float(match[1]), 1e18) * 1024 ** _POWERS[(match[2] or "")[:1]])
        if node is not None and text not in ("", "0"):
            self.wrong(node.line, at, _("{value} is not a size; write one such as 10MB", value=quoted(text)))
        return 0

    def _say_unsupported(self, fields: Fields, at: KeyPath) -> None:
        self._ignored(fields, _UNSUPPORTED, at)
        if not self.nodes.flag(fields.get("follow_redirects"), at, default=True):
            self._ignored(fields, ("follow_redirects",), at)
        for name, node in fields.items():
            if name.endswith("_sd_configs") and name != "file_sd_configs":
                what = _("{key} is not supported; its targets are not scraped", key=".".join((*at, name)))
                self.unsupported.append((node.line, what))

    def _ignored(self, fields: Fields, names: Iterable[str], at: KeyPath) -> None:
        for name in names:
            if name in fields:
                what = _("{key} is not supported; it is ignored", key=".".join((*at, name)))
                self.unsupported.append((fields[name].line, what))

    def _access(self, fields: Fields, at: KeyPath) -> ScrapeAccess:
        named = [name for name in fields if name in _ACCESS_FIELDS]
        if len({name.removesuffix("_file") for name in named}) > 1:
            self.wrong(fields[named[1]].line, at, _("use only one of {names}", names=listed(named)))
        access = ScrapeAccess(tls=self._tls(fields.get("tls_config"), (*at, "tls_config")))
        if "basic_auth" in fields:
            inner = self.nodes.fields(
                fields["basic_auth"],
                ("username", "username_file", "username_ref", "password", "password_file", "password_ref"),
                at,
            )
            self._ignored(inner, _SECRET_SOURCES, (*at, "basic_auth"))
            user = self.nodes.text(inner.get("username"), at)
            return replace(access, user=user, password=self._secret(inner, "password", at))
        if "authorization" in fields:
            inner = self.nodes.fields(
                fields["authorization"], ("type", "credentials", "credentials_file", "credentials_ref"), at
            )
            self._ignored(inner, _SECRET_SOURCES, (*at, "authorization"))
            kind = self.nodes.text(inner.get("type"), at).strip() or "Bearer"
            if kind.lower() == "basic":
                self.wrong(
                    inner["type"].line, at, _("for Basic authentication, write basic_auth instead of authorization")
                )
            return replace(access, bearer=self._secret(inner, "credentials", at), bearer_type=kind)
        return replace(access, bearer=self._secret(fields, "bearer_token", at))

    def _secret(self, fields: Fields, name: str, at: KeyPath) -> str:
        """Return a secret in the file, or a reference to the file that ``name_file`` names."""
        written, file = fields.get(name), fields.get(f"{name}_file")
        if written is not None and file is not None:
            self.wrong(file.line, at, _("use only one of {names}", names=f"{name}, {name}_file"))
        if file is not None:
            return SecretRef(f"file:{self.path(self.nodes.text(file, at))}")
        return PlainSecret(self.nodes.text(written, at))

    def _tls(self, node: Node | None, at: KeyPath) -> Tls:
        fields = self.nodes.fields(node, _TLS_FIELDS, at) if node is not None else {}
        self._ignored(fields, _TLS_UNSUPPORTED, at)
        cert, key = (self.path(self.nodes.text(fields.get(name), at)) for name in ("cert_file", "key_file"))
        if node is not None and bool(cert or "cert" in fields) != bool(key or "key" in fields):
            self.wrong(node.line, at, _("cert_file and key_file must be set together; write both or neither"))
        return Tls(
            verify=not self.nodes.flag(fields.get("insecure_skip_verify"), at, default=False),
            ca_file=self.path(self.nodes.text(fields.get("ca_file"), at)),
            cert_file=cert,
            key_file=key,
            server_name=self.nodes.text(fields.get("server_name"), at),
        )


_RELABEL_TEXTS = ("separator", "target_label", "regex", "replacement")


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
    """A prometheus.yml. ``rule_files`` are patterns as absolute paths. ``unsupported`` are sentences, each as
    ``file:line: what``; ``not_told`` is the sentence about Alertmanagers, empty if there are none."""

    path: Path
    evaluation_interval_s: float
    external_labels: Mapping[str, str]
    rule_files: tuple[str, ...]
    jobs: tuple[ScrapeJob, ...]
    unsupported: tuple[str, ...] = ()
    not_told: str = ""


def read_prometheus(path: Path) -> PrometheusFile:
    """Read the prometheus.yml at ``path`` (UTF-8, up to 8 MiB). It must be trusted, because it names files whose
    content is sent. Raises NotTrusted, and ConfigError with all its problems, each as ``file:line: key: what``."""
    return from_text(read_text(path, trusted=True), path)


def from_text(text: str, path: Path) -> PrometheusFile:
    """Parse ``text`` like :func:`read_prometheus`, as the content of ``path``; paths in it are relative to its
    folder."""
    findings = Findings(str(path))
    root = parse(text, findings, DIALECT)
    reading = JobReader(PrometheusNodes(findings), path.absolute().parent)
    made = _file(reading, root, path)
    if findings:
        problems = findings.sorted()
        raise ConfigError(tr("{path} cannot be used:\n{problems}", path=path, problems="\n".join(problems)), problems)
    return made


def _file(reading: JobReader, root: Node | None, path: Path) -> PrometheusFile:
    nodes = reading.nodes
    top = nodes.fields(root, _TOP_FIELDS, ()) if root is not None else {}
    given = _globals(reading, top.get("global"))
    jobs: dict[str, ScrapeJob] = {}
    for node in reading.sections(top.get("scrape_configs"), ("scrape_configs",)):
        job = reading.job(node, given)
        if job.name in jobs:
            first = jobs[job.name].line
            reading.wrong(
                node.line, ("scrape_configs", job.name), _("this job is already defined on line {line}", line=first)
            )
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


def _not_told(reading: JobReader, node: Node | None, path: Path) -> str:
    fields = reading.nodes.fields(node, _ALERTING_FIELDS, ("alerting",)) if node is not None else {}
    if not reading.nodes.items(fields.get("alertmanagers"), ("alerting", "alertmanagers")):
        return ""
    what = _(
        "LilFox does not notify the Alertmanagers configured here; add them under notifiers: with kind: alertmanager"
    )
    return f"{clean(str(path))}:{fields['alertmanagers'].line}: {what}"


def _globals(reading: JobReader, node: Node | None) -> Globals:
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
