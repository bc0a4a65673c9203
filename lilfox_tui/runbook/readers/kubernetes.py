"""Kubernetes, OpenShift and what stands on them."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.runbook.readers.judge import judge
from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict, worst
from lilfox_tui.runbook.shell_values import Argument

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
_LOGS = Spec(
    reads="-c=name --container=name --tail=number --since=time --since-time=time --timestamps[=bool] -p "
        "--previous[=bool] "
    "--all-containers[=bool] -l=text --selector=text --prefix[=bool] --limit-bytes=number --max-log-requests=number "
    "--ignore-errors[=bool] --pod-running-timeout=time --all-pods[=bool] --version=number",
    follows="-f --follow[=bool]", operands="text*",
)  # fmt: skip
_TOP = Spec(
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
    "view": Spec(reads=f"{_PRINTS} --minify[=bool] --raw[=bool] --flatten[=bool] --merge[=bool]"),
    "current-context": Spec(), "get-contexts": Spec(reads=_PRINTS, operands="text*"), "get-clusters": Spec(),
        "get-users": Spec(),
}  # fmt: skip


def _exec(words: Sequence[Argument], context: Context) -> Verdict:
    """Behind ``--`` stands what runs in the container; without it nobody knows where that begins."""
    place = next((at for at, word in enumerate(words) if word.text == "--"), None)
    if place is None:
        return "unknown"
    before = judge(_EXEC, words[:place], context)
    return worst([before, context.words(words[place + 1 :], context.fed)])


def _one_pod(call: Call, _context: Context) -> Verdict:
    """Without one in front of ``--`` the first word behind it is the pod."""
    return "read" if len(call.operands) == 1 else "unknown"


def _rsh_command(call: Call, context: Context) -> Verdict:
    if len(call.operands) < 2:
        return "unknown" if context.fed else "interactive"
    return context.words(call.operands[1:], context.fed)


def _upgrade(call: Call, _context: Context) -> Verdict:
    return "read" if not call.operands else "change"


_EXEC = Spec(
    reads=f"{_ALL} -c=name --container=name -q --quiet[=bool] --pod-running-timeout=time",
    interactive="-i -t --stdin[=bool] --tty[=bool]", operands="text", check=_one_pod,
)  # fmt: skip
_RSH = Spec(
    reads=f"{_ALL} -c=name --container=name -T --no-tty[=bool] -t --tty[=bool] --timeout=number", operands="text text*",
    permutes=False, check=_rsh_command,
)  # fmt: skip
_KUBECTL = {
    "get": _GET,
    "describe": Spec(reads=f"{_SELECTS} --show-events[=bool] -f=path --filename=path --chunk-size=number", operands=
        "text*"),
    "logs": _LOGS,
    "top": Spec(subs=dict.fromkeys(("node", "nodes", "no", "pod", "pods", "po"), _TOP), inherits=True),
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
    "events": Spec(reads="-A --all-namespaces[=bool] --for=text --types=text -o=word --output=word --no-headers[=bool]",
                   follows="-w --watch[=bool]"),
    "wait": Spec(reads=f"{_SELECTS} --for=text --timeout=time --all[=bool] -f=path -o=word --output=word", operands=
        "text*"),
    "exec": Spec(own=_exec),
}  # fmt: skip
_OC = {
    "status": Spec(reads="--suggest[=bool] -A --all-namespaces[=bool] -o=word"),
    "whoami": Spec(reads="-t -c --show-token[=bool] --show-context[=bool] --show-server[=bool] --show-console[=bool]"),
    "project": Spec(reads="-q --short[=bool]"),
    "projects": Spec(reads="-q --short[=bool]"),
    "rsh": _RSH,
    "adm": Spec(
        subs={
            "top": Spec(subs={**dict.fromkeys(("node", "nodes", "pod", "pods"), _TOP), "images": Spec(),
                "imagestreams": Spec()},
                        inherits=True),
            "node-logs": Spec(
                reads="--role=word -u=unit --unit=unit --path=path --since=time --until=time --tail=number -g=pattern "
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

TABLE: dict[str, Spec] = {
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
                "--uninstalled -f=text --filter=text -l=text --selector=text -m=number --max=number --offset=number "
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
            "search": Spec(subs={"repo": Spec(reads="-l --versions --version=word --devel -o=word", operands="text*")},
                           inherits=True),
            "repo": Spec(subs={"list": Spec(reads="-o=word --output=word")}, inherits=True),
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
