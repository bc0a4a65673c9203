"""What the configuration names to be scraped, as targets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from lilfox_tui.config.model import Config, ScrapeConfig
from lilfox_tui.hosts.http_way import Tls
from lilfox_tui.scrape.labels import NAME
from lilfox_tui.scrape.prometheus_file import PrometheusFile, read_prometheus
from lilfox_tui.scrape.relabel import RelabelRule
from lilfox_tui.scrape.target import Access, Limits, Target


def own_targets(config: Config) -> tuple[Target, ...]:
    """The targets of the section ``scrape``; each section's name is the ``job`` of its series."""
    return tuple(_target(name, each, address) for name, each in config.scrape.items() for address in each.targets)


def prometheus_file(config: Config, config_path: Path | None) -> PrometheusFile | None:
    """What ``prometheus_config`` names, None where nothing is named; a relative path is beside ``config_path``. Raises
    ConfigError with all its problems as ``file:line: key: what``."""
    if config.prometheus_config is None:
        return None
    beside = Path() if config_path is None else config_path.parent
    return read_prometheus(beside / Path(config.prometheus_config).expanduser())


def _target(job: str, config: ScrapeConfig, address: str) -> Target:
    query = f"?{urlencode(config.params)}" if config.params else ""
    return Target(
        url=f"{config.scheme}://{address}{config.path}{query}",
        labels=tuple(sorted({**config.labels, "job": job, "instance": address}.items())),
        host=config.from_,
        interval_s=config.every,
        timeout_s=config.timeout,
        honor_labels=config.honor_labels,
        honor_timestamps=config.honor_timestamps,
        metric_relabel=tuple(RelabelRule("drop", source_labels=(NAME,), regex=pattern) for pattern in config.drop),
        limits=Limits(body_bytes=config.body_limit_mb * 1024 * 1024, samples=config.sample_limit),
        access=_access(config),
    )


def _access(config: ScrapeConfig) -> Access:
    ca_file = str(Path(config.ca_file).expanduser()) if config.ca_file else ""
    return Access(
        headers=config.headers,
        user=config.user,
        password=config.password or "",
        bearer=config.bearer or "",
        tls=Tls(verify=config.verify_tls, ca_file=ca_file),
    )
