"""Clients of clouds and of cluster services: aws, gcloud, az, terraform, ceph, etcd, consul, vault."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, ProgramOption, Spec, Verdict, options

# What asks clouds: what describes and lists, with the options that most of them share.


_AWS_OPTIONS = options(
    "--region=word --profile=word --output=word --query=text --no-paginate --no-cli-pager --max-items=number "
    "--page-size=number "
    "--starting-token=text --filters=text --filter=text --instance-ids=text --instance-id=text --names=text "
    "--name=text "
    "--load-balancer-arn=text --load-balancer-arns=text --load-balancer-name=text --load-balancer-names=text "
    "--target-group-arn=text --target-group-arns=text --db-instance-identifier=text --db-cluster-identifier=text "
    "--cluster=text "
    "--cluster-name=text --clusters=text --services=text --service=text --service-name=text --tasks=text "
    "--nodegroup-name=text "
    "--stack-name=text --log-group-name=text --log-group-name-prefix=text --log-stream-name=text "
    "--log-stream-names=text "
    "--order-by=text --descending --limit=number --start-time=text --end-time=text --start-from-head --volume-ids=text "
    "--snapshot-ids=text --owner-ids=text --vpc-ids=text --subnet-ids=text --group-ids=text --group-names=text "
    "--auto-scaling-group-names=text --auto-scaling-group-name=text --bucket=text --prefix=text --delimiter=text "
    "--key=text "
    "--function-name=text --topic-arn=text --queue-url=text --queue-url-prefix=text --alarm-names=text "
    "--alarm-name-prefix=text "
    "--state-value=word --metric-name=text --namespace=text --dimensions=text --period=number --statistics=text "
    "--hosted-zone-id=text --repository-name=text --secret-id=text --table-name=text --cache-cluster-id=text "
    "--replication-group-id=text --domain-name=text --user-name=text --role-name=text --policy-arn=text "
    "--service-code=text "
    "--family-prefix=text --status=text --desired-status=text --include-all-instances --show-cache-node-info "
    "--task-definition=text "
    "--launch-type=text --image-ids=text --owners=text --certificate-arn=text --key-id=text --listener-arn=text "
    "--listener-arns=text --addon-name=text --metric-data-queries=text --query-id=text --path=text --recursive "
    "--with-decryption --attribute-names=text --attribute=text --type=text --stack-status-filter=text --latest"
)
_AWS_GETS = frozenset(
    "sts:get-caller-identity cloudwatch:get-metric-statistics cloudwatch:get-metric-data ec2:get-console-output "
    "logs:get-log-events logs:get-query-results lambda:get-function lambda:get-function-configuration "
    "lambda:get-policy "
    "iam:get-user iam:get-role iam:get-policy iam:get-account-summary s3api:get-bucket-location "
    "s3api:get-bucket-policy "
    "s3api:get-bucket-versioning s3api:get-bucket-acl s3api:get-bucket-lifecycle-configuration s3api:head-object "
    "s3api:head-bucket "
    "sqs:get-queue-attributes sqs:get-queue-url sns:get-topic-attributes ssm:get-parameter ssm:get-parameters "
    "ssm:get-parameters-by-path ecr:get-repository-policy "
    "service-quotas:get-service-quota acm:get-certificate route53:get-hosted-zone route53:get-health-check-status "
    "cloudformation:get-template cloudformation:get-stack-policy logs:filter-log-events s3:ls configure:list "
    "sts:get-access-key-info".split()
)


def _aws(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge ``aws SERVICE VERB``: verbs that describe or list, and some others, only read; a further word may be a file
    to write."""
    texts = [word.text for word in words]
    at = 0
    while at < len(texts) and texts[at] in ("--region", "--profile", "--output", "--no-cli-pager"):
        at += 1 if texts[at] == "--no-cli-pager" else 2
    service, verb = (texts[at], texts[at + 1]) if at + 1 < len(texts) else (None, None)
    if service is None or verb is None or not re.fullmatch(r"[a-z0-9-]+", service):
        return "unknown"
    if not re.fullmatch(r"(?:describe|list)-[a-z0-9-]+", verb) and f"{service}:{verb}" not in _AWS_GETS:
        return "change" if re.fullmatch(r"[a-z0-9-]+", verb) else "unknown"
    rest = words[at + 2 :]
    if (service, verb) == ("s3", "ls") and rest and rest[0].head.startswith("s3://") and rest[0].is_one:
        rest = rest[1:]
    return "read" if _understood(rest, _AWS_OPTIONS) else "unknown"


def _understood(words: Sequence[Argument], table: dict[str, ProgramOption]) -> bool:
    """Return whether every word is an option from the table or a value of one; some options take several values."""
    at = 0
    while at < len(words):
        name, equals, _rest = words[at].head.partition("=")
        option = table.get(name)
        if option is None or (words[at].text is None and not equals) or not words[at].is_one:
            return False
        at += 1
        if not option.role or equals:
            if equals and (not option.role or _fetched(name, words[at - 1].behind(len(name) + 1))):
                return False
            continue
        began = at
        while at < len(words) and words[at].is_one and not words[at].may_be_option and (at == began or _several(name)):
            if _fetched(name, words[at]):
                return False
            at += 1
        if at == began:
            return False
    return True


_FETCHED = re.compile(r"@|(?:file|fileb|https?)://", re.IGNORECASE)


def _fetched(name: str, value: Argument) -> bool:
    """Return whether aws replaces the value by the content of a file or URL; a queue's URL is only its name."""
    return _FETCHED.match(value.head) is not None and name != "--queue-url"


def _several(name: str) -> bool:
    return name.startswith("--") and (name.endswith("s") or name == "--filter")


def _gcloud(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge gcloud: a full group name, a verb, names and options."""
    while words and (name := words[0].head.partition("=")[0]) in (
        "--project",
        "--account",
        "--configuration",
        "--quiet",
        "-q",
    ):
        words = words[1:] if "=" in words[0].head or name in ("--quiet", "-q") else words[2:]
    at = _behind_group(words, _GCLOUD_GROUPS)
    verb = words[at].text if 0 < at < len(words) else None
    group = " ".join(word.text or "" for word in words[:at])
    if verb not in ("list", "describe") and (group, verb) != ("logging", "read"):
        return "unknown"
    rest = list(words[at + 1 :])
    while rest and rest[0].is_one and not rest[0].may_be_option:
        rest = rest[1:]
    return "read" if _understood(rest, _GCLOUD_OPTIONS) else "unknown"


def _behind_group(words: Sequence[Argument], groups: frozenset[str]) -> int:
    """Return how many of the first words name a group, for the longest match."""
    for count in (4, 3, 2, 1):
        texts = [word.text for word in words[:count]]
        if None not in texts and " ".join(text or "" for text in texts) in groups:
            return count
    return 0


_GCLOUD_GROUPS = frozenset(
    {
        "auth", "compute addresses", "compute backend-services", "compute disks", "compute firewall-rules",
        "compute forwarding-rules", "compute health-checks", "compute images", "compute instance-groups",
        "compute instance-groups managed",
        "compute instances", "compute networks", "compute networks subnets", "compute operations", "compute regions",
        "compute routers", "compute routes", "compute snapshots", "compute url-maps", "compute zones", "config",
        "config configurations", "container clusters", "container node-pools", "container operations",
            "dns managed-zones",
        "dns record-sets", "functions", "iam roles", "iam service-accounts", "iam service-accounts keys", "logging",
            "projects", "pubsub subscriptions",
        "pubsub topics", "redis instances", "run services", "services", "sql backups", "sql instances",
            "sql operations",
    }
)  # fmt: skip
_GCLOUD_OPTIONS = options(
    "--project=word --zone=word --region=word --zones=text --regions=text --format=text --filter=text --limit=number "
    "--sort-by=text "
    "--page-size=number --instance=text --cluster=text --location=text --freshness=text --order=word --global --quiet "
    "-q --uri "
    "--account=text --configuration=word --service=text --iam-account=text"
)


def _az(words: Sequence[Argument], _context: Context) -> Verdict:
    at = _behind_group(words, _AZ_GROUPS)
    if not 0 < at < len(words) or words[at].text not in ("list", "show"):
        return "unknown"
    return "read" if _understood(words[at + 1 :], _AZ_OPTIONS) else "unknown"


_AZ_GROUPS = frozenset(
    {
        "account", "acr", "aks", "aks nodepool", "disk", "group", "keyvault", "mysql flexible-server", "network lb",
        "network nic", "network nsg", "network nsg rule", "network public-ip", "network vnet", "network vnet subnet",
        "postgres flexible-server", "postgres server", "redis", "storage account", "vm", "vmss", "webapp",
    }
)  # fmt: skip
_AZ_OPTIONS = options(
    "-g=text -n=text -o=word --resource-group=text --name=text --output=word --query=text --subscription=text "
    "--show-details -d "
    "--server=text --server-name=text --vnet-name=text --cluster-name=text --namespace-name=text --account-name=text"
)
_TERRAFORM = Spec(
    single=True, ends=False,
    subs={
        "show": Spec(reads="-json -no-color", operands="path", single=True),
        "output": Spec(reads="-json -raw -no-color -state=path", operands="word", single=True),
        "version": Spec(reads="-json", single=True),
        "state": Spec(subs={"list": Spec(reads="-state=path -id=text", operands="text*", single=True),
                            "show": Spec(reads="-state=path -no-color", operands="text", single=True)}),
        "workspace": Spec(subs={"list": Spec(), "show": Spec()}),
    },
)  # fmt: skip

_CLOUDS_PROGRAMS: dict[str, Spec] = {
    "aws": Spec(own=_aws),
    "gcloud": Spec(own=_gcloud),
    "az": Spec(own=_az),
    "gsutil": Spec(
        subs={"ls": Spec(reads="-l -L -r -h -a -b -d", operands="text*"), "du": Spec(reads="-s -h -c -a", operands=
            "text*"),
              "stat": Spec(operands="text*"), "version": Spec()},
    ),
    "terraform": _TERRAFORM,
    "tofu": _TERRAFORM,
    "openstack": Spec(
        alone="interactive",
        otherwise="unknown",
        subs={each: Spec(subs={"list": Spec(reads="-f=word -c=word --long --all-projects --project=word --host=word "
            "--status=word",
                                            operands=""),
                               "show": Spec(reads="-f=word -c=word", operands="text")})
              for each in ("server", "volume", "network", "image", "port", "hypervisor", "project", "flavor")},
    ),
}  # fmt: skip


# Ceph, etcd, Consul, Vault, Nomad, Pacemaker.


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


def _ceph(call: ProgramCall, _context: Context) -> Verdict:
    """Judge ceph: it accepts abbreviated commands, so these must be in full."""
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


def _vault_kv(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if all(text is not None and _KV.fullmatch(text) for text in call.texts) else "unknown"


_CLUSTERS_PROGRAMS: dict[str, Spec] = {
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

TABLES = (_CLOUDS_PROGRAMS, _CLUSTERS_PROGRAMS)
