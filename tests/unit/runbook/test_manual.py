"""The operations manual that ``LILFOX_MANUAL`` names, as it is: what it means is what is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lilfox_tui.runbook.library import bundled
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import Document, Runbook
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.parse.fences import SyntaxProbe, split

pytestmark = pytest.mark.skipif("LILFOX_MANUAL" not in os.environ, reason="LILFOX_MANUAL names no manual")

MEANT = {
    "数据库故障": [
        ("检查数据库状态", [("read", "sudo systemctl status postgresql", [])]),
        ("查看数据库日志", [("follow", "sudo tail -f /var/log/postgresql/postgresql-*.log", [])]),
        ("尝试重启数据库", [("change", "sudo systemctl restart postgresql", [])]),
        (
            "如无法恢复，使用备用数据库",
            [
                ("change", 'export DATABASE_URL="postgresql://lilfox:password@backup-db:5432/lilfox"', []),
                ("change", "sudo systemctl restart lilfox-backend", []),
            ],
        ),
    ],
    "服务崩溃": [
        ("查看服务日志", [("read", "sudo journalctl -u lilfox-backend -n 100", [])]),
        ("检查资源使用", [("interactive", "htop", []), ("read", "df -h", [])]),
        ("重启服务", [("change", "sudo systemctl restart lilfox-backend", [])]),
        (
            "如持续崩溃，回滚到上一版本",
            [
                ("read", "git log --oneline -10", []),
                ("change", "git checkout <previous-commit>", ["previous-commit"]),
                ("change", "sudo systemctl restart lilfox-backend", []),
            ],
        ),
    ],
    "网络攻击": [
        (
            "识别攻击类型",
            [
                ("follow", "sudo tail -f /var/log/nginx/access.log", []),
                (
                    "read",
                    "sudo awk '{print $1}' /var/log/nginx/access.log | sort | uniq -c | sort -nr | head -20",
                    [],
                ),
            ],
        ),
        ("临时封禁 IP", [("change", "sudo iptables -A INPUT -s <attack-ip> -j DROP", ["attack-ip"])]),
        (
            "启用更严格的限流",
            [("none", '# 临时降低限流阈值\nRATE_LIMIT_CONFIG["default"]["requests_per_minute"] = 10', [])],
        ),
        ("联系安全团队", []),
    ],
}
HAZARDS = {
    1: {"pipe-hides-failure", "success-unchecked"},
    2: {"status-of-another", "failure-passed-over"},
    3: {"success-unchecked"},
    4: {"prunes-after-failure"},
    5: {"never-pruned", "restored-from-elsewhere"},
    6: {"two-clocks"},
    7: {"restore-without-preflight"},
    8: {"psql-goes-on"},
    9: {"gunzip-removes"},
    10: {"unpacks-into-root", "overwrites-secrets"},
    11: {"relative-path"},
    12: {"readable-by-all"},
    13: {"asks-password", "secret-in-text"},
    14: {"unquoted-variable"},
    15: {"dump-without-roles"},
    16: {"no-lock"},
    17: {"no-mount-check"},
    18: {"log-on-same-disk"},
    19: {"retention-differs"},
    20: {
        "sed-matches-nothing", "without-sudo", "reload-untested", "port-taken", "state-forgotten", "restart-unchecked",
        "value-unused", "unpinned", "migrates-without-backup", "goes-on-after-failure",
    },
    21: {"nobody-writes-it", "restore-without-preflight", "goes-on-after-failure", "checkout-alone", "value-unchecked"},
    22: {"starts-what-was-stopped", "active-is-not-healthy", "log-folder-missing"},
    23: {"starttls-unverified", "bare-except", "mails-each-time", "only-this-host"},
    24: {"iptables-append"},
    25: {"export-no-effect", "secret-in-text"},
    26: {"placeholder-untyped"},
    27: {"edit-in-no-process"},
    28: {"exception-is-text", "naive-time"},
    29: {"log-folder-missing"},
}  # fmt: skip
"""Section 2 of the table of faults, each of its rows, as lint names them; docs/runbooks.md has the same."""
SPREAD = {
    "follow-first": "# 查看 Nginx 访问日志",
    "interactive-first": "htop",
    "export-no-effect": "backup-db",
    "iptables-append": "iptables",
    "gunzip-removes": "gunzip lilfox_",
    "sed-matches-nothing": "sed -i",
    "starttls-unverified": "starttls",
    "port-taken": "GREEN_PORT=8001",
    "checkout-alone": "git checkout",
}
"""Codes, and what is in a line that they are said of or in the one above."""


LIBRARY = {
    "#### Prometheus + Grafana": "install-prometheus",
    "#### ELK Stack": "install-elk",
    "#### Loki + Grafana": "install-loki",
    "### 恢复流程": "restore-from-backup",
    "#### 蓝绿部署": "blue-green",
    "#### 滚动更新": "rolling-update-kubernetes",
    "### 回滚策略": "rollback",
    "#### 数据库故障": "database-failure",
    "#### 服务崩溃": "service-crash",
    "#### 网络攻击": "network-attack",
}
"""Headings of procedures in the manual, and the bundled runbook for each."""


@pytest.fixture(scope="module")
def document() -> Document:
    return read(Path(os.environ["LILFOX_MANUAL"]))


def _read(runbook: Runbook) -> list[tuple[str, list[tuple[str, str, list[str]]]]]:
    return [
        (
            step.title,
            [(command.kind, command.text, [each.name for each in command.placeholders]) for command in step.commands],
        )
        for step in runbook.steps
    ]


def test_three_runbooks_are_read_as_they_are_meant(document: Document) -> None:
    assert {runbook.title: _read(runbook) for runbook in document.runbooks} == MEANT
    assert document.problems == ()


def test_all_fences_are_found(document: Document) -> None:
    assert len(document.fences) == 56


def test_what_is_done_by_hand_is_a_checklist(document: Document) -> None:
    step = document.runbooks[2].steps[3]

    assert step.checklist == ("收集攻击证据", "记录攻击时间、IP、类型", "通知相关人员")


def test_each_shell_fence_is_split_without_asking_bash(document: Document) -> None:
    fences = [fence for fence in document.fences if fence.language == "bash"]

    assert len(fences) == 28
    for fence in fences:
        parts = split(fence.text, SyntaxProbe(0))
        assert not any(part.whole or part.syntax_error for part in parts), fence.line


@pytest.mark.fault("2.20", "2.21", "2.22", "2.24", "2.25", "2.26", "2.27")
@pytest.mark.parametrize("row", HAZARDS)
def test_each_hazard_of_the_table_is_named(row: int, document: Document) -> None:
    assert HAZARDS[row] <= {problem.code for problem in lint(document)}


@pytest.mark.parametrize("code", SPREAD)
def test_hazards_are_said_of_their_lines(code: str, document: Document) -> None:
    lines = Path(os.environ["LILFOX_MANUAL"]).read_text().split("\n")

    said = [problem.line for problem in lint(document) if problem.code == code]

    assert any(SPREAD[code] in f"{lines[line - 2]}\n{lines[line - 1]}" for line in said)


def test_what_is_in_the_manual_is_no_error(document: Document) -> None:
    assert {problem.severity for problem in lint(document)} == {"warning"}


@pytest.mark.parametrize(("heading", "name"), LIBRARY.items())
def test_a_procedure_of_the_manual_has_its_bundled_runbook(heading: str, name: str) -> None:
    lines = Path(os.environ["LILFOX_MANUAL"]).read_text().split("\n")
    found = {runbook.id for each in bundled() for runbook in each.runbooks}

    assert heading in lines
    assert name in found
