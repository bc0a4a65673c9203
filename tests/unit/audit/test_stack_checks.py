"""The checks of log stacks, on files as they stand on hosts: the manual's, ours, and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.stack.files import parse_files
from lilfox_tui.audit.model import Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import ExportedFile, Printed
from lilfox_tui.cli.exports.log_stack import LOG_STACK, exported_files
from lilfox_tui.config.loader import from_text
from tests.lab.manual_stack import LOKI, PROMTAIL

CONFIG = from_text(
    "hosts: {web-1: {address: 192.0.2.1}, db-1: {address: 192.0.2.2}}\n"
    "logs: {app: {path: /var/log/lilfox/app.log, host: web-1, format: json_lines, zone: UTC}}\n",
    "lilfox.yaml",
)


def printed(**files: str) -> Printed:
    text = "2026-12-01\n"
    for path, content in files.items():
        text += f"{len(content.encode())} {path}\n{content}\n"
    return Printed(text)


def findings(files: Mapping[str, str], check: str, host: str = "web-1") -> list[Any]:
    answers = {"log-stack-files": printed(**files), "exported-files": exported_files(CONFIG, host)}
    return list(judged(Target("host", host), chosen([check]), answers))


def found(files: Mapping[str, str], check: str, host: str = "web-1") -> dict[str, Any]:
    return {each.finding.subject: each.finding for each in findings(files, check, host) if isinstance(each, Found)}


def test_the_files_come_whole_whatever_is_in_them() -> None:
    content = "12 /etc/x\n\n# Zürich\n2026-12-01\n"
    got = parse_files(printed(**{"/etc/a b.yml": content, "/etc/loki/c.yml": ""}))
    assert got.files == {"/etc/a b.yml": content, "/etc/loki/c.yml": ""}


def test_the_manuals_loki_has_an_old_schema_and_keeps_its_data_in_tmp() -> None:
    files = {"/etc/loki/config.yml": LOKI, "/etc/promtail/promtail.yml": PROMTAIL}
    schema = found(files, "loki-schema")["schema_config"]
    assert "from 2020-10-24, uses the store boltdb-shipper and the schema v11" in str(schema.evidence)
    assert schema.fix.lines[:2] == ("    - from: 2026-12-03", "      store: tsdb")
    state = found(files, "log-state-in-tmp")
    assert state.keys() == set(files)
    assert "[ ! -e /tmp/loki ] || cp -a /tmp/loki/. /var/lib/loki/" in state["/etc/loki/config.yml"].fix.commands
    assert "sed -i 's#/tmp/positions.yaml#/var/lib/promtail/positions.yaml#g' /etc/promtail/promtail.yml" in (
        state["/etc/promtail/promtail.yml"].fix.commands
    )


def test_what_is_read_or_made_anew_in_tmp_is_not_kept_there() -> None:
    files = {
        "/etc/promtail/promtail.yml": "positions: {filename: /var/lib/promtail/positions.yaml}\n"
        "scrape_configs:\n- static_configs:\n  - labels: {__path__: /tmp/shop/*.log}\n",
        "/etc/loki/config.yml": "schema_config: {}\nruler:\n  rule_path: /tmp/rules\n",
    }
    assert not found(files, "log-state-in-tmp")
    flow = {"/etc/promtail/promtail.yml": "positions: {filename: /tmp/positions.yaml}  # on one line\n"}
    assert "keeps /tmp/positions.yaml" in str(found(flow, "log-state-in-tmp")["/etc/promtail/promtail.yml"].evidence)


def test_what_lilfox_exports_is_well() -> None:
    files = {
        "/etc/loki/config.yml": LOG_STACK["loki"](CONFIG, None),
        "/etc/alloy/config.alloy": exported_files(CONFIG, "web-1")["alloy"].text,
        "/etc/logstash/conf.d/lilfox.conf": exported_files(CONFIG, "web-1")["logstash"].text,
    }
    for check in ("loki-schema", "log-state-in-tmp", "export-changed"):
        assert not found(files, check)


def test_a_file_that_was_changed_after_the_export() -> None:
    text = exported_files(CONFIG, "web-1")["alloy"].text
    path = "/etc/alloy/config.alloy"
    changed = text.replace("/var/log/lilfox/app.log", "/var/log/lilfox/old.log")
    finding = found({path: changed}, "export-changed")[path]
    assert "2 lines differ" in str(finding.evidence)
    assert "/var/log/lilfox/old.log" in str(finding.evidence)
    assert finding.fix.commands == ("lilfox export alloy --host web-1 >config.alloy",)
    assert not found({path: f"// checked by Mia\n\n{text}"}, "export-changed")


def test_a_file_of_others_is_not_compared() -> None:
    assert findings({"/etc/alloy/config.alloy": 'loki.write "x" { }\n'}, "export-changed") == []


def test_a_file_of_a_host_without_logs() -> None:
    text = exported_files(CONFIG, "web-1")["alloy"].text
    finding = found({"/etc/alloy/config.alloy": text}, "export-changed", "db-1")["/etc/alloy/config.alloy"]
    assert "the configuration has no log of this host" in str(finding.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "schema_config: [",
        "schema_config: 3",
        "schema_config: {configs: []}",
        "schema_config: {configs: [{store: tsdb}]}",
    ],
)
def test_a_schema_that_cannot_be_read_is_not_known(text: str) -> None:
    (outcome,) = findings({"/etc/loki/config.yml": text}, "loki-schema")
    assert isinstance(outcome, NotChecked)


def test_without_any_file_there_is_nothing_to_judge() -> None:
    for check in ("loki-schema", "log-state-in-tmp", "export-changed"):
        assert findings({}, check) == []


def test_without_exports_nothing_is_compared() -> None:
    text = exported_files(CONFIG, "web-1")["alloy"].text
    files = printed(**{"/etc/alloy/config.alloy": text})
    (outcome,) = judged(
        Target("host", "web-1"),
        chosen(["export-changed"]),
        {"log-stack-files": files, "exported-files": NotKnown(chosen(["export-changed"])[0].title)},
    )
    assert isinstance(outcome, NotChecked)


def test_kinds_without_a_file_on_hosts_are_not_compared() -> None:
    files = exported_files(CONFIG, "web-1")
    assert files.keys() == {"alloy", "promtail", "logstash", "filebeat"}
    assert all(isinstance(each, ExportedFile) for each in files.values())
    assert exported_files(CONFIG, "db-1") == {}
