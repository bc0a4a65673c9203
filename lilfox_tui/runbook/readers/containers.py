"""Container and Kubernetes clients: docker, podman, kubectl, oc, helm."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.judge import judge
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, Spec, Verdict, worst

# Containers: docker, podman, their composes, and what Kubernetes runs them with.


_PS = Spec(
    reads="-a -q -l -n=number -s -f=text --all --quiet --latest --last=number --size --filter=text --format=text "
        "--no-trunc "
    "--pod --namespace",
)  # fmt: skip
_LOGS = Spec(
    reads="-t -n=number --timestamps --tail=number --since=time --until=time --details --names", follows="-f "
    "--follow",
    operands="name*",
)  # fmt: skip
_INSPECT = Spec(reads="-f=text --format=text -s --size --type=word -l --latest", operands="name*")
_IMAGES = Spec(reads="-a -q -f=text --all --quiet --digests --no-trunc --filter=text --format=text", operands="name")
_STATS = Spec(
    reads="-a --all --no-stream --no-trunc --format=text", needs="--no-stream", otherwise="follow", operands="name*"
)
_TOP = Spec(operands="name text*", permutes=False)
_EXEC = Spec(reads="-u=user --user=user -w=path --workdir=path", interactive="-i -t --interactive --tty", runs=1)
_LISTED = Spec(reads="-q -f=text --quiet --filter=text --format=text --no-trunc", operands="name*")
_COMMON = {
    "ps": _PS, "logs": _LOGS, "inspect": _INSPECT, "images": _IMAGES, "stats": _STATS, "top": _TOP, "exec": _EXEC,
    "port": Spec(operands="name text"), "diff": Spec(operands="name"),
    "history": Spec(reads="-q -H --no-trunc --quiet --human --format=text", operands="name"),
    "version": Spec(reads="-f=text --format=text"), "info": Spec(reads="-f=text --format=text"),
    "events": Spec(reads="-f=text --filter=text --since=time --until=time --format=text", verdict="follow"),
    "attach": Spec(operands="name", verdict="interactive"),
    "image": Spec(subs={"ls": _IMAGES, "list": _IMAGES, "inspect": _INSPECT, "history": Spec(operands="name")}),
    "container": Spec(subs={"ls": _PS, "list": _PS, "ps": _PS, "logs": _LOGS, "inspect": _INSPECT, "stats": _STATS,
        "top": _TOP,
                            "port": Spec(operands="name text"), "diff": Spec(operands="name"), "exec": _EXEC}),
    "manifest": Spec(subs={"inspect": Spec(reads="-v --verbose --insecure", operands="name")}),
    "volume": Spec(subs={"ls": _LISTED, "inspect": _INSPECT}),
    "network": Spec(subs={"ls": _LISTED, "inspect": _INSPECT}),
    "system": Spec(subs={"df": Spec(reads="-v --verbose --format=text"), "info": Spec(reads="-f=text "
    "--format=text")}),
}  # fmt: skip
_SWARM = {
    "node": Spec(subs={"ls": _LISTED, "inspect": _INSPECT, "ps": _LISTED}),
    "service": Spec(subs={"ls": _LISTED, "inspect": Spec(reads="-f=text --format=text --pretty", operands="name*"),
        "ps": _LISTED,
                          "logs": _LOGS}),
    "stack": Spec(subs={"ls": _LISTED, "ps": _LISTED, "services": _LISTED}),
    "context": Spec(subs={"ls": _LISTED, "show": Spec()}),
}  # fmt: skip
_LOCAL = r"/(?!github\.com/)[A-Za-z0-9_./-]+/"
"""Compose fetches what looks like an address."""
_COMPOSE = Spec(
    reads=f"-f={_LOCAL} --file={_LOCAL} -p=name --project-name=name --profile=word --env-file=path "
    "--project-directory=path",
    subs={
        "ps": Spec(reads="-a -q --all --quiet --services --status=word --filter=text --format=text --no-trunc",
            operands=
            "name*"),
        "logs": Spec(
            reads="-t -n=number --timestamps --tail=number --since=time --until=time --no-color --no-log-prefix",
            follows="-f --follow", operands="name*",
        ),
        "top": Spec(operands="name*"), "images": Spec(reads="-q --quiet --format=text", operands="name*"),
        "ls": Spec(reads="-a -q --all --quiet --format=text --filter=text"),
        "port": Spec(operands="name number"), "version": Spec(reads="-f=text --format=text --short"),
        "config": Spec(reads="-q --quiet --services --volumes --images --profiles --no-interpolate",
            operands="name*"),
        "events": Spec(reads="--json", operands="name*", verdict="follow"),
        "exec": Spec(reads="-T -u=user --user=user -w=path --workdir=path --no-TTY", runs=1),
    },
)  # fmt: skip
_CRI_LIST = Spec(
    reads="-a -q -v -s=word -o=word --all --quiet --verbose --state=word --name=text --namespace=text --label=text "
        "--output=word "
    "--pod=text --id=text --image=text --latest -l --no-trunc",
    operands="name*",
)  # fmt: skip
_CTR = {
    "containers": Spec(subs={"list": Spec(reads="-q"), "ls": Spec(reads="-q"), "info": Spec(operands="name")}),
    "images": Spec(subs={"list": Spec(reads="-q", operands="text*"), "ls": Spec(reads="-q", operands="text*")}),
    "tasks": Spec(subs={"list": Spec(reads="-q"), "ls": Spec(reads="-q"), "ps": Spec(operands="name")}),
    "version": Spec(),
}  # fmt: skip

_CONTAINERS_PROGRAMS: dict[str, Spec] = {
    "docker": Spec(reads="-v --version --help", subs={**_COMMON, **_SWARM, "compose": _COMPOSE}),
    "podman": Spec(
        reads="-v --version --help",
        subs={**_COMMON, "compose": _COMPOSE, "pod": Spec(subs={"ps": _PS, "ls": _PS, "inspect": _INSPECT,
            "stats": _STATS,
                                                                "logs": _LOGS, "top": _TOP})},
    ),
    "docker-compose": _COMPOSE,
    "podman-compose": _COMPOSE,
    "crictl": Spec(
        subs={
            "ps": _CRI_LIST, "pods": _CRI_LIST, "images": _CRI_LIST, "inspect": _CRI_LIST, "inspecti": _CRI_LIST,
            "inspectp": _CRI_LIST, "info": _CRI_LIST, "version": Spec(), "statsp": _CRI_LIST, "stats": _CRI_LIST,
            "logs": Spec(reads="-p -t --tail=number --since=time --timestamps --previous", follows="-f --follow",
                         operands="name"),
            "exec": Spec(interactive="-i -t --interactive --tty", runs=1),
        },
    ),
    "ctr": Spec(reads="-n=word --namespace=word", subs={**_CTR, "c": _CTR["containers"], "i": _CTR["images"],
        "t": _CTR[
        "tasks"]}),
    "nerdctl": Spec(reads="-n=word --namespace=word", subs=_COMMON),
    "lxc": Spec(subs={"list": Spec(operands="text*"), "info": Spec(reads="--show-log", operands="name")}),
}  # fmt: skip


# Kubernetes, OpenShift and what stands on them.


_ALL = (
    "-n=name --namespace=name --context=word --cluster=word --user=word --kubeconfig=host-config "
    "--request-timeout=time -v=number "
    "--v=number --match-server-version[=bool] --warnings-as-errors[=bool]"
)
_SELECTS = "-l=text --selector=text --field-selector=text -A --all-namespaces[=bool]"
_PRINTS = "-o=text --output=text --no-headers[=bool] --template=text"
_GET = Spec(
    reads=f"{_SELECTS} {_PRINTS} -L=text --label-columns=text --show-labels[=bool] --sort-by=text "
        f"--ignore-not-found[=bool] "
    "--show-kind[=bool] --chunk-size=number --show-managed-fields[=bool] --subresource=word -f=path --filename=path "
    "--raw=text "
    "--allow-missing-template-keys[=bool] --server-print[=bool] -R",
    follows="-w --watch[=bool] --watch-only[=bool]", operands="text*",
)  # fmt: skip
_KUBERNETES_LOGS = Spec(
    reads="-c=name --container=name --tail=number --since=time --since-time=time --timestamps[=bool] -p "
        "--previous[=bool] "
    "--all-containers[=bool] -l=text --selector=text --prefix[=bool] --limit-bytes=number --max-log-requests=number "
    "--ignore-errors[=bool] --pod-running-timeout=time --all-pods[=bool] --version=number",
    follows="-f --follow[=bool]", operands="text*",
)  # fmt: skip
_KUBERNETES_TOP = Spec(
    reads=f"{_SELECTS} --containers[=bool] --sort-by=word --no-headers[=bool] --sum[=bool] "
        f"--use-protocol-buffers[=bool]",
    operands="text*",
)  # fmt: skip
_ROLLOUT = {
    "status": Spec(
        reads="-w --watch[=bool] --timeout=time --revision=number -l=text --selector=text -f=path", operands="text*"
    ),
    "history": Spec(reads="--revision=number -o=text --output=text -l=text --selector=text -f=path", operands="text*"),
}
_CONFIG = {
    "view": Spec(reads=f"{_PRINTS} --minify[=bool] --flatten[=bool] --merge[=bool]"),
    "current-context": Spec(), "get-contexts": Spec(reads=_PRINTS, operands="text*"), "get-clusters": Spec(),
        "get-users": Spec(),
}  # fmt: skip


def _exec(words: Sequence[Argument], context: Context) -> Verdict:
    """Judge exec: the words after ``--`` run in the container; without it their beginning is unknown."""
    place = next((at for at, word in enumerate(words) if word.text == "--"), None)
    if place is None:
        return "unknown"
    before = judge(_KUBERNETES_EXEC, words[:place], context)
    return worst([before, context.words(words[place + 1 :], context.fed)])


def _one_pod(call: ProgramCall, _context: Context) -> Verdict:
    """Require one pod before ``--``: otherwise the first word after it is the pod."""
    return "read" if len(call.operands) == 1 else "unknown"


def _rsh_command(call: ProgramCall, context: Context) -> Verdict:
    if len(call.operands) < 2:
        return "unknown" if context.fed else "interactive"
    return context.words(call.operands[1:], context.fed)


def _upgrade(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if not call.operands else "change"


_KUBERNETES_EXEC = Spec(
    reads=f"{_ALL} -c=name --container=name -q --quiet[=bool] --pod-running-timeout=time",
    interactive="-i -t --stdin[=bool] --tty[=bool]", operands="text", check=_one_pod,
)  # fmt: skip
_RSH = Spec(
    reads=f"{_ALL} -c=name --container=name -T --no-tty[=bool] -t --tty[=bool] --timeout=number",
        operands="text text*",
    permutes=False, check=_rsh_command,
)  # fmt: skip
_KUBECTL = {
    "cnpg": Spec(subs={"status": Spec(reads="-v --verbose", operands="name")}, inherits=True),
    "get": _GET,
    "describe": Spec(reads=f"{_SELECTS} --show-events[=bool] -f=path --filename=path --chunk-size=number", operands=
        "text*"),
    "logs": _KUBERNETES_LOGS,
    "top": Spec(subs=dict.fromkeys(("node", "nodes", "no", "pod", "pods", "po"), _KUBERNETES_TOP), inherits=True),
    "explain": Spec(reads="--recursive[=bool] --api-version=word --output=word", operands="text"),
    "api-resources": Spec(reads=f"{_PRINTS} --verbs=text --namespaced[=bool] --api-group=text --sort-by=word "
        f"--cached[=bool] "
                          "--categories=text"),
    "api-versions": Spec(),
    "version": Spec(reads="--client[=bool] --short[=bool] -o=word --output=word"),
    "cluster-info": Spec(),
    "config": Spec(subs=_CONFIG, inherits=True),
    "rollout": Spec(subs=_ROLLOUT, inherits=True),
    "auth": Spec(
        subs={"can-i": Spec(reads="--list[=bool] -A --all-namespaces[=bool] --as=text --as-group=text -q "
            "--quiet[=bool] "
                            "--subresource=word --no-headers[=bool]", operands="text*"),
              "whoami": Spec(reads="-o=word --output=word")},
        inherits=True,
    ),
    "events": Spec(reads="-A --all-namespaces[=bool] --for=text --types=text -o=word --output=word "
    "--no-headers[=bool]",
                   follows="-w --watch[=bool]"),
    "wait": Spec(reads=f"{_SELECTS} --for=text --timeout=time --all[=bool] -f=path -o=word --output=word", operands=
        "text*"),
    "exec": Spec(own=_exec),
}  # fmt: skip
_OC = {
    "status": Spec(reads="--suggest[=bool] -A --all-namespaces[=bool] -o=word"),
    "whoami": Spec(reads="-c --show-context[=bool] --show-server[=bool] --show-console[=bool]"),
    "project": Spec(reads="-q --short[=bool]"),
    "projects": Spec(reads="-q --short[=bool]"),
    "rsh": _RSH,
    "adm": Spec(
        subs={
            "top": Spec(subs={**dict.fromkeys(("node", "nodes", "pod", "pods"), _KUBERNETES_TOP), "images": Spec(),
                "imagestreams": Spec()},
                        inherits=True),
            "node-logs": Spec(
                reads="--role=word -u=unit --unit=unit --path=path --since=time --until=time --tail=number "
                "-g=pattern "
                    "--grep=pattern "
                "--case-sensitive[=bool] -o=word --output=word --boot=number -l=text --selector=text --raw[=bool]",
                operands="text*",
            ),
            "upgrade": Spec(reads="--include-not-recommended[=bool]", operands="text*", check=_upgrade),
            "policy": Spec(subs={"who-can": Spec(reads=_SELECTS, operands="text*")}, inherits=True),
        },
        inherits=True,
    ),
    "api-resources": _KUBECTL["api-resources"],
}  # fmt: skip

_CHART = "/(?:(?:https?|oci)://)?[A-Za-z0-9_.@-][A-Za-z0-9_./@-]*/"
"""Another scheme is one of a plug-in, which is a program."""

_KUBERNETES_PROGRAMS: dict[str, Spec] = {
    "kubectl": Spec(reads=_ALL, subs=_KUBECTL, inherits=True),
    "oc": Spec(reads=_ALL, subs={**_KUBECTL, **_OC}, inherits=True),
    "virtctl": Spec(
        reads=_ALL, inherits=True,
        subs={"version": Spec(reads="-c --client[=bool]"), "guestosinfo": Spec(operands="name"), "fslist": Spec(
            operands=
            "name"),
              "userlist": Spec(operands="name"), "console": Spec(reads="--timeout=number", operands="name",
                                                                 verdict="interactive")},
    ),
    "helm": Spec(
        reads="-n=name --namespace=name --kube-context=word --kubeconfig=host-config --debug", inherits=True,
        subs={
            **dict.fromkeys(("list", "ls"), Spec(
                reads="-a -A -q -d -r --all --all-namespaces --short --date --reverse --deployed --failed --pending "
                    "--superseded "
                "--uninstalled --uninstalling --no-headers -f=text --filter=text -l=text --selector=text "
                "-m=number --max=number --offset=number "
                "-o=word "
                "--output=word --time-format=text")),
            "status": Spec(reads="-o=word --output=word --revision=number --show-desc --show-resources", operands=
                "name"),
            **dict.fromkeys(("history", "hist"), Spec(reads="-o=word --output=word --max=number", operands="name")),
            "get": Spec(subs=dict.fromkeys(("all", "values", "manifest", "notes", "hooks", "metadata"), Spec(
                reads="-a --all -o=word --output=word --revision=number --template=text", operands="name")),
                    inherits=True),
            "show": Spec(subs=dict.fromkeys(("all", "chart", "readme", "values"), Spec(
                reads="--version=word --devel", operands=_CHART)), inherits=True),
            "search": Spec(subs={"repo": Spec(reads="-l --versions --version=word --devel -o=word",
                operands="text*")},
                           inherits=True),
            "repo": Spec(subs=dict.fromkeys(("list", "ls"), Spec(reads="-o=word --output=word")), inherits=True),
            "template": Spec(
                reads=f"--set=text --set-string=text -f={_CHART} --values={_CHART} -s=text --show-only=text "
                f"--version=word "
                "--include-crds --is-upgrade --no-hooks --skip-tests --skip-crds --kube-version=word -a=text "
                "--api-versions=text -g --generate-name --devel", operands=f"{_CHART} {_CHART}"),
            **dict.fromkeys(("dependency", "dep", "dependencies"), Spec(subs=dict.fromkeys(("list", "ls"), Spec(
                reads="--max-col-width=number", operands=_CHART)), inherits=True)),
            "plugin": Spec(subs=dict.fromkeys(("list", "ls"), Spec()), inherits=True),
            "version": Spec(reads="--short --client"), "env": Spec(),
        },
    ),
    "istioctl": Spec(
        reads="-n=name --namespace=name", inherits=True,
        subs={"proxy-status": Spec(operands="text"), "ps": Spec(operands="text"), "version": Spec(reads="--short")},
    ),
    "cilium": Spec(subs={"status": Spec(reads="--brief --verbose --all-addresses"), "version": Spec()}),
    "argocd": Spec(subs={"app": Spec(subs={"list": Spec(reads="-o=word"), "get": Spec(reads="-o=word --show-params",
                                                                                     operands="name")})}),
    "flux": Spec(
        reads="-n=name --namespace=name", inherits=True,
        subs={"get": Spec(reads="-A --all-namespaces", operands="text*"), "version": Spec()},
    ),
}  # fmt: skip

TABLES = (_CONTAINERS_PROGRAMS, _KUBERNETES_PROGRAMS)
