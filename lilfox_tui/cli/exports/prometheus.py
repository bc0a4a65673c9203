"""prometheus.yml of what LilFox scrapes, evaluates and tells: for a Prometheus that takes over, 2.45 or later.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from lilfox_tui.cli.exports.formatting import comment, secret_file, yaml_block, yaml_item
from lilfox_tui.config.model import ApiConfig, Config, SecretRef
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.hosts.http import Tls
from lilfox_tui.monitor.model import watched_services
from lilfox_tui.monitor.watchers.scrape import target_of
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.scrape.discovery import configured_targets
from lilfox_tui.scrape.target import ScrapeTarget

SECRETS = "/etc/prometheus/secrets"
_OWN_JOB = "lilfox"


class _Job(NamedTuple):
    """One scrape config and the comments above it; ``document`` is None where Prometheus cannot ask the targets."""

    notes: list[str]
    document: dict[str, Any] | None


def prometheus_yml(config: Config, base: Path) -> str:
    """The file. Relative rule files are looked for under ``base``. Secrets stay where they are or become the name of a
    file and a comment."""
    text = comment(_("Made by lilfox export prometheus from LilFox's configuration."))
    own: dict[str, Any] = {"scrape_interval": "15s", "evaluation_interval": seconds(config.alerts.every_s)}
    if config.alerts.external_labels:
        own["external_labels"] = dict(config.alerts.external_labels)
    text += yaml_block({"global": own})
    if config.rules:
        rules = [str(base / Path(pattern).expanduser()) for pattern in config.rules]
        text += "\n" + yaml_block({"rule_files": rules})
    managers = list(_alertmanagers(config))
    if managers:
        text += "\nalerting:\n  alertmanagers:\n" + "".join(yaml_item(each, notes, 4) for notes, each in managers)
    return text + "\n" + _scrape_configs(config)


def seconds(value: float) -> str:
    """A duration as Prometheus and Alertmanager write it."""
    return f"{value:g}s" if float(value).is_integer() else f"{round(value * 1000)}ms"


def _scrape_configs(config: Config) -> str:
    jobs = [*_service_jobs(config), *_named_jobs(config)]
    text = ""
    taken: set[str] = set()
    for job in jobs:
        if job.document is None:
            text += "".join(comment(note, 2) for note in job.notes)
            continue
        name = job.document["job_name"]
        while job.document["job_name"] in taken:  # the label job of its series stays: it stands at the targets
            job.document["job_name"] += "_"
        for group in job.document["static_configs"]:
            if job.document["job_name"] != name:
                group["labels"] = {"job": name, **group.get("labels", {})}
        taken.add(job.document["job_name"])
        text += yaml_item(job.document, job.notes)
    if config.monitor.listen is not None:
        note = _("What LilFox itself reads of hosts, services and backends: served by lilfox monitor.")
        document = {"job_name": _OWN_JOB, "static_configs": [{"targets": [config.monitor.listen]}]}
        text += yaml_item(document | ({"job_name": f"{_OWN_JOB}_"} if _OWN_JOB in taken else {}), [note])
    else:
        text += comment(_("Numbers of hosts and backends: set monitor.listen, and lilfox monitor serves them."), 2)
    if config.prometheus_config is not None:
        text += comment(_("The jobs of {path} are in that file: merge them.", path=config.prometheus_config), 2)
    has_jobs = bool(taken) or config.monitor.listen is not None
    return f"scrape_configs:\n{text}" if has_jobs else f"scrape_configs: []\n{text}"


def _service_jobs(config: Config) -> Iterator[_Job]:
    for name, service in watched_services(config).items():
        if service.metrics is not None:
            yield _job(config, name, [target_of(ServiceWatch(name, service))])


def _named_jobs(config: Config) -> Iterator[_Job]:
    targets = configured_targets(config)
    for name, section in config.scrape.items():
        own = [target for target in targets if target.label("job") == name]
        job = _job(config, name, own)
        if job.document is not None and section.drop:
            job.document["metric_relabel_configs"] = [
                {"source_labels": ["__name__"], "regex": pattern, "action": "drop"} for pattern in section.drop
            ]
        yield job


def _job(config: Config, name: str, targets: Sequence[ScrapeTarget]) -> _Job:
    """The targets of one section: they differ by their address only."""
    first = targets[0]
    if first.host is not None and not config.hosts[first.host].local:
        where = listed(urlsplit(target.url).netloc for target in targets)
        note = _(
            "{job} ({where}) is asked from {host} through SSH, which Prometheus cannot: let it reach the address, or "
            "run a Prometheus on {host}.", job=name, where=where, host=first.host,
        )  # fmt: skip
        return _Job([note], None)
    parts = urlsplit(first.url)
    document: dict[str, Any] = {
        "job_name": name,
        "scrape_interval": seconds(first.interval_s),
        "scrape_timeout": seconds(min(first.timeout_s, first.interval_s)),
        "metrics_path": parts.path or "/",
        "scheme": parts.scheme,
    }
    if parts.query:
        document["params"] = parse_qs(parts.query, keep_blank_values=True)
    if first.honor_labels:
        document["honor_labels"] = True
    if not first.honor_timestamps:
        document["honor_timestamps"] = False
    notes: list[str] = []
    access = first.access
    document |= http_access(
        name, SECRETS, notes,
        headers=access.headers, user=access.user, password=access.password, bearer=access.bearer, tls=access.tls,
    )  # fmt: skip
    document |= {"body_size_limit": f"{first.limits.body_bytes // 1024**2}MB", "sample_limit": first.limits.samples}
    own = {key: value for key, value in first.labels if key not in ("job", "instance")}
    group: dict[str, Any] = {"targets": [urlsplit(target.url).netloc for target in targets]}
    document["static_configs"] = [group | ({"labels": own} if own else {})]
    return _Job(notes, document)


def http_access(
    name: str,
    folder: str,
    notes: list[str],
    *,
    headers: Mapping[str, str],
    user: str | None = None,
    password: str | None = None,
    bearer: str | None = None,
    tls: Tls | None = None,
) -> dict[str, Any]:
    """The keys that say how a server is asked, as Prometheus and Alertmanager have them. What cannot be said goes to
    ``notes``."""
    made: dict[str, Any] = {}
    if user is not None:
        made["basic_auth"] = {"username": user}
        if isinstance(password, SecretRef):
            made["basic_auth"]["password_file"] = _file(password, folder, f"{name}-password", notes)
    elif isinstance(bearer, SecretRef):
        made["authorization"] = {"type": "Bearer", "credentials_file": _file(bearer, folder, f"{name}-token", notes)}
    notes += [_("{name}: header {header} is not written; see http_headers", name=name, header=each) for each in headers]
    if tls is not None and tls.ca_file:
        made.setdefault("tls_config", {})["ca_file"] = tls.ca_file
    if tls is not None and not tls.verify:
        made.setdefault("tls_config", {})["insecure_skip_verify"] = True
    return made


def _file(ref: SecretRef, folder: str, name: str, notes: list[str]) -> str:
    found = secret_file(ref, folder, name)
    if found.note:
        notes.append(found.note)
    return found.path


def _alertmanagers(config: Config) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Those that LilFox tells, or else the one that it shows."""
    told = {
        name: each for name, each in config.notifiers.items() if each.kind == "alertmanager"
    } or ({"alertmanager": config.alertmanager} if config.alertmanager is not None else {})  # fmt: skip
    for name, each in told.items():
        notes: list[str] = []
        if isinstance(each.url, SecretRef):
            yield (
                [_("{name}: its address is a secret; write it here", name=name)],
                _manager("127.0.0.1:9093", "http", ""),
            )
            continue
        parts = urlsplit(each.url)
        if isinstance(each, ApiConfig) and each.from_ is not None and not config.hosts[each.from_].local:
            notes.append(
                _("{name} is asked from {host} through SSH; Prometheus must reach it", name=name, host=each.from_)
            )
        ca_file = (each.ca_file if isinstance(each, ApiConfig) else each.ca) or ""
        access = http_access(
            name, SECRETS, notes,
            headers=each.headers, user=each.user, password=each.password, bearer=getattr(each, "bearer", None),
            tls=Tls(verify=each.verify_tls, ca_file=str(Path(ca_file).expanduser()) if ca_file else ""),
        )  # fmt: skip
        yield notes, _manager(parts.netloc, parts.scheme, parts.path.rstrip("/")) | access


def _manager(netloc: str, scheme: str, path: str) -> dict[str, Any]:
    prefix = {"path_prefix": path} if path else {}
    return {"scheme": scheme, **prefix, "static_configs": [{"targets": [netloc]}]}
