"""Imports stand at the top of a module. What is imported in a function is listed here, with its reason."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tools import shape

pytestmark = pytest.mark.xdist_group("tree")  # one worker reads all files once

LAZY = {
    "a process that has something to say, or to tell its starter, before it loads the rest": {
        "__main__": ".app.start .cli.main .cli.output",
        "jobs/child": ".incident.incidents .incident.model .jobs.listing asyncio",
    },
    "heavy, and needed by one action, option or kind alone": {
        "alerts/notifiers/smtp": "aiosmtplib email.message email.policy",
        "backends/postgresql/session": "psycopg",
        "backends/redis_transport": "redis.asyncio redis.asyncio.retry redis.backoff",
        "cli/backup_request": ".backup.effects .backup.run .backup.sources.postgresql",
        "cli/commands/alerts": ".cli.alert_rules",
        "cli/commands/backup": ".backup.effects",
        "cli/commands/config": ".alerts.alertmanager_file .alerts.rules .scrape.discovery",
        "cli/commands/export": ".cli.exports.alertmanager .cli.exports.grafana .cli.exports.prometheus "
        ".cli.exports.schedules",
        "cli/commands/incident": ".runbook.run.persistence",
        "cli/commands/logs": ".cli.log_sources .logs.analyze",
        "cli/commands/query": ".cli.query_engine",
        "cli/commands/restore": ".backup.effects",
        "cli/incident_output": ".monitor.monitor",
        "cli/job_output": ".backup.context .backup.restores.interrupted",
        "logs/files/one_log": ".logs.files.remote",
        "logs/filter/model": "re2",
    },
    "imported, or configured, before the first frame; needed after it (test_first_frame.py)": {
        "app/actions": ".config.yaml_nodes",
        "app/app_actions": ".app.theme_picker .demo.control_socket .jobs.listing",
        "app/console": ".incident.model .jobs.reader",
        "app/evidence": ".incident.model",
        "app/followers": ".app.panes.runbook.state .app.run_log .incident.incidents",
        "app/pane": ".app.incident_course .app.operations",
        "app/panes/metrics/actions": ".app.panes.metrics.query.box .app.panes.metrics.query.history",
        "app/panes/metrics/alert_actions": ".app.panes.metrics.dialogs",
        "app/panes/metrics/alert_section": ".app.panes.metrics.alert_page .app.panes.metrics.alert_series",
        "app/panes/metrics/errors": ".app.open_logs .logs.filter.model .logs.merge .logs.record .logs.source",
        "app/panes/metrics/pages": ".app.panes.metrics.alert_page .monitor.remote_history",
        "app/panes/metrics/pane": ".app.operations",
        "app/panes/metrics/problems": ".app.panes.metrics.alert_page .app.panes.metrics.alert_series",
        "app/panes/metrics/state": ".app.panes.metrics.alert_page",
        "app/panes/runbook/preview": ".monitor.alert_explain",
        "app/shared_actions": ".incident.incidents",
        "app/start": ".app.app .config.loader .demo.control_socket .demo.stack",
        "backends/http_probe": ".scrape.exposition .scrape.labels",
        "cli/output": "json",
        "config/checks": "pyrage re2 zoneinfo",
        "config/loader": ".config.checks .config.convert .config.yaml_nodes",
        "config/themes": "yaml",
        "core/i18n": "gettext",
        "demo/stack": ".jobs.listing",
        "hosts/addresses": ".hosts.ssh.connect",
        "hosts/http": "h11",
        "hosts/open": ".hosts.ssh.connect .hosts.ssh.host",
        "hosts/shell_words": "secrets",
        "logs/sources/file": ".logs.files.many_logs",
        "monitor/monitor": ".promql.query .promql.remote .scrape.store",
        "monitor/watchers/alert": ".alerts.engine .alerts.external .monitor.alert_explain .scrape.prometheus_config",
        "monitor/watchers/audit": ".monitor.audit_run",
        "monitor/watchers/backup": ".backup.context .backup.plan .backup.restores.interrupted .backup.sets.names "
        ".jobs.listing .monitor.backup_levels",
        "monitor/watchers/incident": ".monitor.incident_events",
        "monitor/watchers/recovery": ".monitor.series .recovery.history .recovery.watch",
        "monitor/watchers/runbook": ".jobs.listing .runbook.library .runbook.run.protocol",
        "monitor/watchers/scrape": ".monitor.series .monitor.watchers.scraped_service .scrape.scraper .scrape.store",
    },
    "a dialog or a later action of a pane: opening the pane does not wait for it": {
        "app/panes/backup/actions": ".app.dialogs.job_output .app.panes.backup.recovery_wizard .jobs.start "
        ".app.panes.backup.restore_wizard .backup.restores.retained",
        "app/panes/backup/restore_wizard": ".backup.effects",
        "app/panes/logs/pane": ".app.operations",
        "app/open_logs": ".runbook.run.gate",
        "app/panes/logs/statistics": ".logs.analyze",
        "app/panes/logs/view": ".logs.analyze",
    },
    "not on every system, or only on some": {
        "logs/files/local": "bz2 lzma",
        "metrics/sampler": ".metrics.psutil_source",
    },
    "the modules of a package, which need a constant of the package; compiled when there is text": {
        "redact/__init__": ".redact.named .redact.shapes .redact.spoken",
    },
}
"""Reason → file below the package → what its functions import; a name that begins with a dot is of the package."""


def listed() -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for files in LAZY.values():
        for file, modules in files.items():
            names[file].update(modules.split())
    return names


def found() -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for path in shape.PACKAGE.rglob("*.py"):
        file = path.relative_to(shape.PACKAGE).with_suffix("").as_posix()
        for name in shape.lazy_imports(path):
            names[file].add(name.removeprefix(shape.PACKAGE.name))
    return dict(names)


def test_what_functions_import_is_listed_with_its_reason() -> None:
    known = listed()
    assert not {file: sorted(names - known[file]) for file, names in found().items() if names - known[file]}


def test_nothing_is_listed_that_is_at_the_top_by_now() -> None:
    there = found()
    left = {file: sorted(names - there.get(file, set())) for file, names in listed().items()}
    assert not {file: names for file, names in left.items() if names}


def test_an_import_is_found_wherever_it_stands_in_a_function(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    file.write_text(
        "import top\n"
        "if top:\n    import top.too\n"
        "class Made:\n"
        "    async def one(self):\n        import a.b, c\n"
        "        def two():\n            from lilfox_tui.jobs import listing as found\n            from d import e\n"
    )
    assert sorted(shape.lazy_imports(file)) == ["a.b", "c", "d", "lilfox_tui.jobs.listing"]
