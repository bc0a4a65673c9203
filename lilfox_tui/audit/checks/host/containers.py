"""How the containers of a host are set up, as their engines tell, and whether an engine can be reached over TCP."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import CONTAINERS, AuditedContainer, Printed
from lilfox_tui.core.i18n import Message, listed, tr

_ENGINES = r"""
for folder in /proc/[0-9]*; do
    read -r name <"$folder/comm" 2>/dev/null || continue
    case $name in dockerd|podman) ;; *) continue ;; esac
    printf '@@process %s\n' "$name"
    tr '\000' '\n' <"$folder/cmdline" 2>/dev/null  # it may have ended
    printf '\n'
done
echo '@@file'
[ ! -e /etc/docker/daemon.json ] || cat /etc/docker/daemon.json
"""
WEB_PORTS = ("80", "443")
"""What a host offers to everybody on purpose."""
_CLUSTER = "io.kubernetes.pod.name"
"""The label of a container whose settings are a cluster's, which has checks of its own."""
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with


class EngineSockets(Struct, frozen=True):
    """The TCP addresses that an engine on the host listens on, and whether it asks for a certificate there."""

    program: str
    addresses: tuple[str, ...]
    verifies: bool


def parse_engines(printed: Printed) -> list[EngineSockets]:
    """The engines that run, by their words and the configuration of Docker."""
    processes, _mark, file = "\n".join(printed.lines()).partition("@@file")
    settings = json.loads(file) if file.strip() else {}
    found = []
    for block in processes.split("@@process ")[1:]:
        program, *words = block.splitlines()
        hosts = _options(words, ("-H", "--host"))
        verifies = "--tlsverify" in words or "--tlsverify=true" in words
        if program == "dockerd":
            configured = settings.get("hosts", [])
            hosts += [each for each in configured if isinstance(each, str)] if isinstance(configured, list) else []
            verifies = verifies or settings.get("tlsverify") is True
        else:
            hosts = [each for each in words if each.startswith("tcp:")] if "service" in words else []
        found.append(EngineSockets(program, tuple(each for each in hosts if each.startswith("tcp:")), verifies))
    if not found:
        raise Absent
    return found


def _options(words: Sequence[str], names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for at, word in enumerate(words):
        name, _is, value = word.partition("=")
        if word in names:
            found += words[at + 1 : at + 2]
        elif name in names:
            found.append(value)
        elif word.startswith("-H") and not word.startswith("--"):
            found.append(word[2:])
    return found


ENGINES = Fact("container-engines", _ENGINES, parse_engines)


def judge_engines(facts: Facts) -> Iterator[AuditFinding]:
    """Engines that take commands over TCP from whoever reaches them."""
    for engine in facts[ENGINES]:
        for address in () if engine.verifies else engine.addresses:
            evidence = tr("{program} listens on {address} without --tlsverify", program=engine.program, address=address)
            text = tr(
                "Take the tcp:// address out of its command line or of /etc/docker/daemon.json, and reach the engine "
                "over SSH: docker --host ssh://USER@HOST. If TCP must stay, set tlsverify, tlscacert, tlscert and "
                "tlskey."
            )
            yield AuditFinding(f"{engine.program}: {address}", evidence, Fix(text))


def _running(facts: Facts) -> Iterator[AuditedContainer]:
    """The containers that run, but those of a cluster. Raises Absent where there is no engine."""
    known = facts[CONTAINERS]
    if known is None:
        raise Absent
    for each in known:
        container = each.container
        if (container.running or container.state == "restarting") and _CLUSTER not in dict(container.labels):
            yield each


def _found(each: AuditedContainer, evidence: Message, text: Message, subject: str = "") -> AuditFinding:
    inspect = (each.program, "inspect", each.container.name or each.container.short_id)
    return AuditFinding(
        subject or each.container.name or each.container.short_id,
        evidence,
        Fix(text, commands=(shlex.join(inspect),)),
    )


def judge_ports(facts: Facts) -> Iterator[AuditFinding]:
    """Ports, except those of the web, that are published on all addresses of the host."""
    for each in _running(facts):
        container = each.container
        ports = {port.host_port: port for port in container.ports if port.host_port and port.address in _EVERYWHERE}
        for host_port, port in ports.items():
            if host_port in WEB_PORTS:
                continue
            number = port.container.partition("/")[0]
            evidence = tr("{name} publishes {port}", name=container.name, port=port.text)
            text = tr(
                "Recreate it with -p 127.0.0.1:{host_port}:{port} (in Compose: ports: ['127.0.0.1:{host_port}:"
                "{port}']), or with the address of the network that needs it.",
                host_port=host_port,
                port=number,
            )
            yield _found(each, evidence, text, f"{container.name}:{host_port}")


def _privileged(each: AuditedContainer) -> AuditFinding | None:
    if not each.container.privileged or each.rootless:
        return None
    text = tr("Recreate it without --privileged; use --cap-add and --device for what it needs.")
    return _found(each, tr("{name}: Privileged=true", name=each.container.name), text)


def _socket(each: AuditedContainer) -> AuditFinding | None:
    sockets = each.container.engine_sockets
    if not sockets or each.rootless:
        return None
    text = tr(
        "Recreate it without this mount. Where a program needs a part of the engine, put a proxy in between that "
        "allows only those requests (docker-socket-proxy); a read-only mount does not limit the API."
    )
    return _found(each, tr("{name} mounts {socket}", name=each.container.name, socket=listed(sockets)), text)


def _tag(each: AuditedContainer) -> AuditFinding | None:
    image = each.container.image
    if not image or "@sha256:" in image or _ID.fullmatch(image):
        return None
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag not in ("", "latest"):
        return None
    text = tr("Name the version of the image that it runs now, such as {image}:1.2.3.", image=image.partition(":")[0])
    return _found(each, tr("{name} runs {image}", name=each.container.name, image=image), text)


def _memory(each: AuditedContainer) -> AuditFinding | None:
    container = each.container
    if container.memory_limit:
        return None
    name = shlex.quote(container.name or container.short_id)
    text = tr("Set a limit now, and where it is created (--memory; mem_limit in Compose).")
    commands = (f"{each.program} stats --no-stream {name}", f"{each.program} update --memory 512m {name}")
    if each.program == "docker":
        commands = (commands[0], f"docker update --memory 512m --memory-swap 512m {name}")
    evidence = tr("{name} has no memory limit", name=container.name)
    return AuditFinding(container.name or container.short_id, evidence, Fix(text, commands=commands))


def _host_network(each: AuditedContainer) -> AuditFinding | None:
    container = each.container
    if not container.host_network or each.rootless or container.user.partition(":")[0] not in ("", "0", "root"):
        return None
    text = tr(
        "Recreate it with --user, or in a network of its own with -p for the ports that others need "
        "(--network host leaves none of the two between it and the host)."
    )
    evidence = tr("{name}: NetworkMode=host, user {user}", name=container.name, user=container.user or "root")
    return _found(each, evidence, text)


def _each(judge_one: Callable[[AuditedContainer], AuditFinding | None]) -> Callable[[Facts], Iterator[AuditFinding]]:
    def judge(facts: Facts) -> Iterator[AuditFinding]:
        for each in _running(facts):
            if (finding := judge_one(each)) is not None:
                yield finding

    return judge


_DOCKER, _RUN = "https://docs.docker.com/engine/", "https://docs.docker.com/reference/cli/docker/container/run/"
CHECKS = (
    AuditCheck(
        "container-engine-tcp",
        AuditSeverity.HIGH,
        tr("a container engine accepts commands over TCP without a certificate"),
        tr("Anyone who reaches this port can start a container that mounts the host's files, and is root."),
        (ENGINES,),
        judge_engines,
        f"{_DOCKER}security/protect-access/",
    ),
    AuditCheck(
        "container-public-port",
        AuditSeverity.MEDIUM,
        tr("a container's port is published on all addresses"),
        tr("Docker forwards such ports before the rules that ufw and firewalld have for the host."),
        (CONTAINERS,),
        judge_ports,
        f"{_DOCKER}network/packet-filtering-firewalls/",
    ),
    AuditCheck(
        "container-privileged",
        AuditSeverity.HIGH,
        tr("a container is privileged"),
        tr("It has every device and capability of the host: anyone who breaks into it is root there."),
        (CONTAINERS,),
        _each(_privileged),
        f"{_RUN}#privileged",
    ),
    AuditCheck(
        "container-engine-socket",
        AuditSeverity.HIGH,
        tr("a container can use the socket of its engine"),
        tr("Anyone who breaks into it can start a container that mounts the host's files, and is root there."),
        (CONTAINERS,),
        _each(_socket),
        f"{_DOCKER}security/#docker-daemon-attack-surface",
    ),
    AuditCheck(
        "container-root-on-host-network",
        AuditSeverity.MEDIUM,
        tr("a container runs as root in the network of the host"),
        tr("It can reach services that listen on loopback only, and open any port of the host."),
        (CONTAINERS,),
        _each(_host_network),
        f"{_DOCKER}network/drivers/host/",
    ),
    AuditCheck(
        "container-image-tag",
        AuditSeverity.LOW,
        tr("a container's image has no version"),
        tr("It is not known which version runs, and the next pull may bring another one."),
        (CONTAINERS,),
        _each(_tag),
        "https://docs.docker.com/build/building/best-practices/#pin-base-image-versions",
    ),
    AuditCheck(
        "container-no-memory-limit",
        AuditSeverity.LOW,
        tr("a container has no memory limit"),
        tr("A leak takes the memory of the whole host, and the kernel may kill another program for it."),
        (CONTAINERS,),
        _each(_memory),
        f"{_DOCKER}containers/resource_constraints/",
    ),
)
