"""Processes, memory, users, the kernel and the machine."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict


def _counting(call: Call, _context: Context) -> Verdict:
    """An interval without a count has no end."""
    numbers = [text for text in call.texts if text is not None and text.isdecimal()]
    return "follow" if len(numbers) == 1 else "read"


def _free(call: Call, _context: Context) -> Verdict:
    endless = call.has("-s", "--seconds") and not call.has("-c", "--count")
    return "follow" if endless else "read"


def _iotop(call: Call, _context: Context) -> Verdict:
    """In batches it has no end without a count."""
    return "follow" if call.has("-b", "--batch") and not call.has("-n", "--iter") else "read"


def _lsof(call: Call, _context: Context) -> Verdict:
    """``+r`` repeats as ``-r`` does, until there is nothing to list."""
    return "follow" if any(each.head.startswith("+r") for each in call.operands) else "read"


def _top(call: Call, _context: Context) -> Verdict:
    return "read" if call.has("-n", "--iterations") or not call.has("-b", "--batch-mode") else "follow"


def _limits(call: Call, _context: Context) -> Verdict:
    """Without a limit it shows those that there are."""
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

TABLE: dict[str, Spec] = {
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
