"""``lilfox export cron`` and ``systemd-timer``: systemd takes the units and reads the same times out of them."""

from __future__ import annotations

import os
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.backup.plan import next_due
from lilfox_tui.cli.exports.schedules import PATH, UNITS, crontab, on_calendar, systemd_timers
from lilfox_tui.config.cron import read_cron
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import UsageError
from tests.services.lilfox_command import LILFOX, lilfox

BACKUP = """
backup:
  stores: {s: {path: /backup}}
  plans:
    lilfox: {sources: {u: {kind: files, path: /srv/u}}, store: s, schedule: "0 2 * * *"}
    site.eu-1: {sources: {u: {kind: files, path: /srv/u}}, store: s, schedule: "*/30   8-18 13 * fri"}
    by-hand: {sources: {u: {kind: files, path: /srv/u}}, store: s}
"""
SCHEDULES = [
    "0 2 * * *", "*/15 8-18 * * mon-fri", "0 3 13 * fri", "0 3 13 * */5", "30 2 */2 * fri", "@hourly", "@daily",
    "@weekly", "@monthly", "@yearly", "5,35 */6 1,15 jan-mar,dec *", "0 0 29 2 *", "* * * * *", "0 12 * * 0",
    "0 12 * * 7", "59 23 31 12 *", "0 0 1-31 * sun", "0-59 1 * * *", "0 4 1 * 0-6",
]  # fmt: skip
AFTER = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)


def config() -> Config:
    return from_text(BACKUP, "c.yaml")


def elapses(calendar: str, count: int) -> list[datetime]:
    """The next times of an OnCalendar= as systemd reads it, in UTC."""
    base = f"--base-time={AFTER:%Y-%m-%d %H:%M:%S} UTC"
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--iterations={count}", base, calendar],
        env=os.environ | {"TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = [
        line.partition(": ")[2] for line in done.stdout.splitlines() if "Next elapse" in line or "Iteration #" in line
    ]
    return [datetime.strptime(line, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC) for line in lines]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_systemd_reads_the_same_times(schedule: str) -> None:
    count = 12
    found = sorted({at for each in on_calendar(read_cron(schedule)) for at in elapses(each, count)})[:count]
    due, expected = AFTER, []
    for _ in range(count):
        due = next_due(schedule, due, ZoneInfo("UTC"))
        expected.append(due)
    assert found == expected


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    text = systemd_timers(config(), Path("/etc/lil fox/100%.yaml"))
    units: dict[str, str] = {}
    for part in text.split(f"# {UNITS}/")[1:]:
        name, _newline, unit = part.partition("\n")
        units[name] = unit
        (tmp_path / name).write_text(unit)
    assert set(units) == {
        "lilfox-backup@.service", "lilfox-backup@lilfox.timer", "lilfox-backup@site.eu-1.timer",
    }  # fmt: skip
    instance = tmp_path / "lilfox-backup@site.eu-1.service"
    instance.write_text(units["lilfox-backup@.service"])
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", instance, *(tmp_path / name for name in units if name.endswith("r"))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert units["lilfox-backup@site.eu-1.timer"].count("OnCalendar=") == 2
    assert "by-hand" not in text
    assert '"/etc/lil fox/100%%.yaml" backup run %i --quiet' in units["lilfox-backup@.service"]


def test_a_crontab_runs_the_plan_with_absolute_paths(tmp_path: Path) -> None:
    path = tmp_path / "100% of 'it'.yaml"
    lines = [line for line in crontab(config(), path).splitlines() if not line.startswith("#")]
    assert lines[:2] == ["SHELL=/bin/sh", f"PATH={PATH}"]
    assert [line.partition(LILFOX[0])[0] for line in lines[2:]] == ["0 2 * * * ", "*/30 8-18 13 * fri "]
    command = lines[3].split(" ", 5)[5]
    assert "%" not in command.replace("\\%", "")
    words = [*LILFOX, "--config", str(path), "backup", "run", "site.eu-1", "--quiet"]
    assert shlex.split(command.replace("\\%", "%")) == words


def test_what_cron_runs_is_this_lilfox(tmp_path: Path) -> None:
    """The line's command, read as cron and its shell do: % with a backslash is itself."""
    path = tmp_path / "50% 'c'.yaml"
    path.write_text(BACKUP)
    path.chmod(0o600)
    line = crontab(config(), path).splitlines()[-1]
    command = line.split(" ", 5)[5].replace("\\%", "%").replace("backup run site.eu-1 --quiet", "config check")
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": PATH, "HOME": str(tmp_path), "LC_ALL": "C"}, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("valid (0 hosts, 0 services)\n")


def test_the_command_prints_both(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(BACKUP)
    path.chmod(0o600)
    cron, timers = (lilfox("--config", path, "export", kind) for kind in ("cron", "systemd-timer"))
    assert (cron.returncode, timers.returncode) == (0, 0)
    assert cron.stdout == crontab(config(), path)
    assert timers.stdout == systemd_timers(config(), path)


def test_without_a_schedule_nothing_is_made() -> None:
    for export in (crontab, systemd_timers):
        with pytest.raises(UsageError, match="no backup plan has a schedule"):
            export(Config(), None)


def test_a_path_with_a_new_line_is_refused() -> None:
    for export in (crontab, systemd_timers):
        with pytest.raises(UsageError, match="cannot contain this path"):
            export(config(), Path("/etc/a\nb.yaml"))
