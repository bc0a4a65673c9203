"""The schedules of backup plans for cron and for systemd: the same times, the same command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lilfox_tui.cli.exports.formatting import comment, unit_word
from lilfox_tui.config.cron import Cron, read_cron
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, tr

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What cron gives is shorter; pg_dump, tar and ssh are looked for here."""
UNITS = "/etc/systemd/system"
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_SERVICE = """\
[Unit]
Description=LilFox backup plan %i
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
Environment=PATH={path}
UMask=0077
"""
_TIMER = """\
[Unit]
Description=LilFox backup plan {plan} ({schedule})

[Timer]
{calendar}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""


def crontab(config: Config, path: Path | None) -> str:
    """Lines for crontab(1): a user's, not ``/etc/cron.d``. ``path`` is the configuration's. Raises UsageError where no
    plan has a schedule, and for a path that a crontab cannot hold."""
    text = comment(_("Made by lilfox export cron from LilFox's configuration. Put it in: crontab -e"))
    text += comment(_("Times are the machine's own. Exit status: 0 good, 1 failed, 3 partly; cron mails what is said."))
    text += f"SHELL=/bin/sh\nPATH={PATH}\n"
    for name, schedule in _scheduled(config):
        command = " ".join(shlex.quote(word) for word in _argv(path, name))
        text += f"{' '.join(schedule.split())} {_crontab_word(command)}\n"
    return text


def systemd_timers(config: Config, path: Path | None) -> str:
    """One service for all plans and a timer for each, every unit under its file's name. Raises UsageError as
    :func:`crontab` does."""
    scheduled = _scheduled(config)
    argv = " ".join("%i" if word == "%i" else unit_word(word) for word in _argv(path, "%i"))
    text = comment(_("Made by lilfox export systemd-timer from LilFox's configuration."))
    enable = " ".join(f"lilfox-backup@{name}.timer" for name, _schedule in scheduled)
    text += comment(_("Put each part into the file above it, then: systemctl enable --now {timers}", timers=enable))
    text += _unit("lilfox-backup@.service", _SERVICE.format(command=argv, path=PATH))
    for name, schedule in scheduled:
        calendar = "\n".join(f"OnCalendar={each}" for each in on_calendar(read_cron(schedule)))
        timer = _TIMER.format(plan=name, schedule=schedule.replace("%", "%%"), calendar=calendar)
        text += _unit(f"lilfox-backup@{name}.timer", timer)
    return text


def _unit(name: str, text: str) -> str:
    return f"\n# {UNITS}/{name}\n{text}"


def _scheduled(config: Config) -> list[tuple[str, str]]:
    found = [(name, plan.schedule) for name, plan in config.backup.plans.items() if plan.schedule is not None]
    if not found:
        raise UsageError(
            tr("no backup plan has a schedule"), tr("add one to a plan under backup:, such as schedule: 0 2 * * *")
        )
    return found


def _argv(path: Path | None, plan: str) -> list[str]:
    config = [] if path is None else ["--config", str(path)]
    return [sys.executable, "-m", "lilfox_tui", *config, "backup", "run", plan]


def _crontab_word(command: str) -> str:
    """As the sixth field of a crontab, in which % means a new line unless a backslash is before it (crontab(5))."""
    if any(ord(char) < 0x20 or char == "\x7f" for char in command):
        raise UsageError(tr("{command}: a crontab cannot hold this path", command=command), tr("rename it"))
    return command.replace("%", "\\%")


def on_calendar(cron: Cron) -> tuple[str, ...]:
    """The same times as systemd.time(7) has them: two where cron wants one of two days, which OnCalendar= cannot say
    in one."""
    months = "*" if len(cron.months) == 12 else _list(cron.months)
    days = "*" if len(cron.days) == 31 else _list(cron.days)
    hours = "*" if len(cron.hours) == 24 else _list(cron.hours)
    minutes = "*" if len(cron.minutes) == 60 else _list(cron.minutes)
    weekdays = "" if len(cron.weekdays) == 7 else ",".join(_WEEKDAYS[day] for day in cron.weekdays) + " "
    clock = f"{hours}:{minutes}:00"
    if cron.both_days:
        return (f"{weekdays}*-{months}-{days} {clock}",)
    if days == "*" or not weekdays:
        return (f"*-{months}-* {clock}",)
    return (f"*-{months}-{days} {clock}", f"{weekdays}*-{months}-* {clock}")


def _list(numbers: Sequence[int]) -> str:
    return ",".join(f"{number:02d}" for number in numbers)
