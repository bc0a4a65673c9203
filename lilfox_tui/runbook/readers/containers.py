"""Containers: docker, podman, their composes, and what Kubernetes runs them with."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Spec

_PS = Spec(
    reads="-a -q -l -n=number -s -f=text --all --quiet --latest --last=number --size --filter=text --format=text "
        "--no-trunc "
    "--pod --namespace",
)  # fmt: skip
_LOGS = Spec(
    reads="-t -n=number --timestamps --tail=number --since=time --until=time --details --names", follows="-f --follow",
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
    "system": Spec(subs={"df": Spec(reads="-v --verbose --format=text"), "info": Spec(reads="-f=text --format=text")}),
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
        "config": Spec(reads="-q --quiet --services --volumes --images --profiles --no-interpolate", operands="name*"),
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

TABLE: dict[str, Spec] = {
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
    "ctr": Spec(reads="-n=word --namespace=word", subs={**_CTR, "c": _CTR["containers"], "i": _CTR["images"], "t": _CTR[
        "tasks"]}),
    "nerdctl": Spec(reads="-n=word --namespace=word", subs=_COMMON),
    "lxc": Spec(subs={"list": Spec(operands="text*"), "info": Spec(reads="--show-log", operands="name")}),
}  # fmt: skip
