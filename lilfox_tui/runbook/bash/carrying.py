"""Shell variables across the fences of a run: which pass from one to the next, and which a command lacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.runbook.bash.launcher import NeededVariables
from lilfox_tui.runbook.bash.variables import Variables, variables_of
from lilfox_tui.runbook.model import Command, Step

# What one fence sets is there in the next ones, on the same host and in the same run.
#
# A value travels as data: the shell that set it writes it down between NULs, LilFox reads it, shows it, and hands it to
# later commands in their environment under ``LF__P_NAME``, or ``LF__X_NAME`` where it is exported. Among the values of
# a run its name is ``$NAME``, or ``export $NAME``: no placeholder begins so.


PLAIN, EXPORTED = "LF__P_", "LF__X_"
_OF_BASH = re.compile(
    r"(?:BASH|COMP_|EPOCH|LF_|READLINE_|TERM)\w*|_|COLUMNS|COPROC|DIRSTACK|EUID|FUNCNAME|GROUPS|HISTCMD|HOME|HOSTNAME"
    r"|HOSTTYPE|IFS|LINENO|LINES|LOGNAME|MACHTYPE|MAPFILE|OLDPWD|OPTARG|OPTERR|OPTIND|OSTYPE|PATH|PIPESTATUS|PPID"
    r"|PROMPT_\w+|PS[0-4]|PWD|RANDOM|REPLY|SECONDS|SHELL|SHELLOPTS|SHLVL|SRANDOM|UID|USER|CDPATH|ENV|GLOBIGNORE"
    r"|EXECIGNORE|FIGNORE|POSIXLY_CORRECT|TIMEFORMAT|TMOUT|auto_resume|histchars"
)
"""What bash or the login sets, or bash follows: each command has its own."""
_OF_PROGRAMS = re.compile(
    r"(?:LD|DYLD|GIT|PYTHON|PERL|RUBY|LESS|MAN|SUDO|MALLOC|GCONV)\w*|\w*(?:PAGER|EDITOR|ASKPASS|BROWSER|PRELOAD)"
    r"|VISUAL|LOCPATH|NLSPATH|\w*(?:TOOL|JAVA|NODE)_OPTIONS|RSYNC_RSH|KUBECTL_EXTERNAL_DIFF|INPUTRC|TAR_OPTIONS"
)
"""What makes a program run something else where it is exported."""
_LOGIN = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|HOSTNAME|IFS|OPTIND|OPTERR|RANDOM|SRANDOM|SECONDS|LINENO|PPID|UID|EUID"
    r"|GROUPS|DIRSTACK|FUNCNAME|HOSTTYPE|OSTYPE|MACHTYPE|SHLVL|SHELLOPTS|PIPESTATUS|_|(?:BASH|EPOCH|LF_)\w*"
)
"""What every login and bash itself set; another fence that sets one of them sets it anew."""
_OF_HOSTS = re.compile(r"LANG|LANGUAGE|LC_\w+|TERM|TZ|MAIL|DISPLAY|SSH_\w+|XDG_\w+|DBUS_\w+|SUDO_\w+|[a-z]+_proxy")
"""What a host may set besides."""
_OF_OURS = re.compile(r"LF_\w+|BASH_\w+|_")
"""What the shell has by the time when it is used, and not before."""
_SHELLS = re.compile(r"(?:(?:\S*/)?env\s++(?:-S\s++)?)?(?:\S*/)?(?:ba)?sh(?:\s.*)?")
_EXPORTING = re.compile(r"\b(?:export|declare|typeset)\b")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
LONGEST = 64 << 10
"""Characters of a value; a longer one does not pass."""
MOST_BYTES = 1 << 20
"""Of all that a host has kept for the next fences."""


def may_pass(name: str, *, exported: bool) -> bool:
    """Whether a variable of that name passes to later fences: neither bash nor, if it is exported, a program takes from
    it what to run."""
    if _NAME.fullmatch(name) is None or _OF_BASH.fullmatch(name) is not None:
        return False
    return not exported or _OF_PROGRAMS.fullmatch(name) is None


def key_of(name: str, *, exported: bool) -> str:
    """Return the name of a shell variable among the values of a run."""
    return f"export ${name}" if exported else f"${name}"


def shell_name(key: str) -> str:
    """Return the shell variable that a value of a run is; empty if it is the value of a placeholder."""
    return key.partition("$")[2]


def environment_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return how the shell variables among the values of a run travel to a command."""
    return {
        (EXPORTED if key.startswith("export ") else PLAIN) + name: value
        for key, value in values.items()
        if (name := shell_name(key))
    }


class KeptShellVariables(Struct, frozen=True):
    """What a host has kept for the next fences: values by their names among the values of a run, and the names of those
    that are not set any more."""

    values: dict[str, str]
    gone: tuple[str, ...]


def read_kept(data: bytes) -> KeptShellVariables:
    """Read what a host has kept: name, ``-`` (``x``: exported; empty: not set) and value, each ended by a NUL. What a
    lost link has cut is left out."""
    fields = data.decode("utf-8", "surrogateescape").split("\0")[:-1]
    values: dict[str, str] = {}
    gone: dict[str, None] = {}
    for name, how, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        exported = how == "x"
        keys = {key_of(name, exported=True): None, key_of(name, exported=False): None}
        for key in keys:
            values.pop(key, None)
        gone |= keys
        utf8 = not any("\ud800" <= char <= "\udfff" for char in value)
        if how and may_pass(name, exported=exported) and len(value) <= LONGEST and utf8:
            values[key_of(name, exported=exported)] = value
    return KeptShellVariables(values, tuple(key for key in gone if key not in values))


# Variables of commands that nothing sets: ``rm -rf $DIR/*.tmp`` without ``DIR`` is ``rm -rf /*.tmp``.
#
# A variable that only a later fence sets, or one that does not pass, is refused before anything runs; one that an
# earlier fence sets must have been set there, on that host, in this run; one that only the host may set is looked for
# there by the shell that is about to run the command, which runs nothing without it. That shell also runs with
# ``set -u``: what is set in one branch alone is seen when it is missing. Not so where the fence takes another file into
# its shell (``source``, ``eval``), for those are often not written for it.


class ShellVariables:
    """Finds the variables that the commands of a runbook, in these steps, need, pass on, and lack."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._fences: dict[int, list[Command]] = {}
        for step in steps:
            for command in step.commands:
                self._fences.setdefault(command.fence, []).append(command)
        self._set_in: dict[str, dict[int, int]] = {}
        """Name → fence → the line there that sets it."""
        self._exported: set[str] = set()
        named: dict[str, set[int]] = {}
        """Name → fences that use or set it."""
        for fence, commands in self._fences.items():
            for command in filter(_runs_in_bash, commands):
                found = _variables(command)
                self._exported |= found.exports
                for name in found.sets:
                    self._set_in.setdefault(name, {}).setdefault(fence, command.line)
                for name in (*found.sets, *found.uses):
                    named.setdefault(name, set()).add(fence)
        self._in_several = {name for name, fences in named.items() if len(fences) > 1}

    def needed(self, command: Command) -> NeededVariables:
        """Return the variables that the shell checks before the command; none for a command whose fence makes no
        change."""
        if not self._counts(command):
            return NeededVariables()
        names = tuple(name for name in _variables(command).needs if not _OF_OURS.fullmatch(name))
        strict = not any(_variables(each).foreign for each in [*self._before(command), command])
        return NeededVariables(names, strict)

    def keeps(self, command: Command) -> tuple[str, ...]:
        """Return the variables that the command passes to the next fences once it has worked: those that it exports,
        and those that another fence knows, too."""
        if not _runs_in_bash(command) or command.script or command.attributes.background:
            return ()
        found = _variables(command)
        names = (found.sets & self._in_several) | found.exports
        return tuple(sorted(name for name in names if may_pass(name, exported=False)))

    def comes(self, command: Command) -> Iterator[tuple[str, int]]:
        """Yield the variables that the command needs and that an earlier fence passes to it, with the line there."""
        for name, fences in self._needed_from_others(command):
            before = [line for fence, line in fences.items() if fence < command.fence]
            if before and may_pass(name, exported=name in self._exported):
                yield name, before[-1]

    def passed(self, command: Command, values: Mapping[str, str]) -> dict[str, str]:
        """Return the shell variables among ``values`` that the command finds set as they are: not those that its own
        fence has set since, or may have."""
        before = [_variables(each) for each in self._before(command)]
        if not _runs_in_bash(command) or any(each.foreign for each in before):
            return {}
        mine = {name for each in before for name in each.sets}
        return {key: value for key, value in values.items() if (name := shell_name(key)) and name not in mine}

    def elsewhere(self, command: Command) -> Iterator[tuple[str, int]]:
        """Yield the variables that a change needs and that only a fence sets from which it does not come, each with the
        line of the assignment."""
        if self._counts(command):
            come = {name for name, _line in self.comes(command)}
            for name, fences in self._needed_from_others(command):
                if name not in come:
                    yield name, next(iter(fences.values()))

    def unset(self, command: Command) -> Iterator[str]:
        """Yield the names that the command needs and that neither the runbook nor, as a rule, the host sets."""
        if not _runs_in_bash(command) or any(_variables(each).foreign for each in self._before(command)):
            return
        for name in _variables(command).needs:
            if name not in self._set_in and not _LOGIN.fullmatch(name) and not _OF_HOSTS.fullmatch(name):
                yield name

    def stays(self, command: Command) -> tuple[str, ...]:
        """Return the variables that the command exports, but that do not pass to the fences behind it."""
        if not _runs_in_bash(command) or command.script or not any(fence > command.fence for fence in self._fences):
            return ()
        return tuple(sorted(each for each in _variables(command).exports if not may_pass(each, exported=True)))

    def nowhere(self, command: Command) -> Iterator[str]:
        """Yield the names that a command needs and that nothing in the runbook sets; its host may set them."""
        if self._counts(command):
            names = (name for name in _variables(command).needs if name not in self._set_in)
            yield from (name for name in names if not _LOGIN.fullmatch(name))

    def why_not(self, command: Command) -> Message | None:
        """Return why the command is not run; None if nothing in the runbook prevents it."""
        for name, line in self.elsewhere(command):
            return tr(
                "line {line}: ${name} is set in another fence (line {other}) and does not come from there: here it is "
                "empty",
                line=command.line,
                name=name,
                other=line,
            )
        return None

    def refuse(self, command: Command) -> None:
        """Raise LilFoxError if the command is not run."""
        if (why := self.why_not(command)) is not None:
            raise LilFoxError(
                why,
                tr("set it in this fence or in an earlier one, or pass the value with a <placeholder> or a capture"),
            )

    def refuse_lacking(self, command: Command, host: str, values: Mapping[str, str]) -> None:
        """Raise LilFoxError if a variable that an earlier fence should have set has no value on the host."""
        there = {shell_name(key): value for key, value in values.items()}
        foreign = any(_variables(each).foreign for each in self._before(command))  # that may have set it
        for name, line in self.comes(command):
            if foreign:
                continue
            if there.get(name) == "":
                raise LilFoxError(
                    tr(
                        "line {line}: ${name}, which line {other} has set on {host}, is empty; nothing was run",
                        line=command.line,
                        name=name,
                        host=host,
                        other=line,
                    ),
                    tr("if the empty value is meant, write {form}", form=f"${{{name}:-}}"),
                )
            if name not in there:
                raise LilFoxError(
                    tr(
                        "line {line}: ${name} has no value on {host}: the command on line {other}, which sets it, has "
                        "not run there; nothing was run",
                        line=command.line,
                        name=name,
                        host=host,
                        other=line,
                    ),
                    tr("first run the command on line {other} on {host}", other=line, host=host),
                )

    def _needed_from_others(self, command: Command) -> Iterator[tuple[str, dict[int, int]]]:
        """Yield the names that the command needs and that other fences set, but not its own before it."""
        if not _runs_in_bash(command):
            return
        mine, before = _variables(command), [_variables(each) for each in self._before(command)]
        names = mine.needs if any(each.foreign for each in before) else (*mine.needs, *mine.maybe)
        for name in names:
            others = {fence: line for fence, line in self._set_in.get(name, {}).items() if fence != command.fence}
            if others and not any(name in each.sets for each in before) and not _LOGIN.fullmatch(name):
                yield name, others

    def _counts(self, command: Command) -> bool:
        """Return whether variables of the command are checked: it is bash, and its fence changes something, because a
        folder or a variable that one command sets then affects the later ones."""
        mine = self._fences.get(command.fence, [command])
        return _runs_in_bash(command) and any(each.kind in ("change", "interactive") for each in mine)

    def _before(self, command: Command) -> list[Command]:
        """Return the commands that run before it in its fence."""
        mine = takewhile(
            lambda each: (each.line, each.text) != (command.line, command.text), self._fences.get(command.fence, ())
        )
        return [each for each in mine if _runs_in_bash(each)]


def behind_exports(steps: Sequence[Step], harmless: Callable[[str], bool]) -> set[tuple[int, int]]:
    """Return the positions (step, command) of the commands behind a fence that exports a variable from which a program
    might take what it runs: nothing is known of them."""
    since: int | None = None
    found: set[tuple[int, int]] = set()
    for at, step in enumerate(steps):
        for number, command in enumerate(step.commands):
            if since is not None and command.fence > since:
                found.add((at, number))
            elif since is None and _runs_in_bash(command) and _EXPORTING.search(command.text):
                names = _variables(command).exports
                if any(may_pass(name, exported=True) and not harmless(name) for name in names):
                    since = command.fence
    return found


def _runs_in_bash(command: Command) -> bool:
    program = command.attributes.interpreter or ""
    if not program and command.script and command.text.startswith("#!"):
        program = command.text[2:].split("\n", 1)[0].strip()
    return command.kind != "none" and (not program or _SHELLS.fullmatch(program) is not None)


def _variables(command: Command) -> Variables:
    """Return the variables of a command's text, with a plain word for each placeholder, whose value is passed
    separately."""
    text = command.text
    for each in sorted(command.placeholders, key=lambda each: each.start, reverse=True):
        if each.start < each.end:  # else it is a shell variable
            text = f"{text[: each.start]}x{text[each.end :]}"
    return variables_of(text)


def names_in(values: Iterable[str]) -> dict[str, str]:
    """Return the shell variables among the names of a command's environment, each with its name there."""
    found = {each: each.removeprefix(PLAIN).removeprefix(EXPORTED) for each in values}
    return {name: each for each, name in found.items() if name != each}
