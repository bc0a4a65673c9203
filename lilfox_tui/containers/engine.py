"""The engine of a host's containers, asked over its API through its socket, else through its program.

Docker's API, which Podman speaks too, over the socket that the host's connection reaches. Where the login may
not use the socket, or the server forwards none, ``docker`` or ``podman`` on the host say the same.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from lilfox_tui.containers.model import Container, container_of, moment
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.hosts.http import HttpConnection, HttpFault, HttpResponse
from lilfox_tui.hosts.process import last_words

ANSWER_S = 20.0
_BODY_LIMIT = 32 * 1024 * 1024
_EVENT_LIMIT = 256 * 1024
_SHA = "sha256:"
_AT_ONCE = 4
"""Questions about single containers."""
_FEW = 8
"""More containers are asked for through the engine's program on the host: in one question, and an answer of a fifth the
length, for it leaves out what is not shown."""
_PACKED = '{ "$@"; echo "$?"; } | gzip -c'
_TOGETHER = 250
"""Ids in one question, of 65 bytes each."""
EVENTS = (
    "create", "start", "die", "died", "stop", "oom", "kill", "restart", "pause", "unpause", "rename", "update",
    "destroy", "remove", "health_status",
)  # fmt: skip
"""What changes what is shown. Not ``exec_…``: each health check would tell of itself three times."""


class EngineError(LilFoxError):
    """The engine could not be asked, or refused."""

    message: Message


class EnginePlace(Struct, frozen=True):
    """Where an engine is: its ``socket``, else its ``program`` on the host. ``denied`` is a socket that is there and
    that the login may not use."""

    socket: str = ""
    program: str = ""
    denied: str = ""

    @property
    def text(self) -> str:
        """As errors and rows name it."""
        return self.socket or self.program


class EngineEvent(Struct, frozen=True):
    """Something happened to the container ``id``: ``action``, at ``at_ns`` (since 1970)."""

    id: str
    action: str
    at_ns: int


class Engine(Protocol):
    """What containers are there, and what happens to them. Each call raises EngineError, HostError."""

    place: EnginePlace

    async def version(self) -> str:
        """Return the engine's name and version, ``Docker 26.1.5``."""
        ...

    async def ping(self) -> None:
        """Return once the engine has answered."""
        ...

    async def list_ids(self) -> list[str]:
        """Return the ids of all containers, running or not."""
        ...

    async def inspect(self, ids: Sequence[str], *, whole: bool = False) -> list[Container]:
        """Return these containers; those that are gone are left out. ``whole``: with what only an audit needs."""
        ...

    async def is_rootless(self) -> bool:
        """Return whether the engine runs without the rights of root."""
        ...

    def events(self) -> AsyncGenerator[EngineEvent | None, None]:
        """Yield None once it listens, then what happens to containers, until the engine ends. Use inside
        ``aclosing``."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


# Where the engines of a host are.


_FIND = r"""
runtime=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
listed=
for socket in /run/docker.sock /var/run/docker.sock /run/podman/podman.sock "$runtime/podman/podman.sock" \
    "$runtime/docker.sock"
do
    [ -S "$socket" ] || continue
    real=$(readlink -f -- "$socket" 2>/dev/null || printf %s "$socket")
    case $listed in *" $real "*) continue ;; esac
    listed="$listed $real "
    if [ -w "$socket" ]; then printf 'socket %s\n' "$socket"; continue; fi
    printf 'denied %s\n' "$socket"
    case $socket in *docker*) command -v docker >/dev/null 2>&1 && echo 'program docker' ;; esac
done
used=/var/lib/containers/storage
[ "$(id -u)" = 0 ] || used=${XDG_DATA_HOME:-$HOME/.local/share}/containers/storage
[ -d "$used" ] && command -v podman >/dev/null 2>&1 && echo 'program podman'
exit 0
"""


async def find_engines(host: Host, sockets: Sequence[str] | None = None) -> list[EnginePlace]:
    """Return the engines of a host: those of ``sockets``, else those at the usual places; a program where its socket
    cannot be used, and Podman's where the login has containers and no service. A program that the login has never used
    is not run: it would create its folders. Raises HostError."""
    if sockets is not None:
        return [EnginePlace(socket=each) for each in sockets]
    done = await host.run_script(_FIND, timeout_s=ANSWER_S)
    lines = [line.partition(" ") for line in done.stdout.decode("utf-8", "surrogateescape").splitlines()]
    usable = [EnginePlace(socket=path) for kind, _space, path in lines if kind == "socket"]
    denied = [path for kind, _space, path in lines if kind == "denied"]
    programs = [name for kind, _space, name in lines if kind == "program"]
    for name in programs:
        if not any(name in each.socket for each in usable):
            usable.append(EnginePlace(program=name, denied=next((each for each in denied if name in each), "")))
    return usable


def program_of(place: str, version: str) -> tuple[str, ...]:
    """Return the words of the program that lead to the engine at ``place`` (a socket, or its program)."""
    if not place.startswith("/"):
        return (place,)
    if version.startswith("Podman"):
        return ("podman", "--url", f"unix://{place}")
    return ("docker", "--host", f"unix://{place}")


def open_engine(host: Host, place: EnginePlace, *, sudo: bool = False) -> Engine:
    """Return the engine at ``place``; nothing is asked yet. With ``sudo`` its program is run as root."""
    return ApiEngine(host, place) if place.socket else CommandEngine(host, place, sudo=sudo)


# Over the API.


class ApiEngine:
    """See :class:`Engine`."""

    def __init__(self, host: Host, place: EnginePlace) -> None:
        self.place, self._host = place, host
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._images: dict[str, datetime | None] = {}
        self._program: tuple[str, ...] = ()

    async def version(self) -> str:
        """See :meth:`Engine.version`."""
        found = await self.ask("GET", "/version")
        names = [each.get("Name", "") for each in found.get("Components") or () if isinstance(each, dict)]
        kind = "Podman" if any("Podman" in str(name) for name in names) else "Docker"
        version = f"{kind} {found.get('Version', '')}".strip()
        self._program = program_of(self.place.socket, version)
        return version

    async def ping(self) -> None:
        """See :meth:`Engine.ping`."""
        async with self._asked("GET", "/_ping", ANSWER_S) as answer:
            await answer.body(1000)

    async def list_ids(self) -> list[str]:
        """See :meth:`Engine.list_ids`. The API tells all of each container beside its id."""
        ok, lines = await self._printed("ps", "--all", "--quiet", "--no-trunc")
        if ok:
            return [line.decode("ascii", "replace").strip() for line in lines]
        found = await self.ask("GET", "/containers/json?all=1")
        return [each["Id"] for each in found if isinstance(each, dict) and isinstance(each.get("Id"), str)]

    async def inspect(self, ids: Sequence[str], *, whole: bool = False) -> list[Container]:
        """See :meth:`Engine.inspect`. What the host's program does not tell is asked of the API."""
        told = {each.id: each for each in await self._told(ids)} if len(ids) > _FEW and not whole else {}
        found = await asyncio.gather(*(self._inspected(each) for each in ids if each not in told))
        return [*told.values(), *(each for each in found if each is not None)]

    async def is_rootless(self) -> bool:
        """See :meth:`Engine.is_rootless`."""
        found = await self.ask("GET", "/info")
        options = found.get("SecurityOptions") if isinstance(found, dict) else None
        return isinstance(options, list) and any("rootless" in str(each) for each in options)

    async def _told(self, ids: Sequence[str]) -> list[Container]:
        found = await self._by_program("container", _template(self._program), ids)
        images = dict.fromkeys(image for each in found if isinstance(image := each.get("Image"), str) and image)
        unknown = [each for each in images if each not in self._images]
        if len(unknown) > _FEW:
            told = await self._by_program("image", _IMAGE_TEMPLATE, unknown)
            created = {str(each.get("Id")).removeprefix(_SHA): moment(each.get("Created")) for each in told}
            known = {each: created[each.removeprefix(_SHA)] for each in unknown if each.removeprefix(_SHA) in created}
            self._images |= known
        return [container_of(each, await self._image_created(each.get("Image"))) for each in found]

    async def _by_program(self, kind: str, template: str, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return what the engine's program on the host tells; nothing if it is not there."""
        found: list[Mapping[str, Any]] = []
        for begin in range(0, len(ids), _TOGETHER):
            if not self._program:
                break
            words = ("inspect", "--type", kind, "--format", template, "--", *ids[begin : begin + _TOGETHER])
            _ok, lines = await self._printed(*words)
            found += _documents(lines)
        return found

    async def _printed(self, *words: str) -> tuple[bool, list[bytes]]:
        """Return whether the engine's program on the host ended well, and the lines that it printed. That it is not
        there is remembered."""
        if not self._program:
            return False, []
        done = await self._host.run(("sh", "-c", _PACKED, "sh", *self._program, *words), timeout_s=ANSWER_S)
        try:
            *lines, status = gzip.decompress(done.stdout).splitlines()
        except (OSError, EOFError, ValueError, zlib.error):
            *lines, status = [b"127"]  # no gzip
        if status in (b"126", b"127"):
            self._program = ()
        return status == b"0", lines

    async def _inspected(self, name: str) -> Container | None:
        async with self._turns:
            found = await self.ask("GET", f"/containers/{quote(name, safe='')}/json", missing=None)
            if not isinstance(found, dict):
                return None
            return container_of(found, await self._image_created(found.get("Image")))

    async def _image_created(self, image: object) -> datetime | None:
        if not isinstance(image, str) or not image:
            return None
        if image not in self._images:
            found = await self.ask("GET", f"/images/{quote(image, safe='')}/json", missing={})
            self._images[image] = moment(found.get("Created")) if isinstance(found, dict) else None
        return self._images[image]

    async def events(self) -> AsyncGenerator[EngineEvent | None, None]:
        """See :meth:`Engine.events`."""
        wanted = quote(json.dumps({"type": ["container"], "event": list(EVENTS)}), safe="")
        async with self._asked("GET", f"/events?filters={wanted}", None) as answer:
            yield None
            rest = b""
            async for block in answer.blocks():
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > _EVENT_LIMIT:
                    raise EngineError(tr("{engine}: an event is longer than expected", engine=self.place.text))
                for line in lines:
                    if (event := event_of(line)) is not None:
                        yield event

    @asynccontextmanager
    async def logs(self, name: str, query: str) -> AsyncIterator[HttpResponse]:
        """Yield the answer to ``/logs`` of a container, whose body goes on for as long as it is followed."""
        async with self._asked("GET", f"/containers/{quote(name, safe='')}/logs?{query}", None) as answer:
            yield answer

    async def ask(self, method: str, path: str, *, missing: Any = ...) -> Any:
        """Return the JSON answer; ``missing`` is that for 404, which is an error when not given."""
        async with self._asked(method, path, ANSWER_S, missing=missing) as answer:
            if answer.status == 404:
                return missing
            body = await answer.body(_BODY_LIMIT)
        try:
            return msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise EngineError(tr("{engine} sent something other than JSON", engine=self.place.text)) from None

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, timeout_s: float | None, *, missing: Any = ...
    ) -> AsyncIterator[HttpResponse]:
        """Yield the answer to one request, over a connection of its own. ``timeout_s`` is of all of it; None of the
        head alone."""
        lines = {"Host": "localhost", "User-Agent": "lilfox", "Accept": "application/json"}
        if method != "GET":
            lines["Content-Length"] = "0"
        try:
            async with asyncio.timeout(ANSWER_S) as limit, self._host.connect_unix(self.place.socket) as streams:
                connection = HttpConnection(self.place.socket, *streams)
                answer = await connection.ask(method, path, lines, b"")
                if answer.status >= 400 and (answer.status != 404 or missing is ...):
                    raise await self._refused(answer)
                if timeout_s is None:
                    limit.reschedule(None)
                yield answer
        except TimeoutError:
            raise EngineError(
                tr("{engine} on {host} did not answer within {seconds:g} s", engine=self.place.text,
                   host=self._host.name, seconds=ANSWER_S)
            ) from None  # fmt: skip
        except OSError as error:
            raise self._unreachable(error) from None
        except HttpFault as error:
            raise EngineError(error.message) from None

    async def _refused(self, answer: HttpResponse) -> EngineError:
        body, _more = await answer.start(2000)
        try:
            said = msgspec.json.decode(body, type=dict[str, Any])
            why = str(said.get("message") or said.get("cause") or answer.status)
        except msgspec.DecodeError:
            why = str(answer.status)
        return EngineError(tr("{engine} on {host} refused: {why}", engine=self.place.text, host=self._host.name,
                              why=why[:300]))  # fmt: skip

    def _unreachable(self, error: OSError) -> EngineError:
        hint = (
            tr("Add the login to the group of the socket (docker), or set sudo for the host.")
            if isinstance(error, PermissionError)
            else tr("Check that the engine runs: systemctl status docker podman.socket")
        )
        why = error.strerror or str(error)
        return EngineError(tr("{engine} on {host} cannot be reached: {why}", engine=self.place.text,
                              host=self._host.name, why=why), hint)  # fmt: skip

    async def close(self) -> None:
        """See :meth:`Engine.close`; each question has its own connection, which ends with it."""


def event_of(line: bytes) -> EngineEvent | None:
    """Return the event in a line of ``/events`` or of ``events --format``; None if there is none that is understood."""
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    actor = found.get("Actor")
    name = actor.get("ID") if isinstance(actor, dict) else found.get("ID") or found.get("id")
    action = found.get("Action") or found.get("Status") or found.get("status")
    at_ns = found.get("timeNano")
    if not isinstance(name, str) or not isinstance(action, str):
        return None
    return EngineEvent(name, action.partition(":")[0], at_ns if isinstance(at_ns, int) else 0)


# Through the program.


_TEMPLATE = (
    '{"Id":{{json .ID}},"Created":{{json .Created}},"Name":{{json .Name}},"Image":{{json .Image}},'
    '"State":{"Status":{{json .State.Status}},"Pid":{{json .State.Pid}},"ExitCode":{{json .State.ExitCode}},'
    '"OOMKilled":{{json .State.OOMKilled}},"Error":{{json .State.Error}},"StartedAt":{{json .State.StartedAt}},'
    '"FinishedAt":{{json .State.FinishedAt}},"Health":{{with .State.Health}}{"Status":{{json .Status}},'
    '"FailingStreak":{{json .FailingStreak}}}{{else}}null{{end}}},"RestartCount":{{json .RestartCount}},'
    '"HostConfig":{"Memory":{{json .HostConfig.Memory}},"NanoCpus":{{json .HostConfig.NanoCpus}},'
    '"CpuQuota":{{json .HostConfig.CpuQuota}},"CpuPeriod":{{json .HostConfig.CpuPeriod}},'
    '"NetworkMode":{{json .HostConfig.NetworkMode}},"Privileged":{{json .HostConfig.Privileged}},'
    '"RestartPolicy":{"Name":{{with .HostConfig.RestartPolicy}}{{json .Name}}{{else}}""{{end}}}},'
    '"NetworkSettings":{"Ports":{{json .NetworkSettings.Ports}}},"Config":{"Image":{{json .Config.Image}},'
    '"Labels":{{json .Config.Labels}}}}'
)
"""Of ``inspect``, as Podman names the fields. The environment, which may hold secrets, is left out, and what
health checks have printed."""
_DOCKER_TEMPLATE = _TEMPLATE.replace(".HostConfig.Cpu", ".HostConfig.CPU").replace(".NanoCpus", ".NanoCPUs")
"""A template names the fields of the program: one that is not there is an error."""
_WHOLE = ('"Config":{', '"Mounts":{{json .Mounts}},"Config":{"User":{{json .Config.User}},')
_IMAGE_TEMPLATE = '{"Id":{{json .ID}},"Created":{{json .Created}}}'


def _template(words: Sequence[str]) -> str:
    return _DOCKER_TEMPLATE if words[:1] == ("docker",) else _TEMPLATE


class CommandEngine:
    """See :class:`Engine`."""

    def __init__(self, host: Host, place: EnginePlace, *, sudo: bool = False) -> None:
        self.place, self._host, self._sudo = place, host, sudo
        self._template = _template((place.program,))

    async def version(self) -> str:
        """See :meth:`Engine.version`."""
        said = await self._run("version", "--format", "{{.Client.Version}}")
        return f"{self.place.program.capitalize()} {said.decode('utf-8', 'replace').strip()[:40]}"

    async def ping(self) -> None:
        """See :meth:`Engine.ping`: while its events are followed, the program runs."""

    async def list_ids(self) -> list[str]:
        """See :meth:`Engine.list_ids`."""
        return (await self._run("ps", "--all", "--quiet", "--no-trunc")).decode("ascii", "replace").split()

    async def is_rootless(self) -> bool:
        """See :meth:`Engine.is_rootless`."""
        field = "{{json .Host.Security.Rootless}}" if self.place.program == "podman" else "{{json .SecurityOptions}}"
        said = await self._run("info", "--format", field)
        return b"rootless" in said or said.strip() == b"true"

    async def inspect(self, ids: Sequence[str], *, whole: bool = False) -> list[Container]:
        """See :meth:`Engine.inspect`."""
        if not ids:
            return []
        done = await self._inspected(ids, whole=whole)
        if not done.ok and b"template" in done.stderr:  # a program ``docker`` may be Podman
            self._template = _TEMPLATE if self._template == _DOCKER_TEMPLATE else _DOCKER_TEMPLATE
            done = await self._inspected(ids, whole=whole)
        found = [container_of(each) for each in _documents(done.stdout.splitlines())]
        if not done.ok and not found and not _says_gone(done.stderr):
            raise self._refused(done)
        return found

    async def _inspected(self, ids: Sequence[str], *, whole: bool) -> Completed:
        template = self._template.replace(*_WHOLE) if whole else self._template
        argv = (self.place.program, "inspect", "--type", "container", "--format", template, "--", *ids)
        return await self._host.run(argv, timeout_s=ANSWER_S, sudo=self._sudo)  # ends with 1 where one of them is gone

    async def events(self) -> AsyncGenerator[EngineEvent | None, None]:
        """See :meth:`Engine.events`."""
        argv = [self.place.program, "events", "--format", "{{json .}}", "--filter", "type=container"]
        argv += [word for event in EVENTS for word in ("--filter", f"event={event}")]
        yield None
        rest = b""
        async with aclosing(self._host.stream(argv, sudo=self._sudo)) as blocks:
            async for block in blocks:
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    if (event := event_of(line)) is not None:
                        yield event

    async def _run(self, *words: str) -> bytes:
        done = await self._host.run((self.place.program, *words), timeout_s=ANSWER_S, sudo=self._sudo)
        if done.ok:
            return done.stdout
        raise self._refused(done)

    def _refused(self, done: Completed) -> EngineError:
        why = last_words(done.stderr) or done.ending
        hint = (
            tr("The login may not use {socket}: add it to the group of the socket, or set sudo for the host.",
               socket=self.place.denied)
            if self.place.denied
            else ""
        )  # fmt: skip
        return EngineError(tr("{engine} on {host} cannot be asked: {why}", engine=self.place.program,
                              host=self._host.name, why=why), hint)  # fmt: skip

    async def close(self) -> None:
        """See :meth:`Engine.close`; nothing is open."""


def _says_gone(stderr: bytes) -> bool:
    return b"no such" in stderr.lower()


def _documents(lines: Iterable[bytes]) -> Iterable[Mapping[str, Any]]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


ENGINE_ERRORS = (EngineError, HostError)
"""What an engine's calls raise."""
