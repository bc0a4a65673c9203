"""Plans of ``kind: foreign`` in the configuration."""

from __future__ import annotations

import pytest

from lilfox_tui.config.foreign import ForeignPlanConfig, PgbackrestPlanConfig, own_plans, run_plans
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.schema import show
from lilfox_tui.core.errors import ConfigError


def plans(*lines: str) -> str:
    return "hosts: {nas-1: {}}\nbackup:\n  plans:\n" + "".join(f"    {line}\n" for line in lines)


def test_a_plan_is_loaded_and_shown_as_it_was_written() -> None:
    text = plans(
        'files: {kind: foreign, tool: restic, host: nas-1, path: /srv/r, schedule: "30 1 * * *", late_after: 3h}',
        "all: {kind: foreign, tool: command, command: [list, --all]}",
    )
    config = from_text(text, "config.yaml")
    files, command = config.backup.plans["files"], config.backup.plans["all"]
    assert files == ForeignPlanConfig(
        kind="foreign", tool="restic", host="nas-1", path="/srv/r", schedule="30 1 * * *", late_after=files.late_after
    )
    assert (files.place, command.place) == ("nas-1:/srv/r", "list --all")
    assert own_plans(config.backup) == {}
    assert from_text(show(config), "again").backup.plans == config.backup.plans


def test_plans_of_restic_are_run_by_lilfox_and_several_share_a_repository() -> None:
    here = "a: {kind: restic, repository: 'sftp:nas:/r', password_file: /p, paths: [/a, /b], keep: {daily: 7}}"
    there = "b: {kind: restic, repository: 'sftp:nas:/r', password_file: /p, paths: [/c], host: nas-1}"
    config = from_text(plans(here, there), "config.yaml")
    assert [plan.place for plan in config.backup.plans.values()] == ["sftp:nas:/r#/a,/b", "nas-1:sftp:nas:/r#/c"]
    assert (own_plans(config.backup), list(run_plans(config.backup))) == ({}, ["a", "b"])
    assert from_text(show(config), "again").backup.plans == config.backup.plans


def test_a_plan_of_pgbackrest_is_run_by_lilfox_and_has_a_place_of_its_own() -> None:
    config = from_text(
        plans("big: {kind: pgbackrest, stanza: main, host: nas-1, as: postgres, repo: 2}"), "config.yaml"
    )
    plan = config.backup.plans["big"]
    assert plan == PgbackrestPlanConfig(kind="pgbackrest", stanza="main", host="nas-1", as_="postgres", repo=2)
    assert plan.place == "nas-1:pgbackrest:main#repo2"
    assert (own_plans(config.backup), list(run_plans(config.backup))) == ({}, ["big"])
    assert from_text(show(config), "again").backup.plans == config.backup.plans


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a: {kind: foreign, tool: rsync, path: /a}", "restic"),
        ("a: {kind: foreign, tool: restic}", "backup.plans.a.path: tool: restic needs the key path"),
        ("a: {kind: foreign, tool: command, path: /a}", "backup.plans.a.command: tool: command needs the key command"),
        ("a: {kind: foreign, tool: restic, path: a}", "not an absolute path"),
        ("a: {kind: foreign, tool: restic, path: /a, server: main}", "tool: restic does not use the key server"),
        ("a: {kind: foreign, tool: restic, path: /a, host: web-9}", "backup.plans.a.host"),
        ("a: {kind: foreign, tool: restic, path: /a, keep: {last: 1}}", "backup.plans.a.keep"),
        ("a: {kind: foreign, tool: restic, path: /a, late_after: 1h}", "late_after needs a schedule"),
        ("a: {kind: foreign, tool: restic, path: /a, schedule: daily}", "backup.plans.a.schedule"),
        ("a: {kind: pgbackrest}", "stanza"),
        ("a: {kind: pgbackrest, stanza: ../x}", "backup.plans.a.stanza"),
        ("a: {kind: pgbackrest, stanza: main, host: web-9}", "backup.plans.a.host"),
        (
            "a: {kind: pgbackrest, stanza: main, config: a.conf}",
            "“a.conf” is not an absolute path",
        ),
        ("a: {kind: pgbackrest, stanza: main, wal_segment_mb: 24}", "power of two"),
        ("a: {kind: pgbackrest, stanza: main, diff_every: 8d}", "diff_every must be shorter than full_every"),
        ("a: {kind: pgbackrest, stanza: main, keep: {last: 1}}", "backup.plans.a.keep"),
        ("a: {kind: restic, repository: /r, password_file: /p}", "paths"),
        ("a: {kind: restic, repository: /r, password_file: p, paths: [/a]}", "backup.plans.a.password_file"),
        ("a: {kind: restic, repository: /r, password_file: /p, paths: [a]}", "backup.plans.a.paths"),
        ("a: {kind: restic, password_file: /p, paths: [/a]}", "give one of repository and repository_file"),
        (
            "a: {kind: restic, repository: /r, repository_file: /f, password_file: /p, paths: [/a]}",
            "give one of repository and repository_file",
        ),
        ("a: {kind: restic, repository: 'rest:http://u:pw@h/', password_file: /p, paths: [/a]}", "holds a password"),
        ("a: {kind: restic, repository: 'sftp://u:pw@h/r', password_file: /p, paths: [/a]}", "holds a password"),
        ("a: {kind: restic, repository: /r, password_file: /p, paths: [/a], keep: {tagged: 1}}", "remove tagged"),
        ("a: {kind: restic, repository: /r, password_file: /p, paths: [/a], keep: {}}", "keep sets no retention"),
        ("a: {kind: restic, repository: /r, password_file: /p, paths: [/a], every: 1h, diff_every: 1d}", "diff_every"),
    ],
)
def test_what_is_wrong_is_said(line: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(plans(line), "config.yaml")
    assert any(why in problem for problem in caught.value.problems), caught.value.problems


def test_two_plans_cannot_watch_the_same() -> None:
    text = plans("a: {kind: foreign, tool: restic, path: /r}", "b: {kind: foreign, tool: borg, path: /r}")
    with pytest.raises(ConfigError, match=r"backup\.plans\.b: plan a already watches it"):
        from_text(text, "config.yaml")
