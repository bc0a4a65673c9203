"""Ceph, etcd, Consul, Vault, Nomad, Pacemaker."""

from __future__ import annotations

import re

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict

_CEPH = re.compile(
    r"status|health(?: detail)?|df(?: detail)?|versions?|features|report|quorum_status|node ls(?: [a-z]+)?|fsid"
    r"|daemon \S+ (?:ops|status|version|perf dump|dump_(?:ops_in_flight|historic_ops|blocked_ops|mempools)|config show"
    r"|config get \S+|session ls)|osd (?:status|tree(?: [a-z]+)*|df(?: tree)?|stat|dump|ls|perf|pool ls(?: "
    r"detail)?|pool stats(?: \S+)?|lspools|blocked-by|find \S+"
    r"|metadata(?: \S+)?|utilization|crush tree|crush rule (?:ls|dump)(?: \S+)?|crush dump|pool get \S+ \S+"
    r"|ok-to-stop \S+|safe-to-destroy \S+|pool autoscale-status|erasure-code-profile (?:ls|get \S+))"
    r"|pg (?:stat|dump(?: [a-z_]+)?|dump_stuck(?: [a-z]+)*|ls(?: \S+)*|\S+ query|map \S+|ls-by-(?:osd|pool|primary) "
    r"\S+)"
    r"|mon (?:stat|dump|metadata(?: \S+)?|versions)|mds (?:stat|metadata(?: \S+)?)|fs (?:ls|status(?: \S+)?|dump|get "
    r"\S+)"
    r"|mgr (?:stat|dump|services|module ls|metadata)|crash (?:ls|ls-new|stat|info \S+)|log last(?: \S+)*"
    r"|device (?:ls|ls-by-host \S+|info \S+)|orch (?:ls|ps|status|host ls|device ls)(?: \S+)?|balancer status"
    r"|config (?:dump|get \S+(?: \S+)?|show \S+(?: \S+)?|ls)|auth (?:ls|list)|time-sync-status|telemetry show|progress"
)
_ANYTHING = "\0"
"""For a word that is not known: it stands where any word may."""
_NONE = Spec()
_NAMES = Spec(operands="text*")
_RBD = (
    "-p=text --pool=text --namespace=text --image=text --snap=text --format=word --pretty-format "
    "--cluster=/[A-Za-z0-9_-]+/ --id=/[A-Za-z0-9_.-]+/"
)
_RBD_READS = Spec(reads=f"{_RBD} -l --long -v --verbose -a --all", operands="text*")
_ETCD = (
    "--endpoints=text --cacert=path --cert=path --key=path -w=word --write-out=word --command-timeout=time "
    "--dial-timeout=time "
    "--insecure-skip-tls-verify[=bool] --insecure-transport[=bool] --user=text --password=text --hex[=bool]"
)


def _ceph(call: Call, _context: Context) -> Verdict:
    """It takes the first words of its commands for the whole, so that they stand here in full."""
    if not all(each.text is not None or (each.is_one and not each.may_be_option) for each in call.operands):
        return "unknown"
    if any(re.search(r"\s|^$", text) for text in call.texts if text is not None):
        return "unknown"
    joined = " ".join(_ANYTHING if text is None else text for text in call.texts)
    if call.has("-s", "--status", "-w", "--watch", "-v", "--version"):
        return "read" if not joined else "unknown"
    if not joined:
        return "unknown"
    known = _ANYTHING not in joined
    return "read" if _CEPH.fullmatch(joined) else "change" if known else "unknown"


_KV = re.compile(r"/?(?:secrets?|kv[A-Za-z0-9_-]*)(?:/(?!(?:creds|issue|login)(?:/|$))[A-Za-z0-9_.-]++)*+/?")
"""Where data is kept. Elsewhere a path may make something when it is read: an account, a token."""


def _vault_kv(call: Call, _context: Context) -> Verdict:
    return "read" if all(text is not None and _KV.fullmatch(text) for text in call.texts) else "unknown"


TABLE: dict[str, Spec] = {
    "ceph": Spec(
        reads="-s --status -f=word --format=word --cluster=/[A-Za-z0-9_-]+/ --id=/[A-Za-z0-9_.-]+/ "
            "-n=/[A-Za-z0-9_.-]+/ --name=/[A-Za-z0-9_.-]+/ -v --version "
            "--connect-timeout=number",
        follows="-w --watch", operands="text*", check=_ceph,
    ),
    "rbd": Spec(
        reads=_RBD,
        subs={
            **dict.fromkeys(("ls", "list", "info", "status", "du", "disk-usage", "showmapped", "children"), _RBD_READS),
            "snap": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "lock": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "device": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "trash": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "mirror": Spec(subs={
                "pool": Spec(subs={"status": _RBD_READS, "info": _RBD_READS}), "image": Spec(subs={
                    "status": _RBD_READS}),
            }),
        },
    ),
    "rados": Spec(reads="-p=text --pool=text", subs={"df": _NONE, "lspools": _NONE, "ls": _NONE, "stat": Spec(operands=
        "text")},
                  inherits=True),
    "radosgw-admin": Spec(
        reads="--bucket=text --uid=text --rgw-realm=text --rgw-zone=text --rgw-zonegroup=text --format=word",
            inherits=True,
        subs={"sync": Spec(subs={"status": _NONE}, inherits=True), "bucket": Spec(subs={"stats": _NONE, "list": _NONE},
                                                                                 inherits=True),
              "user": Spec(subs={"info": _NONE, "list": _NONE}, inherits=True), "period": Spec(subs={"get": _NONE},
                  inherits=True)},
    ),
    "etcdctl": Spec(
        reads=_ETCD, inherits=True,
        subs={
            "get": Spec(reads="--prefix[=bool] --keys-only[=bool] --limit=number --from-key[=bool] "
                "--print-value-only[=bool] "
                        "--count-only[=bool] --rev=number --consistency=word --order=word --sort-by=word", operands=
                            "text text"),
            "endpoint": Spec(subs=dict.fromkeys(("status", "health", "hashkv"), Spec(reads="--cluster[=bool]")),
                inherits=True),
            "member": Spec(subs={"list": Spec(reads="--consistency=word")}, inherits=True),
            "alarm": Spec(subs={"list": _NONE}, inherits=True),
            "user": Spec(subs={"list": _NONE, "get": Spec(operands="text")}, inherits=True),
            "role": Spec(subs={"list": _NONE, "get": Spec(operands="text")}, inherits=True),
            "auth": Spec(subs={"status": _NONE}, inherits=True),
            "lease": Spec(subs={"list": _NONE, "timetolive": Spec(reads="--keys[=bool]", operands="text")},
                inherits=True),
            "snapshot": Spec(subs={"status": Spec(operands="path")}, inherits=True),
            "watch": Spec(reads="--prefix[=bool]", operands="text", verdict="follow"),
            "version": _NONE,
        },
    ),
    "consul": Spec(
        subs={
            "members": Spec(reads="-detailed -wan -status=text -token=text", single=True),
            "info": Spec(reads="-token=text", single=True),
            "version": _NONE,
            "catalog": Spec(subs=dict.fromkeys(("services", "nodes", "datacenters"), Spec(
                reads="-tags -service=text -node=text -detailed", single=True))),
            "operator": Spec(subs={"raft": Spec(subs={"list-peers": Spec(reads="-stale=word",
                single=True)}),
                                   "autopilot": Spec(subs={"get-config": _NONE, "state": _NONE})}),
            "kv": Spec(subs={"get": Spec(reads="-detailed -keys -recurse -raw", single=True, operands=
                "text")}),
        },
    ),
    "vault": Spec(
        subs={
            "status": Spec(reads="-format=word", single=True), "version": _NONE,
            "operator": Spec(subs={"raft": Spec(subs={"list-peers": Spec(reads="-format=word", single=True),
                                                      "autopilot": Spec(subs={"state": _NONE})})}),
            "secrets": Spec(subs={"list": Spec(reads="-detailed -format=word", single=True)}),
            "auth": Spec(subs={"list": Spec(reads="-detailed -format=word", single=True)}),
            "policy": Spec(subs={"list": _NONE, "read": Spec(operands="text")}),
            "audit": Spec(subs={"list": Spec(reads="-detailed", single=True)}),
            "token": Spec(subs={"lookup": Spec(reads="-format=word -accessor", single=True)}),
            "kv": Spec(subs=dict.fromkeys(("get", "list"), Spec(
                reads="-format=word -field=word -version=number", single=True, operands="text", check=_vault_kv))),
        },
    ),
    "nomad": Spec(
        subs={"version": _NONE, "status": Spec(reads="-verbose -short", single=True, operands="text"),
              **{each: Spec(subs={"status": Spec(reads="-verbose -short -stats -allocs -self", single=True, operands=
                  "text")})
                 for each in ("node", "job", "alloc", "deployment")},
              "server": Spec(subs={"members": Spec(reads="-detailed -verbose", single=True)})},
    ),
    "pcs": Spec(
        subs={
            "status": Spec(reads="--full", operands="{resources|cluster|nodes|corosync|quorum|pcsd|groups}*"),
            "constraint": Spec(subs={"list": Spec(reads="--full"), "show": Spec(reads="--full")}),
            "resource": Spec(subs={"status": _NAMES, "config": _NAMES, "show": _NAMES}),
            "quorum": Spec(subs={"status": _NONE, "config": _NONE}),
        },
    ),
    "crm_mon": Spec(reads="-1 -r -n -A -f -o -t --one-shot", needs="-1 --one-shot", otherwise="interactive"),
    "crm": Spec(alone="interactive", subs={"status": Spec(operands="{full|bynode|simple}*")}),
    "corosync-quorumtool": Spec(reads="-s -l -i"),
    "corosync-cfgtool": Spec(reads="-s -n -b", needs="-s -n"),
    "nodetool": Spec(
        reads="-h=host -p=port -u=user -pw=text --host=host --port=port", single=True,
        subs=dict.fromkeys(("status", "info", "ring", "tpstats", "netstats", "compactionstats", "tablestats", "cfstats",
                            "describecluster", "gossipinfo", "version", "describering", "proxyhistograms",
                                "tablehistograms"),
                           Spec(reads="-H -r", operands="text*")),
    ),
}  # fmt: skip
