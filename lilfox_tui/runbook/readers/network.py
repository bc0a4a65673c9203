"""Addresses, routes, sockets, names and ways through the network.

``ip`` and its kind take shortened words: ``ip link s`` is ``set``. So what a command does is on a table in full; of the
objects those short forms are, of which everybody knows what they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict
from lilfox_tui.runbook.shell_values import Argument


def _ping(call: Call, _context: Context) -> Verdict:
    """A deadline or a count of 0 is none."""
    ends = any(re.search("[1-9]", each.text or "") for each in call.values("-c", "-w"))
    return "read" if ends else "follow"


def _nslookup(call: Call, _context: Context) -> Verdict:
    return "read" if call.operands else "interactive"


def _tcpdump(call: Call, _context: Context) -> Verdict:
    return "read" if call.has("-c", "-r", "-D", "--list-interfaces") else "follow"


def _netns(words: Sequence[Argument], context: Context) -> Verdict:
    """``ip netns exec NAME`` runs a command."""
    verb = words[0].text if words else "list"
    if verb == "exec" and len(words) > 2 and words[1].is_one and not words[1].may_be_option:
        return context.words(words[2:], context.fed)
    simple = verb in ("list", "identify", "pids") and all(each.is_one and not each.may_be_option for each in words[1:])
    return "read" if simple else "change" if verb is not None else "unknown"


def _ethtool(words: Sequence[Argument], _context: Context) -> Verdict:
    """One option that shows, and the interface."""
    texts = [word.text for word in words]
    if len(texts) == 2 and texts[0] not in _ETHTOOL_SHOWS:
        return "change" if texts[0] is not None else "unknown"
    if not texts or len(texts) > 2 or words[-1].may_be_option or not words[-1].is_one:
        return "unknown"
    return "read" if texts[-1] is None or re.fullmatch(r"[A-Za-z0-9_.:@-]+", texts[-1]) else "unknown"


_ETHTOOL_SHOWS = frozenset(
    "-S -i -k -a -c -g -l -n -u -x -P -T -m --statistics --driver --show-features --show-offload --show-pause "
    "--show-coalesce --show-ring --show-channels --show-permaddr --show-time-stamping --module-info --show-eee "
    "--show-fec "
    "--show-priv-flags --phy-statistics".split()
)
_SELECTED = Spec(operands="text*", ends=False)
_SHOWN = Spec(subs=dict.fromkeys(("show", "list", "ls"), _SELECTED), ends=False)
_ROUTES = Spec(subs=dict.fromkeys(("show", "list", "ls", "get"), _SELECTED), ends=False)
_FOLLOWED = Spec(operands="text*", verdict="follow", ends=False)
_OBJECTS = {
    **dict.fromkeys(("address", "addr", "a", "link", "l", "rule", "neighbour", "neighbor", "neigh", "n", "maddress",
        "maddr",
                     "tunnel", "vrf", "netconf", "tcp_metrics", "mroute", "addrlabel", "token", "nexthop"), _SHOWN),
    **dict.fromkeys(("route", "r"), _ROUTES),
    "netns": Spec(own=_netns),
    "xfrm": Spec(subs={"state": Spec(subs={"list": _SELECTED}), "policy": Spec(subs={"list": _SELECTED})}),
    "monitor": _FOLLOWED,
}  # fmt: skip
_NAMES = Spec(
    reads="-t=type -x=address -p=port -q=name -c=class -4 -6 -m -r -v -i",
    operands="/(?!\\+[oO])[+@]?[A-Za-z0-9_.:\\/=-]+/*", single=True, ends=False,
)  # fmt: skip
_OVS = dict.fromkeys(
    ("show", "list", "find", "list-br", "list-ports", "list-ifaces", "ls-list", "lr-list", "lsp-list", "lrp-list",
        "lr-route-list",
     "lflow-list", "acl-list"), Spec(operands="text*", ends=False),
)  # fmt: skip
_PING = Spec(
    reads="-4 -6 -A -a -D -n -O -q -R -v -d -L -B -U -c=number -i=seconds -I=interface -m=mark -M=how -s=size -t=ttl "
        "-w=seconds "
    "-W=seconds -Q=tos -S=number -p=pattern",
    operands="host*", check=_ping,
)  # fmt: skip

TABLE: dict[str, Spec] = {
    "ip": Spec(
        reads="-4 -6 -0 -s -d -j -p -o -r -t -br -brief -c -color -details -statistics -stats -json -pretty -oneline "
            "-human "
        "-h -iec -N -resolve -timestamp --brief --json --color --details --stats --oneline "
        "-f={inet|inet6|link|bridge|mpls} "
        "-family={inet|inet6|link|bridge|mpls} -n=name -netns=name",
        single=True, ends=False, subs=_OBJECTS,
    ),
    "bridge": Spec(
        reads="-s -d -j -p -o -c -color -details -statistics -json -pretty -compressvlans", single=True, ends=False,
        subs=dict.fromkeys(("link", "fdb", "vlan", "mdb"), Spec(subs=dict.fromkeys(("show", "list"), _SELECTED),
            ends=False)),
    ),
    "tc": Spec(
        reads="-s -d -r -p -j -o -g -i -statistics -details -raw -pretty -json -graph", single=True, ends=False,
        subs={
            **dict.fromkeys(("qdisc", "class", "filter"), Spec(subs=dict.fromkeys(("show", "list", "ls"), _SELECTED),
                                                               ends=False, otherwise="change")),
            "monitor": _FOLLOWED,
        },
    ),
    "ss": Spec(
        reads="-n -r -a -l -o -e -m -p -i -s -b -4 -6 -0 -t -S -u -d -w -x -M -B -Z -z -O -H -T -f=family -A=query "
            "--numeric "
        "--resolve --all --listening --options --extended --memory --processes --info --summary --bpf --ipv4 --ipv6 "
        "--packet "
        "--tcp --sctp --udp --dccp --raw --unix --mptcp --vsock --context --oneline --no-header --family=family "
        "--query=query --threads --tos --cgroup",
        follows="-E --events", operands="text*",
    ),
    "netstat": Spec(
        reads="-a -l -n -N -p -r -s -i -g -M -e -o -t -u -U -w -x -v -W -4 -6 -C -F --all --listening --numeric "
            "--programs "
        "--route --statistics --interfaces --groups --extend --timers --tcp --udp --raw --unix --verbose --wide "
        "--symbolic "
        "--numeric-hosts --numeric-ports --masquerade",
        follows="-c --continuous", operands="/[A-Za-z0-9_.:-]+/",
    ),
    "ethtool": Spec(own=_ethtool),
    "arp": Spec(reads="-a -n -e -v -i=interface --numeric --verbose --device=interface -A=family", operands="host"),
    "route": Spec(reads="-n -e -ee -v -4 -6 --numeric --extend --verbose -A=family", single=True),
    "ifconfig": Spec(reads="-a -s -v", operands="/[A-Za-z0-9_.:@-]+/", single=True, ends=False),
    "iw": Spec(subs={"dev": Spec(), "list": Spec()}),
    "dig": _NAMES,
    "host": Spec(reads="-a -C -d -l -r -s -T -v -w -4 -6 -c=class -t=type -W=seconds -R=number -N=number", operands=
        "text text"),
    "nslookup": Spec(
        reads="-type=type -query=type -q=type -port=number -timeout=number -debug", operands="text text", single=True,
        check=_nslookup,
    ),
    "ping": _PING, "ping6": _PING,
    "traceroute": Spec(
        reads="-4 -6 -I -T -n -e -A -d -F -m=ttl -q=number -w=seconds -p=port -i=interface -N=number -f=ttl -U",
            operands=
            "text*",
    ),
    "tracepath": Spec(reads="-4 -6 -n -b -m=ttl -l=size -p=port", operands="host"),
    "mtr": Spec(
        reads="-r -n -w -c=number -i=seconds -4 -6 -b -z -T -u -P=port -s=size -m=ttl -o=fields --report --report-wide "
        "--no-dns --show-ips --aslookup --tcp --udp --report-cycles=number --interval=seconds --port=port -j --json",
        needs="-r --report -w --report-wide -j --json", otherwise="interactive", operands="host",
    ),
    "nc": Spec(reads="-z -v -n -u -4 -6 -w=seconds -p=port -s=address", needs="-z", operands="text*"),
    "ncat": Spec(reads="-z -v -n -u -4 -6 -w=seconds", needs="-z", operands="text*"),
    "tcpdump": Spec(
        reads="-n -nn -v -e -A -X -x -q -t -l -p -S -K -N -O -U -D -B=size -c=number -i=interface -r=path -s=size "
            "-Q=how "
        "-y=type --interface=interface --count --list-interfaces --immediate-mode",
        operands="text*", check=_tcpdump,
    ),
    "whois": Spec(reads="-H -h=/[A-Za-z0-9.-]+/", operands="text"),
    "showmount": Spec(reads="-a -d -e --all --directories --exports --no-headers", operands="host"),
    "rpcinfo": Spec(reads="-p -s -m", operands="host"),
    "nfsstat": Spec(reads="-c -s -n -r -m -v -l -o=facility -2 -3 -4 --client --server --nfs --rpc --mounts"),
    "nfsiostat": Spec(reads="-a -d -p -s", operands="text*"),
    "ovs-vsctl": Spec(subs=_OVS, ends=False),
    "ovn-nbctl": Spec(reads="--no-leader-only --db=text", subs=_OVS, ends=False),
    "ovn-sbctl": Spec(reads="--no-leader-only --db=text", subs=_OVS, ends=False),
    **dict.fromkeys(("ovs-appctl", "ovn-appctl"), Spec(
        reads="-t=text --target=text", ends=False,
        subs={**dict.fromkeys(("status", "connection-status", "version", "list-commands"), Spec()),
              "cluster/status": Spec(operands="word")},
    )),
    "lldpctl": Spec(reads="-f=word", operands="word*"),
    "conntrack": Spec(
        reads="-L -S -C --dump --stats --count -p=word -s=address -d=address -f=family -o=format --proto=word "
            "--src=address "
        "--dst=address --sport=port --dport=port --state=word --status=word",
        needs="-L -S -C --dump --stats --count", operands="{conntrack|expect}",
    ),
    "nmcli": Spec(
        reads="-t -p -f=fields -g=fields -c=how --terse --pretty --fields=fields --get-values=fields", ends=False,
        otherwise="unknown",
        subs={
            **dict.fromkeys(("device", "connection", "general"), Spec(
                subs={"status": Spec(), "show": Spec(reads="--active", operands="text*")}, ends=False)),
        },
    ),
    "ipvsadm": Spec(reads="-L -l -n --list --stats --rate --numeric --sort --exact", needs="-L -l --list"),
}  # fmt: skip
