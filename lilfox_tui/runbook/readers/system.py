"""Programs that show processes, users, the kernel, systemd units and packages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, Spec, Verdict

# Processes, memory, users, the kernel and the machine.


def _counting(call: ProgramCall, _context: Context) -> Verdict:
    """Judge an optional count: an interval without a count has no end."""
    numbers = [text for text in call.texts if text is not None and text.isdecimal()]
    return "follow" if len(numbers) == 1 else "read"


def _free(call: ProgramCall, _context: Context) -> Verdict:
    endless = call.has("-s", "--seconds") and not call.has("-c", "--count")
    return "follow" if endless else "read"


def _iotop(call: ProgramCall, _context: Context) -> Verdict:
    """Judge iotop: in batch mode it has no end without a count."""
    return "follow" if call.has("-b", "--batch") and not call.has("-n", "--iter") else "read"


def _lsof(call: ProgramCall, _context: Context) -> Verdict:
    """Judge lsof: ``+r`` repeats like ``-r``, until there is nothing to list."""
    return "follow" if any(each.head.startswith("+r") for each in call.operands) else "read"


def _top(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if call.has("-n", "--iterations") or not call.has("-b", "--batch-mode") else "follow"


def _limits(call: ProgramCall, _context: Context) -> Verdict:
    """Judge prlimit: without a limit it shows the current ones."""
    return "read" if call.has("-p", "--pid") else "unknown"


_WHO = Spec(
    reads="-a -b -d -H -l -m -p -q -r -t -T -u -w -s --all --boot --count --heading", operands="{am|i|mom|likes}*"
)
_LAST = Spec(
    reads="-a -d -F -i -n=number -R -s=time -t=time -p=time -w -x -f=path --hostlast --fulltimes --limit=number "
        "--since=time "
    "--until=time --system --time-format=word",
    operands="text*", counted=True,
)  # fmt: skip
_COUNTED = "/[0-9]+/ /[0-9]+/"

_PROCESSES_PROGRAMS: dict[str, Spec] = {
    "ps": Spec(
        reads="-A -a -d -e -f -F -H -j -l -L -M -N -T -V -w -y -Z -c -m -o=format -O=format -p=pids -q=pids -u=users "
            "-U=users "
        "-C=names -g=groups -G=groups -s=sessions -t=terminals --forest --no-headers --no-heading --headers "
        "--sort=keys "
        "--pid=pids --ppid=pids --user=users --format=format --cols=number --columns=number --width=number "
        "--rows=number "
        "--lines=number --group=groups --sid=sessions --tty=terminals --deselect --context",
        operands="/[A-Za-z0-9_,.:%=+-]*/*",
    ),
    "top": Spec(
        reads="-b -c -H -i -S -1 -d=number -n=number -p=pids -u=user -U=user -o=field -e=scale -E=scale -w[=width] "
            "--batch-mode "
        "--iterations=number --delay=number --pid=pids --sort-override=field --width[=width] --threads-show",
        needs="-b --batch-mode", otherwise="interactive", check=_top,
    ),
    "free": Spec(
        reads="-b -k -m -g -h -l -t -v -w -L -s=number -c=number --bytes --kibi --mebi --gibi --kilo --mega --giga "
            "--tera "
        "--human --si --lohi --total --committed --wide --line --seconds=number --count=number",
        check=_free,
    ),
    "vmstat": Spec(
        reads="-a -f -m -n -s -d -D -p=device -S=unit -w -t -y --active --forks --slabs --one-header --stats --disk "
        "--disk-sum --partition=device --unit=unit --wide --timestamp --no-first",
        operands=_COUNTED, check=_counting, apart=True,
    ),
    "iostat": Spec(reads="-c -d -h -H -k -m -N -p -s -t -x -y -z --human --pretty", operands="word*",
        check=_counting, apart=True),
    "mpstat": Spec(reads="-A -n -u -P=cpus -I=words -N=nodes -T -H", operands=_COUNTED, check=_counting, apart=True),
    "pidstat": Spec(
        reads="-d -h -H -I -l -R -r -s -t -u -U -v -w -p=pids -C=name -G=name -T=word --human", operands=_COUNTED,
        check=_counting, apart=True,
    ),
    "sar": Spec(
        reads="-A -b -B -d -F -h -H -p -q -r -R -S -t -u -v -w -W -y -z -f=path -i=number -m=words -n=words "
            "-P=cpus "
        "-s=time -e=time --human --pretty --dec=number",
        operands=_COUNTED, check=_counting, apart=True,
    ),
    "iotop": Spec(
        reads="-b -o -P -a -k -t -q -n=number -d=number -p=pid -u=user --batch --only --processes --accumulated "
            "--kilobytes "
        "--time --quiet --iter=number --delay=number --pid=pid --user=user",
        needs="-b --batch", otherwise="interactive", check=_iotop,
    ),
    "lsof": Spec(
        reads="-n -P -t -l -a -R -U -N -V -b -w -X -O -i[=address] -p=pids -u=users -c=name -g[=groups] -d=fds "
            "-s[=states] "
        "-F[=fields] -K[=i] -S[=seconds]",
        follows="-r[=seconds]", operands="text*", check=_lsof,
    ),
    "fuser": Spec(reads="-v -u -m -a -c -4 -6 -n=space -M --verbose --user --mount --all --namespace=space",
                  operands="text*", ends=False),
    "pgrep": Spec(
        reads="-l -a -f -c -n -o -x -v -w -i -d=text -u=users -U=users -P=pids -g=groups -G=groups -s=sessions "
            "-t=terminals "
        "-r=states --list-name --list-full --full --count --newest --oldest --exact --inverse --lightweight "
        "--ignore-case "
        "--delimiter=text --euid=users --uid=users --parent=pids --group=groups --session=sessions "
        "--terminal=terminals "
        "--runstates=states",
        operands="pattern",
    ),
    "pidof": Spec(reads="-s -c -q -w -x -o=pids -t -S=text --single-shot --omit-pid=pids", operands="name*"),
    "pstree": Spec(
        reads="-a -A -c -g -G -h -l -n -p -s -S -t -T -u -U -Z -H=pid -N=word --arguments --ascii --compact-not "
            "--show-pids "
        "--show-parents --long --numeric-sort --uid-changes --unicode --thread-names --hide-threads",
        operands="text*",
    ),
    "pmap": Spec(reads="-x -X -d -q -p -A=range -c --extended --device --quiet --show-path", operands="pid*"),
    "pwdx": Spec(operands="pid*"),
    "prlimit": Spec(reads="-p=pid --pid=pid --output=columns -o=columns --noheadings --raw", check=_limits),
    "uptime": Spec(reads="-p -s --pretty --since"),
    "w": Spec(reads="-h -s -f -i -o -u -p --no-header --short --from --ip-addr --old-style --no-current --pids",
              operands="user"),
    "who": _WHO,
    "whoami": Spec(),
    "users": Spec(operands="path"),
    "id": Spec(reads="-a -g -G -n -r -u -z -Z --group --groups --name --real --user --zero", operands="user*"),
    "groups": Spec(operands="user*"),
    "last": _LAST, "lastb": _LAST,
    "lastlog": Spec(reads="-b=days -t=days -u=user --before=days --time=days --user=user"),
    "nproc": Spec(reads="--all --ignore=number"),
    "arch": Spec(),
    "uname": Spec(
        reads="-a -s -n -r -v -m -p -i -o --all --kernel-name --nodename --kernel-release --kernel-version --machine "
        "--processor --hardware-platform --operating-system"
    ),
    "hostname": Spec(reads="-f -I -i -s -d -A -a --fqdn --long --short --ip-address --all-ip-addresses --domain "
        "--all-fqdns "
                     "--alias"),
    "date": Spec(
        reads="-u -R -d=time -r=path -I[=word] --utc --universal --rfc-email --date=time --reference=path "
            "--rfc-3339=word "
        "--iso-8601[=word] --debug",
        operands=r"/\+[^\x00]*/",
    ),
    "cal": Spec(reads="-1 -3 -y -m -s -j", operands="number*"),
    "dmesg": Spec(
        reads="-T -H -k -u -x -r -e -P -d -t -L[=when] -l=words -f=words --ctime --human --kernel --userspace "
            "--decode --raw "
        "--reltime --nopager --show-delta --notime --color[=when] --level=words --facility=words --time-format=word "
        "--since=time --until=time -J --json",
        follows="-w -W --follow --follow-new",
    ),
    "sysctl": Spec(
        reads="-a -A -n -e -N -b -X -q -r=pattern --all --values --names --binary --ignore --pattern=pattern",
        operands="/[A-Za-z0-9_.-][A-Za-z0-9_.\\/-]*/*",
    ),
    "printenv": Spec(reads="-0 --null", operands="name*"),
    "ipcs": Spec(reads="-a -q -m -s -t -c -p -l -u -b --queues --shmems --semaphores --limits --summary --human "
        "--bytes --all"),
    "lscpu": Spec(reads="-a -b -c -e[=columns] -p[=columns] -J -x -y -C[=columns] --all --online --offline "
        "--extended[=columns] "
                  "--parse[=columns] --json --caches[=columns]"),
    "lsmod": Spec(),
    "modinfo": Spec(reads="-0 -a -d -l -n -p -F=field --field=field --author --description --license --parameters "
        "--filename",
                    operands="word*"),
    "lslocks": Spec(reads="-J -n -r -u -i -p=pid -o=columns --json --noheadings --raw --notruncate --pid=pid "
        "--output=columns "
                    "--output-all --bytes -b"),
    "lsns": Spec(reads="-J -l -n -r -u -W -p=pid -t=type -o=columns --json --list --noheadings --raw --notruncate "
        "--task=pid "
                 "--type=type --output=columns --output-all --nowrap", operands="number"),
    "lspci": Spec(reads="-v -vv -vvv -k -n -nn -t -D -m -mm -q -x -s=slot -d=device", single=True),
    "lsusb": Spec(reads="-v -t -s=slot -d=device -D=device --verbose --tree"),
    "lsmem": Spec(reads="-J -P -a -b -n -r -o=columns --json --all --bytes --noheadings --raw --output=columns "
        "--summary[=when]"),
    "dmidecode": Spec(reads="-q -s=keyword -t=type --quiet --string=keyword --type=type"),
    "nvidia-smi": Spec(
        reads="-L -q -i=gpus -d=types --list-gpus --query --id=gpus --display=types --query-gpu=fields "
            "--query-compute-apps=fields "
        "--format=words",
        follows="-l=seconds --loop=seconds -lms=number", single=True,
        subs={"topo": Spec(reads="-m", needs="-m", single=True), "dmon": Spec(reads="-c=number", needs="-c",
            single=True,
              otherwise="follow"), "pmon": Spec(reads="-c=number", needs="-c", single=True, otherwise="follow")},
        otherwise="unknown",
    ),
    "numactl": Spec(reads="-H -s --hardware --show", needs="-H -s --hardware --show", otherwise="unknown"),
    "numastat": Spec(reads="-c -m -n -v -z -p=pid", operands="text*"),
    "slabtop": Spec(reads="-o --once -s=key --sort=key", needs="-o --once", otherwise="interactive"),
    "sensors": Spec(reads="-A -f -u -j"),
    "getenforce": Spec(),
    "sestatus": Spec(reads="-v -b"),
    "aa-status": Spec(),
    "ausearch": Spec(reads="-m=types -ts=text -te=text -i -k=key -c=name -p=pid -ui=uid --start=text --end=text "
        "--message=types",
                     single=True, operands="{today|recent|yesterday|boot|now}*"),
}  # fmt: skip


# systemd, its journal, and services in general.


def _service(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge service: it runs a file of the given name, so only a plain name and no other words are allowed."""
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

_SYSTEMD_PROGRAMS: dict[str, Spec] = {
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


# Packages and what is installed.


_NAMES = Spec(operands="text*")
_YUM = Spec(
    reads="-q -v -C --quiet --verbose --cacheonly --showduplicates --enablerepo=word --disablerepo=word --installed "
    "--available --upgrades",
    inherits=True,
    subs={
        **dict.fromkeys(("list", "info", "search", "provides", "whatprovides", "deplist", "check-update"), _NAMES),
        "repolist": Spec(reads="--all --enabled --disabled", operands="{all|enabled|disabled}"),
        "history": Spec(subs={"list": _NAMES, "info": _NAMES}),
        "updateinfo": Spec(reads="--security", operands="{list|info|summary|security|all}*"),
    },
)  # fmt: skip

_PACKAGES_PROGRAMS: dict[str, Spec] = {
    "dpkg": Spec(
        reads="-l -L -s -S -p -V -C --list --listfiles --status --search --print-avail --verify --audit "
            "--get-selections "
        "--print-architecture --print-foreign-architectures --no-pager",
        needs="-l -L -s -S -p -V -C --list --listfiles --status --search --print-avail --verify --audit "
            "--get-selections "
        "--print-architecture --print-foreign-architectures",
        operands="text*",
    ),
    "dpkg-query": Spec(
        reads="-l -L -s -S -W -p -f=text --list --listfiles --status --search --show --print-avail --showformat=text "
        "--no-pager",
        needs="-l -L -s -S -W -p --list --listfiles --status --search --show --print-avail", operands="text*",
    ),
    "apt": Spec(
        subs={
            "list": Spec(reads="--installed --upgradable --upgradeable -a --all-versions --manual-installed", operands=
                "text*"),
            "show": Spec(reads="-a --all-versions", operands="text*"), "search": Spec(reads="-n --names-only", operands=
                "text*"),
            "policy": _NAMES, "depends": _NAMES, "rdepends": _NAMES,
        },
    ),
    "apt-cache": Spec(subs=dict.fromkeys(("show", "showpkg", "policy", "search", "depends", "rdepends", "madison",
        "stats"),
                                         _NAMES)),
    "apt-mark": Spec(subs=dict.fromkeys(("showhold", "showmanual", "showauto"), _NAMES)),
    "rpm": Spec(
        reads="-q -a -f -i -l -c -d -p -v -R -s --query --all --file --info --list --configfiles --docfiles --package "
        "--changelog --requires --provides --whatprovides --whatrequires --last --scripts --queryformat=text --qf=text "
        "--state --dump",
        needs="-q --query", operands="text*",
    ),
    "yum": _YUM, "dnf": _YUM,
    "apk": Spec(subs={"info": Spec(reads="-v -e -a", operands="text*"), "list": Spec(reads="-I --installed", operands=
        "text*"),
                      "policy": _NAMES, "version": Spec()}),
    "snap": Spec(subs={"list": Spec(reads="--all", operands="text*"), "info": _NAMES, "services": _NAMES,
        "version": _NONE,
                       "changes": _NONE}),
    "pip": Spec(subs={"list": Spec(reads="--format=word --user --local"), "freeze": _NONE, "show": _NAMES}),
    "pip3": Spec(subs={"list": Spec(reads="--format=word --user --local"), "freeze": _NONE, "show": _NAMES}),
    "gem": Spec(subs={"list": _NAMES}),
    "update-alternatives": Spec(reads="--list=word --display=word --query=word --get-selections",
                                needs="--list --display --query --get-selections"),
    "debconf-show": Spec(operands="word"),
    "lsb_release": Spec(reads="-a -c -d -i -r -s --all --codename --description --id --release --short"),
    "subscription-manager": Spec(subs={"status": _NONE, "identity": _NONE, "list": Spec(
        reads="--consumed --installed")}),
}  # fmt: skip

TABLES = (_PROCESSES_PROGRAMS, _SYSTEMD_PROGRAMS, _PACKAGES_PROGRAMS)
