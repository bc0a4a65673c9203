"""kubectl for one cluster, on the host where it is configured.

Which context it asks is found out once; from then on each command names it. So nothing goes to another cluster when
somebody changes the current context of the kubeconfig.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import shlex
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lilfox_tui.clusters.objects import part, parts, text_of
from lilfox_tui.config.model import ClusterConfig
from lilfox_tui.core.errors import CommandTimeout, HostError, LilFoxError, NotAllowed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Completed, Host, Loop
from lilfox_tui.hosts.process import last_words

REQUEST_S = 15
"""kubectl waits so long for each answer of the API server."""
ANSWER_S = 40.0
"""kubectl may take so long altogether."""
LIMIT_BYTES = 64 << 20

Fault = Literal["unreachable", "login", "forbidden", "context", "kubeconfig", "kubectl", "refused", "answer"]


class ClusterError(LilFoxError):
    """The cluster could not be asked, or refused. ``fault`` is the kind of reason."""

    message: Message

    def __init__(self, message: Message, hint: Message | str = "", *, fault: Fault = "refused") -> None:
        super().__init__(message, hint)
        self.fault = fault


class KubeContext(Struct, frozen=True):
    """A context of a kubeconfig: what it is called, where it leads and its namespace."""

    name: str
    server: str = ""
    namespace: str = ""
    current: bool = False


class Listed(Struct, frozen=True):
    """Objects, and the kinds that the account may not list."""

    items: list[dict[str, Any]]
    missing: tuple[str, ...] = ()


class Kubectl:
    """The cluster ``name`` of the configuration, asked with kubectl on ``host``. Each call raises ClusterError,
    HostError."""

    def __init__(self, host: Host, name: str, config: ClusterConfig) -> None:
        self.host, self.name, self.config = host, name, config
        self._context: KubeContext | None = None
        self._turn = asyncio.Lock()

    @property
    def context(self) -> str:
        """The name of its context; empty until :meth:`resolve` has returned."""
        return "" if self._context is None else self._context.name

    async def resolve(self) -> KubeContext:
        """Return the context that is asked, found out at the first call."""
        async with self._turn:
            if self._context is None:
                self._context = self._chosen(await self.contexts())
            return self._context

    async def contexts(self) -> list[KubeContext]:
        """Return the contexts of the kubeconfig, which kubectl prints without its secrets."""
        done = await self._completed((*self._program(), "config", "view", "--output=json"))
        found = self.decoded(done.stdout)
        servers = {text_of(each, "name"): text_of(each, "cluster", "server") for each in parts(found, "clusters")}
        current = text_of(found, "current-context")
        return [
            KubeContext(
                text_of(each, "name"),
                servers.get(text_of(each, "context", "cluster"), ""),
                text_of(each, "context", "namespace"),
                text_of(each, "name") == current,
            )
            for each in parts(found, "contexts")
        ]

    def _chosen(self, found: Sequence[KubeContext]) -> KubeContext:
        wanted = self.config.context
        chosen = next((each for each in found if (each.current if wanted is None else each.name == wanted)), None)
        if chosen is not None and chosen.name and not chosen.name.startswith("-"):
            return chosen
        names = ", ".join(each.name for each in found[:10])
        hint = (
            tr("Its contexts: {names}. Set context for the cluster {cluster}.", names=names, cluster=self.name)
            if names
            else tr("Set kubeconfig for the cluster {cluster} to a file that the login can read.", cluster=self.name)
        )
        if wanted is None:
            what = tr("the kubeconfig on {host} has no current context", host=self.host.name)
        else:
            what = tr("the kubeconfig on {host} has no context {context}", host=self.host.name, context=wanted)
        raise ClusterError(what, hint, fault="context" if names else "kubeconfig")

    async def confirm(self, context: str | None = None) -> KubeContext:
        """Return the context if it still leads where it did at first: to be asked before a change. ``context`` is that
        which the change names. Raises NotAllowed if it is another, or leads elsewhere."""
        known = await self.resolve()
        if context is not None and context != known.name:
            raise NotAllowed(
                tr("cluster {cluster} is the context {known}, not {context}", cluster=self.name, known=known.name,
                   context=context),
                tr("Nothing was changed. Choose the cluster whose context you mean."),
            )  # fmt: skip
        now = next((each for each in await self.contexts() if each.name == known.name), None)
        if now is None or now.server != known.server:
            raise NotAllowed(
                tr("the context {context} on {host} now leads to {now}, not to {known}", context=known.name,
                   host=self.host.name, now="" if now is None else now.server, known=known.server),
                tr("Nothing was changed. Check the kubeconfig, then start LilFox again."),
            )  # fmt: skip
        return known

    def _program(self) -> tuple[str, ...]:
        return "kubectl", *(() if self.config.kubeconfig is None else (f"--kubeconfig={self.config.kubeconfig}",))

    def argv(self, *words: str, namespace: str | None = None) -> tuple[str, ...]:
        """Return the command with these words, for a screen or to be run. It names the context, which
        :meth:`resolve` has found out before, and has no time limit."""
        if self._context is None:
            raise ClusterError(
                tr("the context of the cluster {cluster} is not known yet", cluster=self.name),
                tr("LilFox asks no cluster whose context it cannot name."),
                fault="context",
            )
        place = () if namespace is None else (f"--namespace={namespace}",)
        return (*self._program(), f"--context={self._context.name}", *place, *words)

    async def run(
        self,
        *words: str,
        namespace: str | None = None,
        stdin: bytes = b"",
        request_s: float = REQUEST_S,
        timeout_s: float = ANSWER_S,
    ) -> Completed:
        """Run kubectl with these words to its end. Raises ClusterError if it fails."""
        await self.resolve()
        argv = (*self.argv(f"--request-timeout={request_s:g}s", namespace=namespace), *words)
        return await self._completed(argv, stdin=stdin, timeout_s=timeout_s)

    async def get(self, kinds: Sequence[str], namespace: str | None = None, *names: str) -> list[dict[str, Any]]:
        """Return the objects of these kinds (as kubectl names them) in one call; those of all namespaces when none is
        given."""
        return (await self.list_objects(kinds, namespace, *names, partly=False)).items

    async def list_objects(
        self, kinds: Sequence[str], namespace: str | None = None, *names: str, partly: bool = True
    ) -> Listed:
        """As :meth:`get`; with ``partly``, kinds that the account may not list are no error."""
        await self.resolve()
        place = ("--all-namespaces",) if namespace is None and not names else ()
        words = (f"--request-timeout={REQUEST_S}s", "get", ",".join(kinds), *place, "--output=json", *names)
        argv = self.argv(*words, namespace=namespace)
        done = await self._ended(argv)
        missing = forbidden_kinds(done.stderr)
        if not done.ok and not (partly and missing and done.stdout.strip()):
            raise self.complaint(done)
        return Listed(list_items(self.decoded(done.stdout)), missing)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[ClusterLook]:
        """Yield what looks at the cluster again and again, over one shell on the host."""
        await self.resolve()
        program = shlex.join(self.argv(f"--request-timeout={REQUEST_S}s"))
        async with self.host.loop(look_script(program, tuple(dict.fromkeys(self.config.namespaces)))) as loop:
            yield ClusterLook(self, loop)

    async def version(self) -> str:
        """Return the version of the API server, ``v1.32.3``."""
        done = await self.run("version", "--output=json")
        return text_of(self.decoded(done.stdout), "serverVersion", "gitVersion")

    async def top(self, what: Literal["pods", "nodes"], namespace: str | None = None) -> list[dict[str, Any]]:
        """Return what pods or nodes use now, as the API ``metrics.k8s.io`` tells."""
        place = "" if namespace is None or what == "nodes" else f"namespaces/{namespace}/"
        done = await self.run("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/{place}{what}")
        return list_items(self.decoded(done.stdout))

    async def _completed(self, argv: tuple[str, ...], *, stdin: bytes = b"", timeout_s: float = ANSWER_S) -> Completed:
        done = await self._ended(argv, stdin=stdin, timeout_s=timeout_s)
        if not done.ok:
            raise self.complaint(done)
        return done

    async def _ended(self, argv: tuple[str, ...], *, stdin: bytes = b"", timeout_s: float = ANSWER_S) -> Completed:
        try:
            done = await self.host.run(argv, stdin=stdin, timeout_s=timeout_s, limit_bytes=LIMIT_BYTES)
        except CommandTimeout:
            raise self.too_slow(timeout_s) from None
        if done.truncated:
            raise self.too_large()
        return done

    def too_slow(self, seconds: float) -> ClusterError:
        """Return the error for a kubectl that did not end in time."""
        return ClusterError(
            tr("cluster {cluster} ({place}, asked from {host}): {said}", cluster=self.name, place=self._place,
               host=self.host.name, said=tr("no answer within {timeout_s:g} s", timeout_s=seconds)),
            tr("Check that the API server runs and that the host reaches it."),
            fault="unreachable",
        )  # fmt: skip

    @property
    def _place(self) -> Message | str:
        return tr("context {context}", context=self.context) if self.context else self.name

    def decoded(self, stdout: bytes) -> dict[str, Any]:
        """Return the JSON that kubectl printed."""
        try:
            return msgspec.json.decode(stdout, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ClusterError(
                tr("the output of kubectl on {host} cannot be read", host=self.host.name), fault="answer"
            ) from None

    def too_large(self) -> ClusterError:
        """Return the error for an answer that is larger than LilFox takes."""
        return ClusterError(
            tr("cluster {cluster} has too many objects", cluster=self.name),
            tr("Set namespaces for it in the configuration."),
            fault="answer",
        )

    def complaint(self, done: Completed) -> ClusterError:
        """Return the error for a command that failed, with what kubectl said."""
        return self.fault_of(done.exit_status, done.stderr, done.ending)

    def fault_of(self, status: int | None, stderr: bytes, ending: Message | str = "") -> ClusterError:
        """Return the error for a command that ended so."""
        if status == 127:
            return ClusterError(
                tr("kubectl is not installed on {host}", host=self.host.name),
                tr("Install kubectl there, or set from for the cluster {cluster} to a host that has it.",
                   cluster=self.name),
                fault="kubectl",
            )  # fmt: skip
        said = last_words(stderr) or str(ending)
        fault, hint = _explained(said)
        return ClusterError(
            tr("cluster {cluster} ({place}, asked from {host}): {said}", cluster=self.name, place=self._place,
               host=self.host.name, said=said),
            hint, fault=fault,
        )  # fmt: skip


def _explained(said: str) -> tuple[Fault, Message | str]:
    """What kind of complaint it is, and what to do."""
    low = said.lower()
    if "context was not found" in low or ("context" in low and "does not exist" in low):
        return "context", tr("Check the name of the context: kubectl config get-contexts")
    if "unauthorized" in low or "must be logged in" in low or "getting credentials" in low:
        return "login", tr("Log in again, as the kubeconfig requires; kubectl runs as the login user of the host.")
    if "(forbidden)" in low or "is forbidden" in low:
        return "forbidden", tr("Give the account of the kubeconfig the right, or set namespaces for the cluster.")
    if "error loading config file" in low or "error: stat " in low or "invalid configuration" in low:
        return "kubeconfig", tr("Check the path of the kubeconfig and that the login can read it.")
    if any(word in low for word in _UNREACHABLE):
        return "unreachable", tr("Check that the API server runs and that the host reaches it.")
    return "refused", ""


_UNREACHABLE = (
    "unable to connect to the server", "the connection to the server", "connection refused", "i/o timeout",
    "deadline exceeded", "no such host", "tls handshake", "was refused", "unable to handle the request",
    "(serviceunavailable)", "(timeout)", "(internalerror)", "client.timeout", "unexpected eof", "connection reset",
)  # fmt: skip
_FORBIDDEN = b"Error from server (Forbidden): "


def forbidden_kinds(stderr: bytes) -> tuple[str, ...]:
    """Return the kinds that the account may not list, as kubectl complains of them; none if it has another complaint
    too."""
    lines = [line for line in stderr.splitlines() if line.startswith((b"Error", b"error"))]
    if not all(line.startswith(_FORBIDDEN) for line in lines):
        return ()
    names = (line.removeprefix(_FORBIDDEN).partition(b" ")[0].decode("ascii", "replace")[:99] for line in lines)
    return tuple(dict.fromkeys(names))


def list_items(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a list; an object that is none stands for itself."""
    if isinstance(found.get("items"), list) and text_of(found, "kind").endswith("List"):
        return [dict(each) for each in parts(found, "items")]
    return [dict(found)] if part(found, "metadata") else []


# Looking again and again: one shell on the host, one line there and one answer back for each look.


LookPart = Literal["objects", "events", "usage"]
OBJECT_KINDS = "deployments.apps,statefulsets.apps,daemonsets.apps,replicasets.apps,pods,nodes"
_STATUS = re.compile(rb"\n@@LILFOX-STATUS (\d{1,3})\n((?: [^\n]*\n)*)")
_LOOK = r"""
lilfox_ask() {
    { said=$(kubectl_here "$@" 2>&1 >&3 3>&- </dev/null); status=$?; } 3>&1
    printf '\n@@LILFOX-STATUS %s\n' "$status"
    [ -z "$said" ] || printf '%s\n' "$said" | tail -n 20 | sed 's/^/ /'
}
lilfox_steady() {
    sed -e 's/^\( *"resourceVersion": \)"[^"\\]*"\(,*\)$/\1""\2/' \
        -e 's/^\( *"lastHeartbeatTime": \)"[^"\\]*"\(,*\)$/\1""\2/'
}
lilfox_pack() { head -c LIMIT | gzip -nc1 | base64; }
was_objects= was_events= was_usage=
while read -r tick words; do
    for part in $words; do
        case $part in
        objects) got=$(lilfox_objects | lilfox_steady | lilfox_pack) ;;
        events|usage) got=$(lilfox_$part | lilfox_pack) ;;
        *) continue ;;
        esac
        eval "was=\$was_$part"
        if [ "$got" = "$was" ]; then printf '%s same\n' "$part"
        else printf '%s new\n%s\n' "$part" "$got"; eval "was_$part=\$got"
        fi
    done
    printf '@@LILFOX-END@@ %s\n' "$tick"
done
"""


def look_script(program: str, namespaces: Sequence[str]) -> str:
    """Return the script for ``Host.loop``. What kubectl prints is compressed on the host, and sent only if it is not
    what it was at the last look: each node's sign of life, every five minutes, does not count. ``program`` is kubectl
    as a shell reads it."""
    places = [shlex.quote(f"--namespace={each}") for each in namespaces] or ["--all-namespaces"]
    metrics = "/apis/metrics.k8s.io/v1beta1/"
    pods = [shlex.quote(f"{metrics}namespaces/{each}/pods") for each in namespaces] or [f"{metrics}pods"]
    asked = {
        "objects": [f"get {OBJECT_KINDS} {place} -o json" for place in places],
        "events": [f"get events {place} -o json" for place in places],
        "usage": [f"get --raw {path}" for path in (*pods, f"{metrics}nodes")],
    }
    lines = [f'kubectl_here() {{ {program} "$@"; }}']
    for name, questions in asked.items():
        lines += [f"lilfox_{name}() {{", *(f"lilfox_ask {words}" for words in questions), "}"]
    return "\n".join(lines) + _LOOK.replace("LIMIT", str(LIMIT_BYTES))


class LookedPart(Struct, frozen=True):
    """What a part of a look has found: ``documents`` as kubectl printed them, the kinds that the account may not list,
    and the first error. ``changed`` is false if it is what it was at the last look: then all else is empty."""

    documents: tuple[bytes, ...] = ()
    missing: tuple[str, ...] = ()
    error: ClusterError | None = None
    changed: bool = True


class ClusterLook:
    """Looks at a cluster. Each call raises ClusterError, HostError."""

    def __init__(self, kubectl: Kubectl, loop: Loop) -> None:
        self._kubectl, self._loop = kubectl, loop
        self._had: set[str] = set()

    async def take(self, *wanted: LookPart) -> dict[LookPart, LookedPart]:
        """Return these parts, in one round trip."""
        timeout_s = ANSWER_S * len(wanted) * max(1, len(self._kubectl.config.namespaces))
        try:
            answer = await self._loop.ask(" ".join(wanted), timeout_s=timeout_s)
        except CommandTimeout:
            raise self._kubectl.too_slow(timeout_s) from None
        return await asyncio.to_thread(self._read, answer, wanted)

    def _read(self, answer: bytes, wanted: Sequence[LookPart]) -> dict[LookPart, LookedPart]:
        found: dict[LookPart, LookedPart] = {}
        for name in wanted:
            head, _mark, rest = answer.partition(f"{name} ".encode())
            word, _newline, rest = rest.partition(b"\n")
            if head or word not in (b"same", b"new") or (word == b"same" and name not in self._had):
                raise self._unread()
            self._had.add(name)
            if word == b"same":
                found[name], answer = LookedPart(changed=False), rest
                continue
            ends = min((at for each in wanted if (at := rest.find(f"\n{each} ".encode())) >= 0), default=len(rest))
            found[name], answer = self._unpacked(rest[:ends]), rest[ends + 1 :]
        return found

    def _unpacked(self, packed: bytes) -> LookedPart:
        try:
            unpacking = zlib.decompressobj(wbits=31)
            text = unpacking.decompress(base64.b64decode(packed), LIMIT_BYTES + 1)
        except (binascii.Error, zlib.error, ValueError):
            raise self._unread() from None
        if len(text) >= LIMIT_BYTES:
            raise self._kubectl.too_large()
        documents: list[bytes] = []
        missing: list[str] = []
        error: ClusterError | None = None
        at = 0
        for match in _STATUS.finditer(text):
            stderr, status = match[2].replace(b"\n ", b"\n")[1:], int(match[1])
            refused = forbidden_kinds(stderr)
            if status and not refused:
                error = error or self._kubectl.fault_of(status, stderr)
            missing += refused
            documents.append(text[at : match.start()])
            at = match.end()
        if not documents:
            raise self._unread()
        return LookedPart(tuple(documents), tuple(dict.fromkeys(missing)), error)

    def _unread(self) -> ClusterError:
        host = self._kubectl.host.name
        return ClusterError(
            tr("the output of kubectl on {host} cannot be read", host=host),
            tr("LilFox needs sh, gzip and base64 there."),
            fault="answer",
        )


CLUSTER_ERRORS = (ClusterError, HostError)
"""What the calls of :class:`Kubectl` raise."""
