"""Facts of a host: one script asks for many of them in one round trip.

A fact's question is POSIX sh. It only reads, as every check does; it runs in a shell of its own with no input, at low
priority, ended after :data:`LIMIT_S` seconds, its output cut at :data:`LIMIT_BYTES`. Its answer is :class:`Printed`.
A few facts at a time are asked within one such limit, as three processes for each would cost more than many facts do;
only if they exceed it, each is asked by itself.
``LILFOX_LOGS`` has the paths and patterns of the logs in the configuration, one a line, ``LILFOX_REPOSITORIES`` the
paths of its repositories; ``LILFOX_UID`` is 0 for root, ``LILFOX_CONTAINER`` is empty but in a container.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.model import Fact, NotKnown
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.containers.engine import ENGINE_ERRORS, find_engines, open_engine, program_of
from lilfox_tui.containers.model import Container
from lilfox_tui.core.errors import HostError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host

LIMIT_S = 10
LIMIT_BYTES = 256 * 1024
NO_PROGRAM = 127
"""The exit status of a script whose program is not on the host, as in a shell."""
_TOGETHER = 10
"""So many facts are asked within one limit, if they can be."""
TIMED_OUT = 124
"""The exit status of ``timeout`` for what it ended."""
_MARK = "@@LILFOX-FACT@@"
_TOLD = ("LILFOX_LOGS", "LILFOX_REPOSITORIES", "LILFOX_UID", "LILFOX_CONTAINER")
OWN_WORDS = ("lilfox_fact", "lilfox_limit", "lilfox_each", *_TOLD, _MARK)
"""Words of the script that asks: what has one of them is the audit itself, and may name what it looks for."""


class HostQuestion(Struct, frozen=True):
    """The question of a backend's fact that the host of its server answers: ``script`` is as that of a host's fact."""

    script: str

    def __str__(self) -> str:
        return self.script


class Printed(Struct, frozen=True):
    """What a fact's script printed on stdout, its exit status, and whether it ran as root."""

    text: str
    status: int = 0
    root: bool = True
    truncated: bool = False

    def lines(self) -> list[str]:
        """The lines of a script that ended well; raises NotKnown for any other."""
        if self.truncated:
            raise NotKnown(tr("the output is longer than {limit} KiB", limit=LIMIT_BYTES // 1024))
        if self.status == TIMED_OUT:
            raise NotKnown(tr("no result within {time} s", time=LIMIT_S))
        if self.status and not self.root:
            raise NotKnown(tr("needs root: set sudo: true for this host, or log in as root"))
        if self.status:
            raise NotKnown(tr("the command failed with exit status {status}", status=self.status))
        return self.text.splitlines()

    def properties(self) -> Iterator[dict[str, str]]:
        """The properties of each unit that ``systemctl show`` printed, whatever else stands before them."""
        for block in "\n".join(self.lines()).split("\n\n"):
            yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


COLLECTORS = ("alloy", "promtail", "logstash", "filebeat")
"""The kinds of export that differ from host to host and are compared with the file there. Loki's is not: it keeps
periods of the schema that the export does not know."""


class ExportedFile(Struct, frozen=True):
    """What ``lilfox export`` makes for a host now: the words of the command, and its text."""

    command: tuple[str, ...]
    text: str


def parse_exported(answer: Any) -> Mapping[str, ExportedFile]:
    """The files by their kinds of export; raises NotKnown where nobody has made them."""
    if not isinstance(answer, Mapping):
        raise NotKnown(tr("what LilFox exports for this host is not known"))
    return answer


EXPORTED = Fact("exported-files", "# LilFox answers it: what it exports now\nexit 1", parse_exported)
"""Not asked of the host: whoever runs the audit answers it (``Audit``)."""


def parse_settings(answer: Any) -> AuditConfig:
    """The settings; raises NotKnown where nobody has told them."""
    if not isinstance(answer, AuditConfig):
        raise NotKnown(tr("the settings of the audit are not known"))
    return answer


SETTINGS = Fact("audit-settings", "# LilFox answers it: audit: of the configuration\nexit 1", parse_settings)
"""As EXPORTED."""


class AuditedContainer(Struct, frozen=True):
    """A container, the program of its engine, and whether that runs without the rights of root."""

    container: Container
    program: str
    rootless: bool


def parse_containers(answer: Any) -> Sequence[AuditedContainer] | None:
    """The containers of all engines, None where there is no engine; raises NotKnown where nobody has asked."""
    if answer is not None and not isinstance(answer, tuple):
        raise NotKnown(tr("container engines were not asked"))
    return answer


CONTAINERS = Fact("containers", "# LilFox asks the engines of containers\nexit 1", parse_containers)
"""As EXPORTED."""


async def gather_containers(
    host: Host, sockets: Sequence[str] | None, *, sudo: bool
) -> tuple[AuditedContainer, ...] | NotKnown | None:
    """What the engines of a host tell of their containers, each of which is asked for whole; None without an engine."""
    try:
        places = await find_engines(host, sockets)
        found: list[AuditedContainer] = []
        for place in places:
            engine = open_engine(host, place, sudo=sudo)
            try:
                [program, *_words] = program_of(place.text, await engine.version())
                rootless = await engine.is_rootless()
                told = await engine.inspect(await engine.list_ids(), whole=True)
                found += (AuditedContainer(each, program, rootless) for each in told)
            finally:
                await engine.close()
    except ENGINE_ERRORS as error:
        return NotKnown(tr("{reason}", reason=error.message))
    return tuple(found) if places else None


async def gather(
    host: Host,
    facts: Sequence[Fact[Any]],
    *,
    sudo: bool,
    logs: Iterable[str] = (),
    repositories: Iterable[str] = (),
) -> Mapping[str, Printed]:
    """What the host prints for ``facts``, in one round trip; as root with ``sudo``. Raises HostError. ``logs``: paths
    and patterns of the log files that the configuration has on it; ``repositories``: paths of those of backups."""
    question = _FactScript(facts, logs, repositories)
    count = len({fact.name for fact in facts})
    completed = await host.run_script(
        question.script, timeout_s=2 * count * LIMIT_S, limit_bytes=(count + 1) * (LIMIT_BYTES + 1024), sudo=sudo
    )
    answer = question.read(completed.stdout)
    if answer is None:
        raise HostError(
            host.name,
            tr("unexpected output from {host}: its shell does not run scripts", host=host.name),
            tr("Use a login that is not restricted to one command."),
        )
    return answer


class _FactScript:
    """One script that asks for ``facts``, and the reading of what it prints. The secret in its marks keeps what the
    programs print from passing for a mark."""

    def __init__(self, facts: Iterable[Fact[Any]], logs: Iterable[str] = (), repositories: Iterable[str] = ()) -> None:
        self._facts = {fact.name: fact for fact in facts}
        self._logs, self._repositories = "\n".join(logs), "\n".join(repositories)
        self._mark = f"{_MARK} {secrets.token_hex(8)}"

    @property
    def script(self) -> str:
        """POSIX sh for ``Host.run_script``."""
        words = [shlex.join((name, fact.question.strip())) for name, fact in self._facts.items()]
        asked = [
            f"lilfox_facts {' '.join(words[begin : begin + _TOGETHER])}" for begin in range(0, len(words), _TOGETHER)
        ]
        return _SCRIPT.format(
            mark=self._mark,
            limit=LIMIT_BYTES + 1,
            together=4 * LIMIT_BYTES,
            time=LIMIT_S,
            logs=shlex.quote(self._logs),
            repositories=shlex.quote(self._repositories),
            asked="\n".join(asked),
        )

    def read(self, output: bytes) -> dict[str, Printed] | None:
        """What each fact's script printed; None if the script did not run to its end. Bytes that are not UTF-8 become
        lone surrogates (PEP 383)."""
        text = output.decode("utf-8", "surrogateescape")
        begin, *sections = text.split(f"\n{self._mark} ")
        if len(sections) != 2 * len(self._facts) + 1 or sections[-1].strip() != "end":
            return None
        root = begin.split()[-1:] == ["0"]
        found = {}
        for name, section, status in zip(self._facts, sections[::2], sections[1::2], strict=False):
            printed = section.removeprefix(f"{name}\n")
            if printed == section or not status.strip().isdecimal():
                return None
            found[name] = Printed(printed[:LIMIT_BYTES], int(status), root, len(printed) > LIMIT_BYTES)
        return found


_SCRIPT = r"""
LC_ALL=C; export LC_ALL
LILFOX_LOGS={logs} LILFOX_REPOSITORIES={repositories}; export LILFOX_LOGS LILFOX_REPOSITORIES
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH
if timeout 3 true 2>/dev/null; then lilfox_limit() {{ timeout {time} "$@"; }}
else lilfox_limit() {{ "$@"; }}
fi
renice -n 10 -p $$ >/dev/null 2>&1  # at 19, a busy host gives a fact no time within its limit
exec 4>&1
lilfox_fact() {{  # a name and a script
    printf '\n%s %s\n' '{mark}' "$1"
    lilfox_status=$(
        {{ {{ lilfox_limit sh -c "$2" </dev/null 2>/dev/null 3>&- 4>&-; echo $? >&3; }} | head -c {limit} >&4; }} 3>&1
    )
    printf '\n%s %s\n' '{mark}' "$lilfox_status"
}}
lilfox_each='
    while [ $# -gt 0 ]; do
        printf "\n%s %s\n" "{mark}" "$1"
        ( lilfox_script=$2; set --; eval "$lilfox_script" ) </dev/null 2>/dev/null
        printf "\n%s %s\n" "{mark}" "$?"
        shift 2
    done
    printf "%s all" "{mark}"
'
lilfox_facts() {{  # names and scripts in turn
    lilfox_told=$(lilfox_limit sh -c "$lilfox_each" lilfox_each "$@" </dev/null 2>/dev/null 4>&- | head -c {together})
    case $lilfox_told in
        *'{mark} all') printf '%s' "${{lilfox_told%'{mark} all'}}" ;;
        *) while [ $# -gt 0 ]; do lilfox_fact "$1" "$2"; shift 2; done ;;
    esac
}}
LILFOX_UID=$(id -u); export LILFOX_UID
LILFOX_CONTAINER=$(systemd-detect-virt --container 2>/dev/null) || LILFOX_CONTAINER=; export LILFOX_CONTAINER
printf '%s\n' "$LILFOX_UID"
{asked}
printf '\n%s end\n' '{mark}'
"""
