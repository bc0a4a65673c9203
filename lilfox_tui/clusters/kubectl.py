"""kubectl for one cluster, on the host where it is configured.

Which context it asks is found out once; from then on each command names it. So nothing goes to another cluster when
somebody changes the current context of the kubeconfig.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lilfox_tui.clusters.objects import part, parts, text_of
from lilfox_tui.config.clusters import ClusterConfig
from lilfox_tui.core.errors import HostError, LilFoxError, NotAllowed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Completed, Host
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
        found = self._decoded(done.stdout)
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
        done = await self.host.run(argv, timeout_s=ANSWER_S, limit_bytes=LIMIT_BYTES)
        if done.truncated:
            raise self.too_large()
        missing = forbidden_kinds(done.stderr)
        if not done.ok and not (partly and missing and done.stdout.strip()):
            raise self.complaint(done)
        return Listed(list_items(self._decoded(done.stdout)), missing)

    async def version(self) -> str:
        """Return the version of the API server, ``v1.32.3``."""
        done = await self.run("version", "--output=json")
        return text_of(self._decoded(done.stdout), "serverVersion", "gitVersion")

    async def top(self, what: Literal["pods", "nodes"], namespace: str | None = None) -> list[dict[str, Any]]:
        """Return what pods or nodes use now, as the API ``metrics.k8s.io`` tells."""
        place = "" if namespace is None or what == "nodes" else f"namespaces/{namespace}/"
        done = await self.run("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/{place}{what}")
        return list_items(self._decoded(done.stdout))

    async def _completed(self, argv: tuple[str, ...], *, stdin: bytes = b"", timeout_s: float = ANSWER_S) -> Completed:
        done = await self.host.run(argv, stdin=stdin, timeout_s=timeout_s, limit_bytes=LIMIT_BYTES)
        if done.truncated:
            raise self.too_large()
        if not done.ok:
            raise self.complaint(done)
        return done

    def _decoded(self, stdout: bytes) -> dict[str, Any]:
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
        place = tr("context {context}", context=self.context) if self.context else self.name
        return ClusterError(
            tr("cluster {cluster} ({place}, asked from {host}): {said}", cluster=self.name, place=place,
               host=self.host.name, said=said),
            hint, fault=fault,
        )  # fmt: skip


def _explained(said: str) -> tuple[Fault, Message | str]:
    """What kind of complaint it is, and what to do."""
    low = said.lower()
    if "context was not found" in low or ("context" in low and "does not exist" in low):
        return "context", tr("Check the name of the context: kubectl config get-contexts")
    if "unauthorized" in low or "must be logged in" in low or "getting credentials" in low:
        return "login", tr("Log in anew as the kubeconfig needs it; kubectl runs as the login user of the host.")
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
    """Return the kinds that the account may not list, as kubectl complains of them."""
    lines = (line for line in stderr.splitlines() if line.startswith(_FORBIDDEN))
    names = (line.removeprefix(_FORBIDDEN).partition(b" ")[0].decode("ascii", "replace")[:99] for line in lines)
    return tuple(dict.fromkeys(names))


def list_items(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a list; an object that is none stands for itself."""
    if isinstance(found.get("items"), list) and text_of(found, "kind").endswith("List"):
        return [dict(each) for each in parts(found, "items")]
    return [dict(found)] if part(found, "metadata") else []


CLUSTER_ERRORS = (ClusterError, HostError)
"""What the calls of :class:`Kubectl` raise."""
