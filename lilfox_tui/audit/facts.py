"""Facts of a host: what it is asked, a pure parser of the answer, and one script that asks for many of them at once.

A fact's ``script`` is POSIX sh. It only reads, as every check does; it runs in a shell of its own with no input, at low
priority, ended after :data:`LIMIT_S` seconds, its output cut at :data:`LIMIT_BYTES`.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from msgspec import Struct

from lilfox_tui.core.i18n import Message, tr

T = TypeVar("T")
LIMIT_S = 10
LIMIT_BYTES = 256 * 1024
NO_PROGRAM = 127
"""The exit status of a script whose program is not on the host, as in a shell."""
TIMED_OUT = 124
"""The exit status of ``timeout`` for what it ended."""
_MARK = "@@LILFOX-FACT@@"


class NotKnown(Exception):
    """A fact could not be read, so what depends on it cannot be checked."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


class Absent(Exception):
    """The target has nothing that a check is about."""


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


class Fact(Struct, Generic[T], frozen=True):
    """A question to a host, and how its answer is read. ``parse`` is pure; it raises NotKnown or Absent."""

    name: str
    script: str
    parse: Callable[[Printed], T]


class Facts:
    """The facts of one target, parsed when they are first read."""

    def __init__(self, printed: Mapping[str, Printed]) -> None:
        self._printed = printed
        self._parsed: dict[str, Any] = {}

    def __getitem__(self, fact: Fact[T]) -> T:
        """The parsed ``fact``; raises NotKnown, Absent, and KeyError for one that its check does not declare."""
        if fact.name not in self._parsed:
            self._parsed[fact.name] = fact.parse(self._printed[fact.name])
        return cast("T", self._parsed[fact.name])


class Question:
    """One script that asks for ``facts``, and the reading of what it prints. The secret in its marks keeps what the
    programs print from passing for a mark."""

    def __init__(self, facts: Iterable[Fact[Any]]) -> None:
        self._facts = {fact.name: fact for fact in facts}
        self._mark = f"{_MARK} {secrets.token_hex(8)}"

    @property
    def script(self) -> str:
        """POSIX sh for ``Host.run_script``."""
        asked = [
            f"lilfox_fact {shlex.quote(name)} {shlex.quote(fact.script.strip())}" for name, fact in self._facts.items()
        ]
        return _SCRIPT.format(mark=self._mark, limit=LIMIT_BYTES + 1, time=LIMIT_S, asked="\n".join(asked))

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
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH
if timeout 3 true 2>/dev/null; then lilfox_limit() {{ timeout {time} "$@"; }}
else lilfox_limit() {{ "$@"; }}
fi
renice -n 19 -p $$ >/dev/null 2>&1
exec 4>&1
lilfox_fact() {{
    printf '\n%s %s\n' '{mark}' "$1"
    lilfox_status=$(
        {{ {{ lilfox_limit sh -c "$2" </dev/null 2>/dev/null 3>&- 4>&-; echo $? >&3; }} | head -c {limit} >&4; }} 3>&1
    )
    printf '\n%s %s\n' '{mark}' "$lilfox_status"
}}
id -u
{asked}
printf '\n%s end\n' '{mark}'
"""
