"""Clients of clouds and of cluster services: aws, gcloud, az, terraform, ceph, etcd, consul, vault."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, Fed, ProgramCall, ProgramOption, Spec, Verdict, options

# What asks clouds: what describes and lists, with the options that most of them share.
#
# What is there to print a secret, a token or a password is no reader: what a command prints is recorded.


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
    "--order-by=text --descending --limit=number --start-time=text --end-time=text --start-from-head "
    "--volume-ids=text "
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
    "--attribute-names=text --attribute=text --type=text --stack-status-filter=text --latest "
    "--source-type=word --source-identifier=text --duration=number --engine=word --engine-version=text "
    "--db-snapshot-identifier=text --db-cluster-snapshot-identifier=text --snapshot-type=word --subnet-id=text "
    "--vpc-id=text --instance-type=text --instance-types=text --availability-zones=text --location-type=word "
    "--target-type=word --targets=text --rule-arns=text --service-namespace=word --resource-id=text "
    "--resource-arn=text "
    "--volume-id=text --image-id=text --group-id=text --network-interface-ids=text --allocation-ids=text "
    "--key-names=text "
    "--include-deleted --include-public --no-include-public --include-shared --no-include-shared --domain=text "
    "--domain-names=text --pipeline-name=text --state-machine-arn=text --execution-arn=text "
    "--log-group-identifier=text "
    "--filter-pattern=text --interleaved --db-parameter-group-name=text --source=word "
    "--cache-parameter-group-name=text "
    "--nodegroup=text --fargate-profile-name=text --container-instances=text --capacity-providers=text "
    "--include=word "
    "--certificate-statuses=word --includes=text --max-results=number --page-token=text --color=word"
)
_AWS_GETS = frozenset(
    "sts:get-caller-identity cloudwatch:get-metric-statistics cloudwatch:get-metric-data ec2:get-console-output "
    "logs:get-log-events logs:get-query-results lambda:get-function-configuration "
    "lambda:get-policy "
    "iam:get-user iam:get-role iam:get-policy iam:get-account-summary s3api:get-bucket-location "
    "s3api:get-bucket-policy "
    "s3api:get-bucket-versioning s3api:get-bucket-acl s3api:get-bucket-lifecycle-configuration s3api:head-object "
    "s3api:head-bucket "
    "sqs:get-queue-attributes sqs:get-queue-url sns:get-topic-attributes ssm:get-parameter ssm:get-parameters "
    "ssm:get-parameters-by-path ecr:get-repository-policy "
    "service-quotas:get-service-quota acm:get-certificate route53:get-hosted-zone route53:get-health-check-status "
    "cloudformation:get-template cloudformation:get-stack-policy logs:filter-log-events s3:ls configure:list "
    "sts:get-access-key-info iam:get-role-policy iam:get-policy-version iam:get-instance-profile iam:get-group "
    "s3api:get-bucket-encryption s3api:get-bucket-tagging s3api:get-bucket-cors s3api:get-bucket-logging "
    "s3api:get-bucket-replication s3api:get-bucket-notification-configuration s3api:get-bucket-policy-status "
    "s3api:get-public-access-block s3api:get-object-tagging s3api:get-object-acl cloudtrail:lookup-events "
    "kms:get-key-policy kms:get-key-rotation-status ecr:get-lifecycle-policy logs:get-log-group-fields "
    "stepfunctions:get-execution-history ssm:get-command-invocation codepipeline:get-pipeline-state "
    "cloudwatch:get-dashboard cloudfront:get-distribution route53:get-change "
    "configure:list-profiles".split()
)
_AWS_SECRETS = frozenset(
    "ec2:describe-vpn-connections directconnect:describe-virtual-interfaces cognito-idp:describe-user-pool-client "
    "storagegateway:describe-chap-credentials cognito-idp:describe-identity-provider appsync:list-api-keys "
    "location:describe-key amplify:list-apps amplify:list-branches".split()
)
"""What describes and prints a key or a password with it."""
_AWS_ANYWHERE = frozenset({"--region", "--profile", "--output", "--query", "--color"})
"""They have a value, and may stand before the service or its verb."""
_AWS_TAIL = options(
    "--since=time --format=word --filter-pattern=text --log-stream-names=text --log-stream-name-prefix=text --follow "
    "--region=word --profile=word --color=word"
)


def _aws(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge ``aws SERVICE VERB``: verbs that describe or list, and some others, only read; a further word may "
    "be a file
    to write."""
    service_at = _behind_aws_options(words, 0)
    verb_at = _behind_aws_options(words, service_at + 1)
    if verb_at >= len(words):
        return "read" if [word.text for word in words] == ["--version"] else "unknown"
    service, verb = words[service_at].text, words[verb_at].text
    if service is None or verb is None or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", service):
        return "unknown"
    rest = words[verb_at + 1 :]
    named = f"{service}:{verb}"
    if named == "logs:tail" and rest and rest[0].is_one and not rest[0].may_be_option:
        follows = any(word.text == "--follow" for word in rest)
        return "unknown" if not _understood(rest[1:], _AWS_TAIL) else "follow" if follows else "read"
    if named in _AWS_SECRETS:
        return "unknown"
    if not re.fullmatch(r"(?:describe|list)-[a-z0-9-]+", verb) and named not in _AWS_GETS:
        return "change" if re.fullmatch(r"[a-z0-9-]+", verb) else "unknown"
    if named == "s3:ls" and rest and rest[0].head.startswith("s3://") and rest[0].is_one:
        rest = rest[1:]
    return "read" if _understood(rest, _AWS_OPTIONS) else "unknown"


def _behind_aws_options(words: Sequence[Argument], at: int) -> int:
    """Return where the options end that may stand before a service or a verb; past the end if one is not "
    "understood."""
    while at < len(words):
        name, equals, _rest = words[at].head.partition("=")
        value = words[at + 1] if at + 1 < len(words) else None
        alone = words[at].text in ("--no-cli-pager", "--no-paginate")
        if alone or (name in _AWS_ANYWHERE and equals and words[at].is_one):
            at += 1
        elif words[at].text in _AWS_ANYWHERE and value is not None and value.is_one and not value.may_be_option:
            at += 2
        else:
            return at
    return at


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
_LOADED = "@="
"""Before a file within a value of aws, as in ``Name=x,Values@=file://…``."""


def _fetched(name: str, value: Argument) -> bool:
    """Return whether aws replaces the value by the content of a file or URL; a queue's URL is only its name."""
    if any(_LOADED in piece for piece in value.pieces if piece):
        return True
    return _FETCHED.match(value.head) is not None and name != "--queue-url"


def _several(name: str) -> bool:
    return name.startswith("--") and (name.endswith("s") or name == "--filter")


def _gcloud(words: Sequence[Argument], context: Context) -> Verdict:
    """Judge gcloud: a full group name, a verb, names and options. It asks whether to enable an API, and reads the
    answer from what it is fed."""
    if context.fed == Fed.DATA:
        return "unknown"
    if [word.text for word in words] == ["version"]:
        return "read"
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
    if verb is None or (
        f"{group} {verb}" not in _GCLOUD_ALSO and (verb not in ("list", "describe") or group == "auth")
    ):
        return "unknown"
    rest = list(words[at + 1 :])
    while rest and rest[0].is_one and not rest[0].may_be_option:
        if group == "config" and (rest[0].text is None or _SECRET.search(rest[0].text)):
            return "unknown"
        rest = rest[1:]
    return "read" if _understood(rest, _GCLOUD_OPTIONS) else "unknown"


_SECRET = re.compile(r"passw|secret|token|credential|_key\b|proxy/?$", re.IGNORECASE)
"""In the name of a setting that is one; all settings of gcloud's section ``proxy`` are among them."""


def _behind_group(words: Sequence[Argument], groups: frozenset[str]) -> int:
    """Return how many of the first words name a group, for the longest match."""
    for count in (4, 3, 2, 1):
        texts = [word.text for word in words[:count]]
        if None not in texts and " ".join(text or "" for text in texts) in groups:
            return count
    return 0


_GCLOUD_GROUPS = frozenset(
    {
        "app instances", "app services", "app versions", "artifacts docker images", "artifacts repositories", "auth",
        "bigtable instances", "builds", "composer environments", "compute accelerator-types",
        "compute instance-templates",
        "compute machine-types", "compute project-info", "compute resource-policies", "compute security-policies",
        "compute ssl-certificates", "compute target-http-proxies", "compute target-https-proxies",
        "compute target-pools", "dataproc clusters", "kms keyrings", "kms keys", "logging logs", "logging metrics",
        "logging sinks", "organizations", "resource-manager folders", "scheduler jobs", "secrets", "secrets versions",
        "spanner databases", "spanner instances", "sql databases", "sql users", "tasks queues",
        "compute addresses", "compute backend-services", "compute disks", "compute firewall-rules",
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
_GCLOUD_ALSO = frozenset(
    {
        "auth list", "compute backend-services get-health", "compute instance-groups managed list-instances",
        "compute instances get-serial-port-output", "config get", "config get-value",
        "iam service-accounts get-iam-policy",
        "logging read", "projects get-iam-policy", "run services get-iam-policy",
    }
)  # fmt: skip
"""``auth describe`` is none of them: it prints an account's credentials."""
_GCLOUD_OPTIONS = options(
    "--project=word --zone=word --region=word --zones=text --regions=text --format=text --filter=text --limit=number "
    "--sort-by=text "
    "--page-size=number --instance=text --cluster=text --location=text --freshness=text --order=word --global "
    "--quiet "
    "-q --uri "
    "--account=text --configuration=word --service=text --iam-account=text --flatten=text --verbosity=word "
    "--port=number "
    "--version=text --secret=text --keyring=text --network=text --repository=text --include-tags --show-deleted "
    "--enabled "
    "--available --billing-account=text --folder=text --organization=text --queue=text --ongoing"
)


def _az(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge az: a full group of the core, for one of an extension may be installed first; and a verb."""
    texts = [word.text for word in words]
    if texts in (["version"], ["--version"]):
        return "read"
    at = _behind_group(words, _AZ_GROUPS)
    if not 0 < at < len(words) or (verb := texts[at]) is None:
        return "unknown"
    if verb not in ("list", "show") and f"{' '.join(text or '' for text in texts[:at])} {verb}" not in _AZ_ALSO:
        return "unknown"
    return "read" if _understood(words[at + 1 :], _AZ_OPTIONS) else "unknown"


_AZ_GROUPS = frozenset(
    {
        "account", "acr", "acr repository", "acr scope-map", "ad group", "ad group member", "ad sp", "ad user", "aks",
        "aks nodepool", "appservice plan", "backup container", "backup item", "backup job", "backup recoverypoint",
        "backup vault", "cosmosdb", "disk", "feature", "functionapp", "group", "identity", "image", "keyvault",
            "lock",
        "monitor activity-log", "monitor log-analytics workspace", "monitor metrics alert", "mysql flexible-server",
        "network application-gateway", "network dns zone", "network lb", "network nat gateway", "network nic",
        "network nsg", "network nsg rule", "network private-dns zone", "network private-endpoint",
        "network public-ip",
        "network route-table", "network route-table route", "network vnet", "network vnet peering",
        "network vnet subnet",
        "postgres flexible-server", "postgres server", "provider", "redis", "resource", "role assignment",
        "role definition", "snapshot", "sql db", "sql server", "storage account", "vm", "vmss", "webapp",
        *(f"network {zone} record-set {kind}" for zone in ("dns", "private-dns")
          for kind in ("a", "aaaa", "cname", "mx", "ptr", "srv", "txt")),
    }
)  # fmt: skip
_AZ_ALSO = frozenset(
    {
        "account list-locations", "acr repository show-tags", "aks get-upgrades", "aks get-versions",
        "aks nodepool get-upgrades", "group exists", "network application-gateway show-backend-health",
        "network vnet list-available-ips", "vm get-instance-view", "vm list-ip-addresses", "vm list-sizes",
        "vm list-skus", "vm list-usage", "vmss get-instance-view", "vmss list-instances",
    }
)  # fmt: skip
"""What lists keys, connection strings, settings or tokens is none of them."""
_AZ_OPTIONS = options(
    "-g=text -n=text -o=word --resource-group=text --name=text --output=word --query=text --subscription=text "
    "--show-details -d "
    "--server=text --server-name=text --vnet-name=text --cluster-name=text --namespace-name=text --account-name=text "
    "-l=text --location=text --ids=text --nsg-name=text --zone-name=text -z=text --registry=text -r=text "
    "--repository=text "
    "--orderby=word --top=number --nodepool-name=text --lb-name=text --gateway-name=text --route-table-name=text "
    "--workspace-name=text --vault-name=text -v=text --container-name=text -c=text --item-name=text -i=text "
    "--backup-management-type=word --workload-type=word --assignee=text --scope=text --role=text --all "
    "--include-inherited --resource-type=text --tag=text --namespace=text --instance-id=text --start-time=text "
    "--end-time=text --offset=text --max-events=number --display-name=text --filter=text --group=text --detail "
    "--only-show-errors --verbose"
)
_TERRAFORM = Spec(
    reads="-chdir=path", single=True, ends=False,
    subs={
        "validate": Spec(reads="-json -no-color -no-tests", single=True),
        "providers": Spec(single=True),
        # with -json, -raw or a name, sensitive values are printed
        "show": Spec(reads="-no-color", operands="path", single=True),
        "output": Spec(reads="-no-color -state=path", single=True),
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


_HARMLESS = r"(?!\S*(?i:pass|secret|token|key|cred))\S+"
"""The name of an option of Ceph that holds no password: those of its modules are options, too."""
_CEPH = re.compile(
    r"status|health(?: detail)?|df(?: detail)?|versions?|features|report|quorum_status|node ls(?: [a-z]+)?|fsid"
    r"|daemon \S+ (?:ops|status|version|perf "
    "dump|dump_(?:ops_in_flight|historic_ops|blocked_ops|mempools)"
    rf"|config get {_HARMLESS}|session ls)|osd (?:status|tree(?: [a-z]+)*|df(?: tree)?|stat|dump|ls|perf|pool ls(?: "
    r"detail)?|pool stats(?: \S+)?|lspools|blocked-by|find \S+"
    r"|metadata(?: \S+)?|utilization|crush tree|crush rule (?:ls|dump)(?: \S+)?|crush dump|pool get \S+ \S+"
    r"|ok-to-stop \S+|safe-to-destroy \S+|pool autoscale-status|erasure-code-profile (?:ls|get \S+))"
    r"|pg (?:stat|dump(?: [a-z_]+)?|dump_stuck(?: [a-z]+)*|ls(?: \S+)*|\S+ query|map \S+|ls-by-(?:osd|pool|primary) "
    r"\S+)"
    r"|mon (?:stat|dump|metadata(?: \S+)?|versions)|mds (?:stat|metadata(?: \S+)?)|fs (?:ls|status(?: \S+)?|dump|get "
    r"\S+)"
    r"|mgr (?:stat|dump|services|module ls|metadata)|crash (?:ls|ls-new|stat|info \S+)|log last(?: \S+)*"
    r"|device (?:ls|ls-by-host \S+|info \S+)|orch (?:ls|ps|status|host ls|device ls)(?: \S+)?|balancer status"
    rf"|config (?:get \S+ {_HARMLESS}|show \S+ {_HARMLESS}|ls)|time-sync-status|telemetry show|progress"
    r"|osd (?:pool get-quota \S+|numa-status|getmaxosd|crush class ls|pool application get(?: \S+)*)"
    r"|mon ok-to-stop \S+|nfs (?:cluster (?:ls|info)|export ls)(?: \S+)*|fs volume ls"
    r"|fs subvolumegroup ls \S+|fs subvolume (?:ls \S+(?: \S+)?|(?:info|getpath) \S+ \S+(?: \S+)?)"
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


_CONSUL = "-token=text -datacenter=text -namespace=text -partition=text -stale"
_CONSUL_KINDS = (
    "/(?:proxy|service)-defaults|service-(?:router|splitter|resolver|intentions)|(?:ingress|terminating|api)-gateway|"
    "mesh|exported-services|(?:http|tcp)-route|sameness-group|control-plane-request-limit/"
)
"""Of configuration entries; an ``inline-certificate`` has its private key."""
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
            **dict.fromkeys(("ls", "list", "info", "status", "du", "disk-usage", "showmapped", "children"),
                _RBD_READS),
            "snap": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "lock": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "device": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "namespace": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "pool": Spec(subs={"stats": _RBD_READS}),
            "trash": Spec(subs={"ls": _RBD_READS, "list": _RBD_READS}),
            "mirror": Spec(subs={  # with --all, the info of a pool has the keys of its peers
                "pool": Spec(subs={"status": _RBD_READS, "info": Spec(reads=_RBD, operands="text*")}),
                "image": Spec(subs={"status": _RBD_READS}),
            }),
        },
    ),
    "rados": Spec(reads="-p=text --pool=text", subs={"df": _NONE, "lspools": _NONE, "ls": _NONE,
        "stat": Spec(operands=
        "text")},
                  inherits=True),
    "radosgw-admin": Spec(
        reads="--bucket=text --uid=text --rgw-realm=text --rgw-zone=text --rgw-zonegroup=text --format=word",
            inherits=True,
        subs={"sync": Spec(subs={"status": _NONE}, inherits=True), "bucket": Spec(subs={"stats": _NONE,
            "list": _NONE},
                                                                                 inherits=True),
              "user": Spec(subs={"list": _NONE}, inherits=True), "period": Spec(subs={"get": _NONE},
                  inherits=True)},
    ),
    "etcdctl": Spec(
        reads=_ETCD, inherits=True,
        subs={
            "get": Spec(reads="--prefix[=bool] --keys-only[=bool] --limit=number --from-key[=bool] "
                "--print-value-only[=bool] "
                        "--count-only[=bool] --rev=number --consistency=word --order=word --sort-by=word "
                        "--stream[=bool] "
                "--min-create-rev=number --max-create-rev=number --min-mod-rev=number --max-mod-rev=number", operands=
                            "text text"),
            "endpoint": Spec(subs=dict.fromkeys(("status", "health", "hashkv"), Spec(reads="--cluster[=bool] "
            "--rev=number")),
                inherits=True),
            "member": Spec(subs={"list": Spec(reads="--consistency=word")}, inherits=True),
            "alarm": Spec(subs={"list": _NONE}, inherits=True),
            "user": Spec(subs={"list": _NONE, "get": Spec(operands="text")}, inherits=True),
            "role": Spec(subs={"list": _NONE, "get": Spec(operands="text")}, inherits=True),
            "auth": Spec(subs={"status": _NONE}, inherits=True),
            "lease": Spec(subs={"list": _NONE, "timetolive": Spec(reads="--keys[=bool]", operands="text")},
                inherits=True),
            "snapshot": Spec(subs={"status": Spec(operands="path")}, inherits=True),
            "watch": Spec(reads="--prefix[=bool] --rev=number --prev-kv[=bool] --progress-notify[=bool]",
                          operands="text text", ends=False, verdict="follow"),  # behind -- stands a program to run
            "version": _NONE,
        },
    ),
    "etcdutl": Spec(
        reads="-w=word --write-out=word", inherits=True,
        subs={"snapshot": Spec(subs={"status": Spec(operands="path")}, inherits=True), "version": _NONE},
    ),
    "consul": Spec(
        subs={
            "members": Spec(reads="-detailed -wan -status=text -token=text -filter=text -segment=text", single=True),
            "acl": Spec(subs={each: Spec(subs={"list": Spec(reads=_CONSUL, single=True), "read": Spec(reads=
                f"{_CONSUL} -name=text -id=text", single=True)}) for each in ("policy", "role")}),
            "config": Spec(subs={"list": Spec(reads=f"{_CONSUL} -kind=word", single=True),
                                 "read": Spec(reads=f"{_CONSUL} -kind={_CONSUL_KINDS} -name=text", single=True)}),
            "intention": Spec(subs={"list": Spec(reads=_CONSUL, single=True), "check": Spec(reads=_CONSUL,
                single=True,
                operands="text text"), "match": Spec(reads=f"{_CONSUL} -destination -source", single=True,
                    operands="text")}),
            "peering": Spec(subs={"list": Spec(reads=f"{_CONSUL} -format=word", single=True)}),
            "monitor": Spec(reads=f"{_CONSUL} -log-level=word -log-json", single=True, verdict="follow"),
            "snapshot": Spec(subs={"inspect": Spec(reads="-format=word -kvdetails -kvdepth=number", single=True,
                operands="path")}),
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
            "token": Spec(subs={"lookup": Spec(reads="-format=word -accessor", needs="-accessor", otherwise="unknown",
                single=True, operands="text"), "capabilities": Spec(operands="text")}),
            "kv": Spec(otherwise="unknown", subs={
                "list": Spec(reads="-format=word", single=True, operands="text", check=_vault_kv),
                "metadata": Spec(subs={"get": Spec(reads="-format=word", single=True, operands="text",
                    check=_vault_kv)}),
            }),
            "namespace": Spec(subs={"list": Spec(reads="-format=word", single=True)}),
            "plugin": Spec(subs={"list": Spec(reads="-format=word -detailed", single=True,
                operands="{auth|database|secret}")}),
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
        subs=dict.fromkeys(("status", "info", "ring", "tpstats", "netstats", "compactionstats", "tablestats",
            "cfstats",
                            "describecluster", "gossipinfo", "version", "describering", "proxyhistograms",
                                "tablehistograms"),
                           Spec(reads="-H -r", operands="text*")),
    ),
}  # fmt: skip

TABLES = (_CLOUDS_PROGRAMS, _CLUSTERS_PROGRAMS)
