"""systemd, its journal, and services in general."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.readers.spec import Context, Spec, Verdict
from lilfox_tui.runbook.shell_values import Argument


def _service(words: Sequence[Argument], _context: Context) -> Verdict:
    """It runs a file of the name that it is given: no other words, and a plain name."""
    texts = [word.text for word in words]
    if texts == ["--status-all"]:
        return "read"
    if len(texts) != 2 or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*", texts[0] or ""):
        return "unknown"
    return "read" if texts[1] == "status" else "change"


_UNITS = Spec(operands="unit*")
_NONE = Spec()
_JOURNAL = (
    "-a -e -x -k -r -q -m -N --all --pager-end --catalog --dmesg --reverse --quiet --merge --no-pager --no-full "
    "--full -l "
    "--no-hostname --no-tail --utc --system --user --list-boots --fields --disk-usage --header --list-catalog --verify "
    "--show-cursor --truncate-newline -n=/[+]?[0-9]+|all/ --lines[=number] -b[=boot] --boot[=boot] -u=unit --unit=unit "
    "--user-unit=unit -o=word --output=word --output-fields=fields -p=word --priority=word -t=name --identifier=name "
    "-S=time "
    "--since=time -U=time --until=time -g=pattern --grep=pattern --case-sensitive[=bool] -c=cursor --cursor=cursor "
    "--after-cursor=cursor -F=field --field=field -D=path --directory=path --facility=word -M=word --machine=word"
)

TABLE: dict[str, Spec] = {
    "systemctl": Spec(
        reads="-a -l -q -r --all --full --quiet --recursive --no-pager --no-legend --plain --failed --user --system "
            "-t=word "
        "--type=word --state=word -p=names --property=names -P=name -n=number --lines=number -o=word --output=word "
        "--value "
        "--with-dependencies --show-types --reverse --after --before --no-ask-password --timestamp=word --legend=bool",
        inherits=True,
        subs={
            **dict.fromkeys(
                ("status", "show", "cat", "is-active", "is-enabled", "is-failed", "list-units", "list-unit-files",
                 "list-timers", "list-sockets", "list-jobs", "list-dependencies", "list-automounts", "list-paths",
                 "list-machines"), _UNITS,
            ),
            "is-system-running": _NONE, "get-default": _NONE, "show-environment": _NONE,
            "edit": Spec(operands="unit*", verdict="interactive"),
        },
    ),
    "journalctl": Spec(reads=_JOURNAL, follows="-f --follow", operands="text*", counted=True),
    "service": Spec(own=_service),
    "loginctl": Spec(
        reads="--no-pager --no-legend -a -l --all --full -p=names --property=names --value", inherits=True,
        subs={
            "list-sessions": _NONE, "list-users": _NONE, "list-seats": _NONE, "session-status": _UNITS,
                "show-session": _UNITS,
            "user-status": _UNITS, "show-user": _UNITS,
        },
    ),
    "hostnamectl": Spec(reads="--static --pretty --transient", subs={"status": _NONE, "hostname": _NONE}),
    "timedatectl": Spec(
        reads="--no-pager -a --all -p=names --property=names --value", inherits=True,
        subs={"status": _NONE, "show": _NONE, "timesync-status": _NONE, "show-timesync": _NONE,
            "list-timezones": _NONE},
    ),
    "localectl": Spec(reads="--no-pager", subs={"status": _NONE, "list-locales": _NONE}),
    "resolvectl": Spec(
        reads="-4 -6 --no-pager --legend=bool", inherits=True,
        subs={"status": _UNITS, "statistics": _NONE, "query": Spec(reads="-t=type --type=type", operands="name*"),
              "dns": Spec(operands="word"), "domain": Spec(operands="word")},
    ),
    "networkctl": Spec(
        reads="-a -s --all --stats --no-pager --no-legend -l --full", inherits=True,
        subs={"list": _UNITS, "status": _UNITS, "lldp": _UNITS},
    ),
    "systemd-analyze": Spec(
        reads="--no-pager --user --system", inherits=True,
        subs={"time": _NONE, "blame": _NONE, "critical-chain": _UNITS, "calendar": Spec(reads="--iterations=number",
              operands="text*"), "timespan": Spec(operands="text*"), "security": _UNITS},
    ),
    "systemd-cgls": Spec(reads="-a -l --all --full --no-pager -k -u=unit --unit=unit", operands="path*"),
    "systemd-cgtop": Spec(
        reads="-b -p -t -c -m -i -k -P -n=number -d=number --batch --iterations=number --delay=number --depth=number "
            "--raw",
        needs="-n --iterations", otherwise="interactive", operands="path",
    ),
    "systemd-detect-virt": Spec(reads="-c -v -q --container --vm --quiet"),
    "coredumpctl": Spec(
        reads="--no-pager --no-legend -1 -r -S=time -U=time --since=time --until=time -F=field --reverse",
            inherits=True,
        subs={"list": Spec(operands="text*"), "info": Spec(operands="text*")},
    ),
    "machinectl": Spec(reads="--no-pager -a -l --all --full", inherits=True, subs={"list": _NONE, "status": _UNITS,
                                                                                  "show": _UNITS}),
    "bootctl": Spec(reads="--no-pager", subs={"status": _NONE, "list": _NONE}),
    "crontab": Spec(reads="-l -u=user", interactive="-e", needs="-l -e"),
    "atq": Spec(reads="-q=word"),
    "supervisorctl": Spec(alone="interactive",
        reads="-c=host-config", subs={"status": Spec(operands="text*"), "avail": _NONE, "version": _NONE, "pid": Spec(
            operands="text"), "tail": Spec(operands="text text")},
    ),
    "rc-status": Spec(reads="-a -l -s -c --all"),
    "initctl": Spec(subs={"list": _NONE, "status": Spec(operands="word")}),
    "monit": Spec(alone="change", subs={"status": Spec(operands="word"), "summary": Spec(operands="word")}),
    "chronyc": Spec(alone="interactive",
        reads="-n -c -4 -6", subs=dict.fromkeys(("tracking", "sources", "sourcestats", "activity", "ntpdata",
            "serverstats"),
                                                Spec(reads="-v -a")),
    ),
    "ntpq": Spec(reads="-p -n -4 -6 -c={rv|peers|pe|as|associations|lpeers|sysinfo}", needs="-p -c", otherwise=
        "interactive",
                 operands="host*"),
    "ntpstat": Spec(),
    "lilfox": Spec(
        alone="interactive",
        reads="--config=host-config --host=word --language=word --json", inherits=True,
        subs={
            "check": Spec(reads="--json", operands="word*"),
            "query": Spec(reads="--json --range=text --at=time --step=text", operands="text"),
            "jobs": Spec(subs={"list": _NONE, "show": Spec(operands="word")}),
            "logs": Spec(reads="--since=time --until=time --where=text -n=number --lines=number", follows="-f --follow",
                         operands="text*"),
            **{each: Spec(subs={"list": _NONE, "show": Spec(operands="text*"), "lint": Spec(operands="path*")})
               for each in ("runbook", "alerts", "backup", "incident")},
        },
    ),
}  # fmt: skip
