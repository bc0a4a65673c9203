"""The newest result, which all processes of a user share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.kept import KeptResult, merged
from lilfox_tui.audit.model import (
    AuditCheck,
    AuditFinding,
    AuditSeverity,
    Fix,
    Found,
    NotChecked,
    Passed,
    Report,
    Target,
)
from lilfox_tui.audit.states import accept, assessed
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, in_language, ntr, tr

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
WEB, DB = Target("host", "web-1"), Target("host", "db-1")
(FIREWALL,) = chosen(["firewall"])
(SWAP,) = chosen(["oom-kills"])
TOKEN = "ghp_" + "a1B2" * 9
FIX = Fix(tr("Install the updates."), "/etc/nftables.conf", ("policy drop;",), ("nft -c -f /etc/nftables.conf",))


def found(check: AuditCheck, target: Target, evidence: Message, severity: AuditSeverity | None = None) -> Found:
    return Found(check, target, AuditFinding("IPv4", evidence, FIX, severity))


REPORT = Report(
    AT,
    (found(FIREWALL, WEB, tr("no result within {time} s", time=3), AuditSeverity.HIGH),),
    (NotChecked(FIREWALL, DB, ntr("{count} passed", "{count} passed", 2)),),
    (Passed(SWAP, WEB),),
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    one, other = KeptResult(tmp_path / "c.yaml", tmp_path), KeptResult(tmp_path / "c.yaml", tmp_path)
    assert one.read([WEB, DB]) is None
    before = other.token()
    one.write(REPORT)
    assert other.read([WEB, DB]) == REPORT
    assert other.token() != before
    assert all(each.stat().st_mode & 0o077 == 0 for each in tmp_path.iterdir())


def test_each_configuration_has_a_result_of_its_own_about_what_it_still_names(tmp_path: Path) -> None:
    KeptResult(tmp_path / "c.yaml", tmp_path).write(REPORT)
    assert KeptResult(tmp_path / "other.yaml", tmp_path).read([WEB, DB]) is None
    kept = KeptResult(tmp_path / "c.yaml", tmp_path).read([DB])
    assert kept == Report(AT, (), REPORT.not_checked, ())


def test_each_process_shows_it_in_its_own_language(tmp_path: Path) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    with in_language("zh_CN"):
        kept.write(REPORT)
        said = str(REPORT.found[0].finding.evidence)
    report = kept.read([WEB])
    assert report is not None
    assert str(report.found[0].finding.evidence) == "no result within 3 s" != said
    with in_language("zh_CN"):
        assert str(report.found[0].finding.evidence) == said


@pytest.mark.parametrize(
    "evidence",
    [
        Message(f"token {TOKEN}"),
        Message("token {token}", {"token": TOKEN}),
        Message("password={word}", {"word": "hunter2hunter2"}),
        Message("{of}", {"of": Message("token {token}", {"token": TOKEN})}),
    ],
)
def test_no_secret_is_kept(tmp_path: Path, evidence: Message) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    fix = Fix(Message("x"), "", (f"token={TOKEN}",), (f"login --token {TOKEN}",))
    kept.write(Report(AT, (Found(FIREWALL, WEB, AuditFinding("IPv4", evidence, fix)),)))
    text = "".join(each.read_text() for each in tmp_path.glob("result-*"))
    assert TOKEN not in text
    assert "hunter2" not in text
    assert kept.read([WEB]) is not None


def test_what_only_formats_here_is_kept_as_its_text(tmp_path: Path) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    kept.write(Report(AT, (found(FIREWALL, WEB, Message("since {at:%H:%M}", {"at": AT})),)))
    report = kept.read([WEB])
    assert report is not None
    assert str(report.found[0].finding.evidence) == "since 12:00"


def test_a_value_of_any_type_is_kept(tmp_path: Path) -> None:
    """The reason of a scrape that timed out has a time span."""
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    reason = Message("no answer within {time} s, {count} of {share}", {"time": Seconds(10), "count": 2, "share": 0.5})
    kept.write(Report(AT, (found(FIREWALL, WEB, reason),), (NotChecked(FIREWALL, WEB, reason),)))
    report = kept.read([WEB])
    assert report is not None
    assert str(report.found[0].finding.evidence) == str(report.not_checked[0].reason) == str(reason)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "at": "2026-12-01T12:00:00", "outcomes": []}',
        '{"version": 1, "at": "2026-12-01T12:00:00Z", "outcomes": [{"check": 1}]}',
        (
            '{"version": 1, "at": "2026-12-01T12:00:00Z", "outcomes": [{"check": "firewall", "kind": "host", '
            '"name": "web-1", "reason": {"text": "{nosuch} {0}", "values": {"a": 1}}}]}'
        ),
        (
            '{"version": 1, "at": "2026-12-01T12:00:00Z", "outcomes": [{"check": "firewall", "kind": "host", '
            '"name": "web-1", "subject": "x", "severity": 99}]}'
        ),
        '{"version": 1, "at": "2026-12-01T12:00:00Z", "outcomes": [{"check": "firewall", "kind": "host", '
        '"name": "web-1", "reason": ' + '{"text": "a", "values": {"a": ' * 5000 + "1" + "}}" * 5000 + "}]}",
        "\x00" * 100,
    ],
)
def test_a_damaged_file_is_told_of_and_not_used(tmp_path: Path, text: str) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    kept.write(REPORT)
    (path,) = tmp_path.glob("result-*")
    path.write_text(text)
    with pytest.raises(LilFoxError, match="not a result of the audit; not used"):
        kept.read([WEB])
    kept.write(REPORT)
    assert kept.read([WEB, DB]) == REPORT


def test_a_file_of_another_version_is_told_of_and_not_used(tmp_path: Path) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    kept.write(REPORT)
    (path,) = tmp_path.glob("result-*")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(LilFoxError, match="another version of LilFox"):
        kept.read([WEB])


def test_one_process_runs_at_a_time(tmp_path: Path) -> None:
    one, other = KeptResult(tmp_path / "c.yaml", tmp_path), KeptResult(tmp_path / "c.yaml", tmp_path)
    assert one.begin()
    assert not other.begin()
    assert KeptResult(tmp_path / "other.yaml", tmp_path).begin()
    one.end()
    assert other.begin()
    other.end()
    assert KeptResult(None, tmp_path / "nosuch").begin(), "nothing is shared, and nothing hinders a run"


def test_a_part_that_was_run_again_is_replaced_in_the_whole(tmp_path: Path) -> None:
    later = AT + timedelta(hours=1)
    both = Report(AT, (*REPORT.found, found(FIREWALL, DB, Message("x"))), (), REPORT.passed)
    mended = merged(both, Report(later, (), (), (Passed(FIREWALL, WEB),)), [FIREWALL], {"host": [WEB]})
    assert [each.target for each in mended.found] == [DB]
    assert {(each.check.id, each.target) for each in mended.passed} == {("firewall", WEB), ("oom-kills", WEB)}
    assert mended.at == AT, "it is due as before"
    absent = merged(both, Report(later), [FIREWALL], {"host": [WEB, DB]})
    assert absent.found == ()


def test_every_process_says_the_same_of_when_it_was_found(tmp_path: Path) -> None:
    kept = KeptResult(tmp_path / "c.yaml", tmp_path)
    kept.write(REPORT)
    first, _problems = assessed(REPORT, (), folder=tmp_path)
    report = kept.read([WEB, DB])
    assert report is not None
    second, _problems = assessed(report, (), folder=tmp_path, is_new=False)
    assert second.entries == first.entries
    assert [each.state for each in second.entries] == ["new"]
    again, _problems = assessed(Report(AT + timedelta(hours=6), REPORT.found), (), folder=tmp_path)
    assert [(each.state, each.first_seen) for each in again.entries] == [("unchanged", AT)]


def test_a_result_that_is_not_new_brings_nothing_back(tmp_path: Path) -> None:
    assessed(REPORT, (), folder=tmp_path)
    assessed(Report(AT + timedelta(hours=1), (), (), (Passed(FIREWALL, WEB),)), (), folder=tmp_path)
    assessed(REPORT, (), folder=tmp_path, is_new=False)
    back, _problems = assessed(Report(AT + timedelta(hours=2), REPORT.found), (), folder=tmp_path)
    assert [each.state for each in back.entries] == ["new"]


def test_an_acceptance_changes_the_token(tmp_path: Path) -> None:
    kept = KeptResult(None, tmp_path)
    before = kept.token()
    accept(AcceptConfig(id="firewall", target="web-1", subject="IPv4", why="known", until="2027-01-01"), tmp_path)
    assert kept.token() != before


def test_a_damaged_memory_of_findings_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "findings.json").write_text("[{")
    result, problems = assessed(REPORT, (), folder=tmp_path)
    assert [each.state for each in result.entries] == ["new"]
    assert "not a list of findings" in str(problems[0].message)
    assert assessed(REPORT, (), folder=tmp_path)[1] == ()
