"""Reading from the API server over one kubectl: ``kubectl proxy`` on a socket that only the login user can reach.

It lets no method but GET through, and no paths but those of pods and workloads. So the lines of all pods come over one
process on the host and one session, where ``kubectl logs`` would be a process and a session for each container.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from lilfox_tui.clusters.kubectl import ClusterError, Kubectl
from lilfox_tui.clusters.objects import text_of
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.http import HttpConnection, HttpFault, HttpResponse, HungUp

ANSWER_S = 20.0
START_S = 20.0
"""kubectl may take so long to begin."""
_BODY_LIMIT = 64 * 1024 * 1024
_PATHS = (
    "^/version$,^/api/v1/namespaces/[^/]+/pods(/[^/]+(/log)?)?$,^/apis/(apps|batch)/v1/namespaces/[^/]+/[a-z]+/[^/]+$"
)
_SCRIPT = r"""
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/lilfox-XXXXXXXX") || exit 1
proxy=
trap '[ -z "$proxy" ] || kill "$proxy" 2>/dev/null; rm -rf -- "$folder"' EXIT
trap 'exit 143' HUP INT TERM
while read -r tick words; do
    if [ -z "$proxy" ]; then
        mkfifo "$folder/said"
        @KUBECTL@ "--unix-socket=$folder/api" >"$folder/said" 2>&1 </dev/null &
        proxy=$! said= status=
        exec 3<"$folder/said"
        while IFS= read -r line <&3; do
            said=$line
            case $line in "Starting to serve on "*) status=0; break ;; esac
        done
        [ -n "$status" ] || { wait "$proxy"; status=$?; }
        cat <&3 >/dev/null 2>&1 &
        printf '%s %s\n%s\n' "$status" "$folder/api" "$said"
    fi
    printf '@@LILFOX-END@@ %s\n' "$tick"
done
"""
"""Ends with its stdin: kubectl proxy would outlive a lost link, because it writes nothing by itself."""


class ApiRefusal(ClusterError):
    """The API server answered with an error; ``status`` is that of HTTP."""

    def __init__(self, error: ClusterError, status: int) -> None:
        super().__init__(error.message, error.hint, fault=error.fault)
        self.status = status


@asynccontextmanager
async def open_kube_api(kubectl: Kubectl) -> AsyncIterator[KubeApi]:
    """Yield the API server, asked through a proxy that ends with this. Raises ClusterError, HostError, and NotAllowed
    where the context no longer leads to the API server that it led to at first."""
    await (kubectl.confirm() if kubectl.context else kubectl.resolve())
    words = kubectl.argv("proxy", "--reject-methods=^(POST|PUT|PATCH|DELETE)$", f"--accept-paths={_PATHS}")
    async with kubectl.host.loop(_SCRIPT.replace("@KUBECTL@", shlex.join(words))) as loop:
        answer = await loop.ask("start", timeout_s=START_S)
        first, _newline, said = answer.decode("utf-8", "surrogateescape").partition("\n")
        status, _space, path = first.partition(" ")
        if status != "0":
            raise kubectl.fault_of(int(status) if status.isdecimal() else None, said.encode("utf-8", "surrogateescape"))
        yield KubeApi(kubectl, path)


class KubeApi:
    """Answers of the API server. Each call raises ClusterError (:class:`ApiRefusal` for one that it refused),
    HostError."""

    def __init__(self, kubectl: Kubectl, socket: str) -> None:
        self._kubectl, self.socket = kubectl, socket

    async def ask(self, *path: str, **query: str) -> dict[str, Any]:
        """Return the JSON answer for a path of these names."""
        async with self._asked(path, query, ANSWER_S) as answer:
            body = await answer.body(_BODY_LIMIT)
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ClusterError(
                tr("the answer of cluster {cluster} cannot be read", cluster=self._kubectl.name), fault="answer"
            ) from None

    @asynccontextmanager
    async def stream(self, *path: str, **query: str) -> AsyncIterator[HttpResponse]:
        """Yield an answer that goes on."""
        async with self._asked(path, query, None) as answer:
            yield answer

    @asynccontextmanager
    async def _asked(
        self, path: tuple[str, ...], query: Mapping[str, str], timeout_s: float | None
    ) -> AsyncIterator[HttpResponse]:
        """Yield the answer to one request, over a connection of its own. ``timeout_s`` is of all of it; None of the
        head alone."""
        target = "".join(f"/{quote(each, safe='')}" for each in path) + (f"?{urlencode(query)}" if query else "")
        lines = {"Host": "localhost", "User-Agent": "lilfox", "Accept": "application/json, */*"}
        try:
            async with asyncio.timeout(ANSWER_S) as limit, self._kubectl.host.connect_unix(self.socket) as streams:
                answer = await HttpConnection(self._kubectl.name, *streams).ask("GET", target, lines, b"")
                if answer.status >= 400:
                    raise await self._refusal(answer)
                if timeout_s is None:
                    limit.reschedule(None)
                yield answer
        except TimeoutError:
            why: Message | str = tr("no answer within {seconds:g} s", seconds=ANSWER_S)
            raise self._unreachable(why) from None
        except OSError as error:
            raise self._unreachable(error.strerror or str(error)) from None
        except HungUp:
            raise self._unreachable(tr("the connection was cut")) from None
        except HttpFault as error:
            raise self._unreachable(error.message) from None

    def _unreachable(self, why: Message | str) -> ClusterError:
        kubectl = self._kubectl
        return ClusterError(
            tr("cluster {cluster} ({place}, asked from {host}): {said}", cluster=kubectl.name,
               place=tr("context {context}", context=kubectl.context), host=kubectl.host.name, said=why),
            tr("Check that the API server runs and that the host reaches it."),
            fault="unreachable",
        )  # fmt: skip

    async def _refusal(self, answer: HttpResponse) -> ClusterError:
        """The error for an answer, which is a Status, or text of the proxy."""
        body, _more = await answer.start(4000)
        try:
            found = msgspec.json.decode(body, type=dict[str, Any])
            said = f"({text_of(found, 'reason')}) {text_of(found, 'message')}"
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = body.decode("utf-8", "replace").strip() or str(answer.status)
        error = self._kubectl.fault_of(None, said.encode())
        return ApiRefusal(error, answer.status) if answer.status < 500 else error
