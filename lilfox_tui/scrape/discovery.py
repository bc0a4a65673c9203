"""Service discovery: the configured targets, and those of a prometheus.yml.

After Prometheus 3 (its scrape/target.go): an address without a port stays as it is, ``instance`` is the address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from lilfox_tui.config.checks import is_place
from lilfox_tui.config.model import Config, ScrapeConfig, ServiceConfig
from lilfox_tui.config.yaml_nodes import Findings, parse
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.http import Tls
from lilfox_tui.scrape.labels import NAME, parse_duration
from lilfox_tui.scrape.prometheus_config import JobReader, PrometheusFile, ScrapeJob, TargetGroup, read_prometheus
from lilfox_tui.scrape.prometheus_yaml import DIALECT, PrometheusNodes, read_text
from lilfox_tui.scrape.target import RelabelRule, ScrapeAccess, ScrapeLimits, ScrapeTarget, relabelled


def configured_targets(config: Config) -> tuple[ScrapeTarget, ...]:
    """Return the targets of the section ``scrape``; each section's name is the ``job`` of its series."""
    return tuple(
        _configured_target(name, each, address) for name, each in config.scrape.items() for address in each.targets
    )


def service_target(name: str, config: ServiceConfig) -> ScrapeTarget:
    """Return the target of a service: ``job`` is its name, ``instance`` its address."""
    parts = urlsplit(config.url)
    netloc = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/") + "/" + (config.metrics or "").lstrip("/")
    return ScrapeTarget(
        url=f"{parts.scheme}://{netloc}{path}",
        labels=(("instance", netloc), ("job", name)),
        host=config.from_,
        interval_s=config.metrics_every,
        timeout_s=config.timeout,
        access=ScrapeAccess(headers=config.headers, tls=Tls(verify=config.verify_tls)),
    )


def prometheus_file(config: Config, config_path: Path | None) -> PrometheusFile | None:
    """Read the file that ``prometheus_config`` names, None if it is not set; a relative path is relative to the folder
    of ``config_path``. Raises ConfigError with all its problems as ``file:line: key: what``."""
    if config.prometheus_config is None:
        return None
    beside = Path() if config_path is None else config_path.parent
    return read_prometheus(beside / Path(config.prometheus_config).expanduser())


def _configured_target(job: str, config: ScrapeConfig, address: str) -> ScrapeTarget:
    query = f"?{urlencode(config.params)}" if config.params else ""
    return ScrapeTarget(
        url=f"{config.scheme}://{address}{config.path}{query}",
        labels=tuple(sorted({**config.labels, "job": job, "instance": address}.items())),
        host=config.from_,
        interval_s=config.every,
        timeout_s=config.timeout,
        honor_labels=config.honor_labels,
        honor_timestamps=config.honor_timestamps,
        metric_relabel=tuple(RelabelRule("drop", source_labels=(NAME,), regex=pattern) for pattern in config.drop),
        limits=ScrapeLimits(body_bytes=config.body_limit_mb * 1024 * 1024, samples=config.sample_limit),
        access=_access(config),
    )


def _access(config: ScrapeConfig) -> ScrapeAccess:
    ca_file = str(Path(config.ca_file).expanduser()) if config.ca_file else ""
    return ScrapeAccess(
        headers=config.headers,
        user=config.user,
        password=config.password or "",
        bearer=config.bearer or "",
        tls=Tls(verify=config.verify_tls, ca_file=ca_file),
    )


_Stamp: TypeAlias = tuple[int, int, int]
_ADDRESS = "__address__"


class DiscoveredTargets(Struct, frozen=True):
    """The current targets, and the reasons why others are missing, as sentences."""

    targets: tuple[ScrapeTarget, ...]
    problems: tuple[str, ...] = ()


class Discovery:
    """Finds the targets of jobs repeatedly; a temporarily broken file keeps its earlier targets."""

    def __init__(self, jobs: tuple[ScrapeJob, ...]) -> None:
        self._jobs = jobs
        self._files: dict[Path, tuple[_Stamp, tuple[TargetGroup, ...]]] = {}
        self._last: tuple[dict[Path, _Stamp | None], DiscoveredTargets] | None = None

    def targets(self) -> DiscoveredTargets:
        """Return all targets; files changed since the last call are read. Never raises an error caused by a file."""
        stamps = {path: _stamp(path) for job in self._jobs for path in _paths(job)}
        if self._last is not None and self._last[0] == stamps:
            return self._last[1]
        found: dict[str, ScrapeTarget] = {}
        problems: list[str] = []
        for job in self._jobs:
            for group in self._groups(job, stamps, problems):
                for address in group.targets:
                    try:
                        target = _target(job, {_ADDRESS: address, **group.labels})
                    except ValueError as error:
                        problems.append(f"{clean(job.name)}: {clean(address)}: {error}")
                        continue
                    if target is not None:
                        found.setdefault(target.key, target)
        self._last = stamps, DiscoveredTargets(tuple(found.values()), tuple(problems))
        return self._last[1]

    def _groups(
        self, job: ScrapeJob, stamps: Mapping[Path, _Stamp | None], problems: list[str]
    ) -> Iterator[TargetGroup]:
        yield from job.groups
        for path in _paths(job):
            yield from self._of_file(path, stamps.get(path), problems)

    def _of_file(self, path: Path, stamp: _Stamp | None, problems: list[str]) -> tuple[TargetGroup, ...]:
        known = self._files.get(path)
        if known is None or known[0] != stamp:
            try:
                groups = read_groups(path)
                if stamp is not None:
                    known = self._files[path] = stamp, groups
            except ConfigError as error:
                problems += error.problems
        return known[1] if known is not None else ()


def _paths(job: ScrapeJob) -> Iterator[Path]:
    for pattern in job.files:
        path = Path(pattern)
        yield from sorted(path.parent.glob(path.name)) if "*" in path.name else [path]


def _stamp(path: Path) -> _Stamp | None:
    """Return a value that changes with the file; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def read_groups(path: Path) -> tuple[TargetGroup, ...]:
    """Read the groups of a file_sd file, JSON or YAML (https://prometheus.io/docs/prometheus/latest/configuration/
    configuration/#file_sd_config). Raises ConfigError."""
    findings = Findings(str(path))
    root = parse(read_text(path, trusted=True), findings, DIALECT)
    reading = JobReader(PrometheusNodes(findings), path.parent)
    groups = reading.groups(root, (), relabelled=True)
    if findings:
        raise ConfigError(findings.sorted()[0], findings.sorted())
    meta = {"__meta_filepath": str(path)}
    return tuple(TargetGroup(group.targets, {**group.labels, **meta}) for group in groups)


def _target(job: ScrapeJob, labels: dict[str, str]) -> ScrapeTarget | None:
    """Return the target with ``labels``, None if relabelling drops it. Raises ValueError with a sentence."""
    given = {
        "job": job.name,
        "__scrape_interval__": f"{round(job.interval_s * 1000)}ms",
        "__scrape_timeout__": f"{round(job.timeout_s * 1000)}ms",
        "__metrics_path__": job.metrics_path,
        "__scheme__": job.scheme,
        **{f"__param_{name}": values[0] for name, values in job.params.items() if values},
    }
    known = {**given, **{name: value for name, value in labels.items() if value}}
    made = relabelled(job.relabel, known)
    if made is None:
        return None
    address = made.get(_ADDRESS, "")
    if not is_place(address):
        raise ValueError(_("the address is not in the form HOST:PORT"))
    if made.get("__scheme__") not in ("http", "https"):
        raise ValueError(_("the scheme is neither http nor https"))
    interval_s, timeout_s = (parse_duration(made.get(name, "")) / 1000 for name in _TIMES)
    if not 0 < timeout_s <= interval_s:
        raise ValueError(_("the scrape timeout must be longer than 0 and at most the scrape interval"))
    own = {name: value for name, value in made.items() if not name.startswith("__")}
    own.setdefault("instance", address)
    return ScrapeTarget(
        _url(job, made),
        tuple(sorted(own.items())),
        interval_s=interval_s,
        timeout_s=timeout_s,
        honor_labels=job.honor_labels,
        honor_timestamps=job.honor_timestamps,
        metric_relabel=job.metric_relabel,
        limits=job.limits,
        access=job.access,
    )


_TIMES = ("__scrape_interval__", "__scrape_timeout__")


def _url(job: ScrapeJob, labels: Mapping[str, str]) -> str:
    path = labels.get("__metrics_path__", "")
    params = {name: list(values) for name, values in job.params.items()}
    for name, value in labels.items():
        if name.startswith("__param_"):
            params[name.removeprefix("__param_")] = [value, *params.get(name.removeprefix("__param_"), [""])[1:]]
    query = urlencode(sorted(params.items()), doseq=True)
    slash = "" if path.startswith("/") else "/"
    return f"{labels['__scheme__']}://{labels[_ADDRESS]}{slash}{path}" + (f"?{query}" if query else "")
