"""What becomes of findings from run to run, and what accepts them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditFinding, AuditSeverity, Fix, Found, NotChecked, Report, Target
from lilfox_tui.audit.states import ACCEPTED_FILE, accept, accepted_here, assessed, checked_acceptance, withdraw
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = AT.date()
(CHECK,) = chosen(["firewall"])


def found(target: str, subject: str) -> Found:
    return Found(CHECK, Target("host", target), AuditFinding(subject, Message("policy accept"), Fix(Message("drop"))))


REPORT = Report(AT, (found("web-1", "IPv4"), found("web-1", "IPv6"), found("web-2", "IPv4")))


def entry(target: str | None, subject: str | None, until: date = TODAY, why: str = "elsewhere") -> AcceptConfig:
    return AcceptConfig(id="firewall", target=target, subject=subject, why=why, until=until.isoformat())


def accepted(folder: Path, *configured: AcceptConfig) -> set[tuple[str, str]]:
    result, problems = assessed(REPORT, configured, folder=folder)
    assert problems == ()
    found = [each.found for each in result.entries if each.state == "accepted"]
    return {(each.target.name, each.finding.subject) for each in found}


def test_what_a_command_accepts_counts_beside_the_configuration(tmp_path: Path) -> None:
    assert accepted(tmp_path) == set()
    accept(entry("web-1", "IPv6"), tmp_path)
    assert accepted(tmp_path) == {("web-1", "IPv6")}
    assert accepted(tmp_path, entry("web-2", None)) == {("web-1", "IPv6"), ("web-2", "IPv4")}
    accept(entry("web-1", None), tmp_path)
    assert accepted(tmp_path) == {("web-1", "IPv4"), ("web-1", "IPv6")}
    assert withdraw(entry("web-1", None), tmp_path)
    assert accepted(tmp_path) == {("web-1", "IPv6")}
    assert not withdraw(entry("web-1", None), tmp_path)
    assert (tmp_path / ACCEPTED_FILE).stat().st_mode & 0o077 == 0


def test_the_same_finding_accepted_again_has_the_new_reason_and_day(tmp_path: Path) -> None:
    accept(entry("web-1", "IPv6", TODAY + timedelta(days=30)), tmp_path)
    accept(entry("web-1", "IPv6", why="shorter"), tmp_path)
    assert accepted_here(tmp_path) == (entry("web-1", "IPv6", why="shorter"),)


def test_what_a_check_may_not_have_come_to_is_not_gone(tmp_path: Path) -> None:
    assessed(REPORT, (), folder=tmp_path)
    stopped = Report(AT, REPORT.found[:1], (NotChecked(CHECK, Target("host", "web-1"), Message("no nft")),))
    assert assessed(stopped, (), folder=tmp_path)[0].gone == ()
    ended, _problems = assessed(Report(AT, REPORT.found[:1]), (), folder=tmp_path)
    assert [(each.name, each.subject) for each in ended.gone] == [("web-1", "IPv6")]


def test_a_finding_of_the_named_severity_fails(tmp_path: Path) -> None:
    result, _problems = assessed(REPORT, (), folder=tmp_path)
    assert {each.found.severity for each in result.entries} == {AuditSeverity.MEDIUM}
    assert [result.exit_code(severity) for severity in AuditSeverity] == [1, 1, 0, 0]


def test_an_acceptance_ends_after_its_day(tmp_path: Path) -> None:
    accept(entry("web-1", "IPv6", TODAY - timedelta(days=1)), tmp_path)
    result, _problems = assessed(REPORT, (), folder=tmp_path)
    assert [each.found.finding.subject for each in result.entries if each.expired] == ["IPv6"]
    assert accepted(tmp_path, entry("web-1", "IPv6")) == {("web-1", "IPv6")}  # the later day counts


def test_a_damaged_file_accepts_nothing_and_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / ACCEPTED_FILE).write_text("[{")
    result, problems = assessed(REPORT, (), folder=tmp_path)
    assert [str(each.message) for each in problems] == [f"{tmp_path}/{ACCEPTED_FILE}: not a list of accepted findings"]
    assert all(each.state == "new" for each in result.entries)
    with pytest.raises(LilFoxError):
        accept(entry("web-1", None), tmp_path)
    assert (tmp_path / ACCEPTED_FILE).read_text() == "[{"


@pytest.mark.parametrize(
    ("why", "until"),
    [
        ("", "2027-01-31"),
        ("  ", "2027-01-31"),
        ("why", ""),
        ("why", "31.01.2027"),
        ("why", "20270131"),
        ("why", "2027-02-30"),
        ("why", "2026-11-30"),
    ],
)
def test_a_reason_and_a_day_to_come_are_required(why: str, until: str) -> None:
    with pytest.raises(UsageError):
        checked_acceptance("firewall", "web-1", None, why, until, TODAY)


def test_a_day_is_stored_in_one_form() -> None:
    made = checked_acceptance("firewall", "web-1", None, " why ", "2026-12-1", TODAY)
    assert made == entry("web-1", None, why="why")
