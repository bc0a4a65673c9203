"""``lilfox export``: files for the systems around LilFox, made from its configuration."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from lilfox_tui.audit.targets.hosts import COLLECTORS
from lilfox_tui.cli.exports.formatting import unit_word
from lilfox_tui.cli.exports.log_stack import LOG_STACK
from lilfox_tui.cli.output import print_json, print_text, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.config.loader import LoadedConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, clauses, listed, tr

_UNIT = """\
[Unit]
Description=LilFox monitor
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
StateDirectory=lilfox
WorkingDirectory=%S/lilfox
Environment=XDG_STATE_HOME=%S
Restart=always
RestartSec=5
TimeoutStopSec=10
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


KINDS = {
    "systemd-unit": tr("unit for lilfox monitor"),
    "cron": tr("crontab lines for the backup plans"),
    "systemd-timer": tr("timers for the backup plans"),
    "prometheus": tr("prometheus.yml with the same scraping, rules and notifications"),
    "alertmanager": tr("alertmanager.yml with the notifiers as routes and receivers"),
    "grafana": tr("a dashboard of services, hosts and backends"),
    "grafana-datasource": tr("the data sources that the dashboard queries"),
    "alloy": tr("config.alloy that sends the logs of a host to Loki"),
    "promtail": tr("promtail.yml, the same for Promtail, which is at its end of life"),
    "loki": tr("config.yml for Loki 3 on one machine"),
    "logstash": tr("a pipeline that sends the logs of a host to Elasticsearch"),
    "filebeat": tr("filebeat.yml that sends the logs of a host to Elasticsearch"),
    "elasticsearch-template": tr("the index template for those logs"),
    "elasticsearch-ilm": tr("the lifecycle policy for those logs"),
    "kibana": tr("a data view of those logs, to import into Kibana"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``export``."""
    texts = clauses(f"{kind}: {text}" for kind, text in KINDS.items())
    parser.add_argument("kind", choices=list(KINDS), metavar="KIND", help=texts)
    parser.add_argument(
        "--host", metavar="NAME", help=_("with alloy, promtail, logstash, filebeat: the host whose logs are collected")
    )


def run(args: argparse.Namespace) -> int:
    """Prints the file; returns 3 if metrics of a dashboard are guessed. Raises ConfigError, UsageError."""
    if args.host is not None and args.kind not in COLLECTORS:
        raise UsageError(
            tr("--host does not apply to {kind}", kind=args.kind), tr("it does to: {kinds}", kinds=listed(COLLECTORS))
        )
    loaded = load_settings(args)
    if args.kind == "grafana":
        return _print_dashboard(loaded)
    made = LOG_STACK.get(args.kind)
    print_text(_text(args.kind, loaded) if made is None else made(loaded.config, args.host))
    return 0


def _text(kind: str, loaded: LoadedConfig) -> str:
    if kind == "prometheus":
        from lilfox_tui.cli.exports.prometheus import prometheus_yml

        return prometheus_yml(loaded.config, (loaded.path or Path("lilfox.yaml")).resolve().parent)
    if kind == "alertmanager":
        from lilfox_tui.cli.exports.alertmanager import alertmanager_yml

        return alertmanager_yml(loaded.config)
    if kind == "grafana-datasource":
        from lilfox_tui.cli.exports.grafana import datasources_yml

        return datasources_yml(loaded.config)
    path = None if loaded.path is None else loaded.path.resolve()
    if kind in ("cron", "systemd-timer"):
        from lilfox_tui.cli.exports.schedules import crontab, systemd_timers

        return (crontab if kind == "cron" else systemd_timers)(loaded.config, path)
    return systemd_unit(None if loaded.path is None else loaded.path.absolute())  # the alert state is named after it


def _print_dashboard(loaded: LoadedConfig) -> int:
    """Prints the dashboard, with the metric names that the services expose now."""
    from lilfox_tui.cli.exports.grafana import dashboard, find_traffic_metrics

    found = asyncio.run(find_traffic_metrics(loaded.config, loaded.path))
    for trouble in found.troubles:
        warn(trouble)
    if found.guessed:
        names = listed(found.guessed)
        warn(tr("{services} did not answer; using the usual metric names", services=names))
    print_json(dashboard(loaded.config, found.applications))
    return 3 if found.guessed else 0


def systemd_unit(config: Path | None) -> str:
    """The unit (systemd.service(5)) that runs ``lilfox monitor`` with ``config``, an absolute path, or with the
    defaults for None.

    Raises UsageError for a path that a unit cannot hold.
    """
    argv = [sys.executable, "-m", "lilfox_tui"]
    argv += ["monitor", "--quiet"] if config is None else ["--config", str(config), "monitor", "--quiet"]
    return _UNIT.format(command=" ".join(unit_word(each) for each in argv))
