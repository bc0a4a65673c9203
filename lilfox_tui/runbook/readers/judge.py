"""Judges a program call by the program's table, and finds the table of each known program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module

from lilfox_tui.runbook.bash.values import Argument, known
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, ProgramOption, Spec, Verdict, all_options, fits, worst

# The one judge: whether each word of a call is understood by the table of its program.
#
# Long options are on the table as they are written, never shortened; of a bundle of short ones each letter is, and at
# most the last has a value. A word of which only the begin is known stands where any text may stand. The first word
# that is not understood ends it: nothing is known of the call then.


_DASHED = ("keys", "pattern")
"""Roles of values that begin with ``-`` every day."""
_NEGATIVE = re.compile(r"-[0-9]*")
_COUNTED = re.compile(r"-[0-9]+([A-Za-z]*)")
"""``-20``, and ``-20f`` as tail has it."""


class NotUnderstood(Exception):
    """A word is not in the table."""


def judge(spec: Spec, words: Sequence[Argument], context: Context) -> Verdict:
    """Judge a call with these words after the program's name."""
    return _judge(spec, words, context, {})


def _judge(spec: Spec, words: Sequence[Argument], context: Context, above: Mapping[str, ProgramOption]) -> Verdict:
    if spec.own is not None:
        return spec.own(words, context)
    if len(words) == 1 and words[0].text in ("--help", "--version") and spec.runs < 0:
        return "read"
    table = {**above, **all_options(spec)}
    try:
        call, rest, ended = _taken_apart(spec, words, table)
    except NotUnderstood:
        return "unknown"
    found = {spec.verdict, *_of_options(call, table, context)}
    if spec.subs and rest:
        if ended or rest[0].text is None:
            return "unknown"
        sub = spec.subs.get(rest[0].text)
        if sub is None:
            return spec.otherwise if worst(found) != "unknown" else "unknown"
        return worst(found | {_judge(sub, rest[1:], context, table if spec.inherits else {})})
    if spec.subs:
        found.add(spec.alone)  # whatever its options: some read commands from what they are fed
    if spec.needs and not call.has(*spec.needs.split()):
        found.add(spec.otherwise)
    if spec.runs >= 0:
        found.add(_run(spec, call, context))
    elif spec.harmless:
        found.update(fits("", operand, context) for operand in call.operands)
    else:
        found.add(_operands(spec.operands, call.operands, context))
    if spec.check is not None:
        found.add(spec.check(call, context))
    result = worst(found)
    return "unknown" if result == "interactive" and context.fed else result


def _of_options(call: ProgramCall, table: Mapping[str, ProgramOption], context: Context) -> Iterator[Verdict]:
    for name, value in call.options:
        yield table[name].verdict
        if value is not None:
            yield fits(table[name].role, value, context)


def _taken_apart(
    spec: Spec, words: Sequence[Argument], table: Mapping[str, ProgramOption]
) -> tuple[ProgramCall, Sequence[Argument], bool]:
    """Return the options and operands; for a program with sub-commands also the rest, and whether ``--`` came before
    it. Raises NotUnderstood."""
    call = ProgramCall([], [])
    at, ended = 0, False
    stops = _stops(spec)
    while at < len(words):
        word = words[at]
        may_be_option = word.may_be_option and not (spec.harmless and not word.head.startswith("-"))
        if not ended and may_be_option and word.text != "-":
            if word.text == "--" and spec.ends:
                ended = True
                at += 1
            else:
                at = _option(spec, words, at, table, call)
            continue
        if stops:
            if spec.subs:
                return call, words[at:], ended
            ended = True
        call.operands.append(word)
        at += 1
    return call, (), ended


def _stops(spec: Spec) -> bool:
    """Return whether the words after a program's first operand are no longer its options."""
    return bool(spec.subs) or not spec.permutes or spec.runs >= 0


def _option(
    spec: Spec, words: Sequence[Argument], at: int, table: Mapping[str, ProgramOption], call: ProgramCall
) -> int:
    """Consume the option at a position with its value; return the next position."""
    word = words[at]
    if word.loose:
        raise NotUnderstood
    if word.text is not None and (option := table.get(word.text)) is not None:
        if not option.role or option.attached:
            call.options.append((option.name, None))
            return at + 1
        return _valued(option, words, at, call, stops=_stops(spec))
    if spec.counted and word.text is not None and (counted := _COUNTED.fullmatch(word.text)):
        letters = [table.get(f"-{letter}") for letter in counted[1]]
        if any(each is None or each.role for each in letters):
            raise NotUnderstood
        call.options += [(each.name, None) for each in letters if each is not None]
        return at + 1
    name, equals, _rest = word.head.partition("=")
    if equals and (name.startswith("--") or spec.single):
        found = table.get(name)
        if found is None or not found.role:
            raise NotUnderstood
        _attached(option=found, value=word.behind(len(name) + 1), call=call)
        return at + 1
    if word.head.startswith("--") or spec.single or len(word.head) < 2:
        raise NotUnderstood
    return _bundle(spec, words, at, table, call)


def _bundle(
    spec: Spec, words: Sequence[Argument], at: int, table: Mapping[str, ProgramOption], call: ProgramCall
) -> int:
    """Consume short options bundled in one word."""
    word = words[at]
    for place in range(1, len(word.head)):
        option = table.get("-" + word.head[place])
        if option is None:
            raise NotUnderstood
        if option.role and spec.apart:
            raise NotUnderstood
        if option.role:
            rest = word.behind(place + 1)
            if rest.pieces:
                _attached(option, rest, call)
            elif option.attached:
                call.options.append((option.name, None))
            else:
                return _valued(option, words, at, call, stops=_stops(spec))
            return at + 1
        call.options.append((option.name, None))
    if word.text is None:
        raise NotUnderstood  # what follows would be more letters
    return at + 1


def _valued(option: ProgramOption, words: Sequence[Argument], at: int, call: ProgramCall, *, stops: bool) -> int:
    """Consume an option whose value is the next word; if that is a pattern, the first matching file is the value and
    the others are operands."""
    value = words[at + 1] if at + 1 < len(words) else None
    if value is None or value.loose or (value.many and (stops or value.may_be_option)):
        raise NotUnderstood
    if value.head.startswith("-") and option.role not in _DASHED and not _NEGATIVE.fullmatch(value.text or ""):
        raise NotUnderstood  # a version of the program in which the option has no value would read it as another
    call.options.append((option.name, _one_of(value)))
    if value.many:
        call.operands.append(value)
    return at + 2


def _attached(option: ProgramOption, value: Argument, call: ProgramCall) -> None:
    """Consume a value attached to its option. If it is a pattern, the file names that match begin with the option too,
    so each repeats it."""
    if value.many and not value.head:
        raise NotUnderstood
    call.options.append((option.name, _one_of(value)))


def _one_of(value: Argument) -> Argument:
    return Argument(value.pieces, value.undashed, printed=value.printed)


def _operands(written: str, operands: Sequence[Argument], context: Context) -> Verdict:
    roles = written.split()
    found: set[Verdict] = set()
    for place, operand in enumerate(operands):
        role = roles[min(place, len(roles) - 1)] if roles else ""
        if not role or (place >= len(roles) and not role.endswith("*")):
            return "unknown"
        if not operand.is_one and not (place >= len(roles) - 1 and role.endswith("*")):
            return "unknown"
        found.add(fits(role.rstrip("*?"), operand, context))
    return worst(found)


def _run(spec: Spec, call: ProgramCall, context: Context) -> Verdict:
    """Judge a program that runs its operands."""
    lead, rest = call.operands[: spec.runs], call.operands[spec.runs :]
    if any(not each.is_one for each in lead) or not rest:
        return "unknown"
    return context.words(rest, context.fed)


def literal(words: Sequence[str]) -> list[Argument]:
    return [known(word) for word in words]


# Every program of which something is known.


_MODULES = ("builtins", "files", "text", "system", "network", "databases", "containers", "clouds")
"""Each has its programs by name in ``TABLES``."""
_CHANGES = frozenset(
    "chgrp chmod chown chpasswd cp dd ed gpasswd groupadd gunzip gzip halt install ip6tables-restore "
    "iptables-restore kill killall ln logrotate mkdir mkfs mv parted patch pkill poweroff reboot rm rmdir rsync scp "
    "sftp "
    "shutdown swapoff touch truncate umount unzip useradd userdel usermod".split()
)
_OPENS = frozenset("emacs ftp joe lnav man micro more most nano ncdu nvim pico telnet vi view vim zless".split())
"""Want a terminal, and are given files, hosts or pages; behind a ``+`` some are given commands."""
_ALONE = frozenset(
    "aptitude atop btop dash glances htop iftop ipython irb k9s lazygit mc mutt nethogs nmon node passwd python "
    "python3 "
    "screen tig tmux vipw visudo zsh".split()
)
"""Want a terminal, without any words."""
_OPENED = Spec(operands="/[^+].*/*", verdict="interactive")
_BY_ITSELF = Spec(verdict="interactive")


@cache
def programs() -> dict[str, Spec]:
    """Return the tables by program name."""
    found: dict[str, Spec] = {}
    for name in _MODULES:
        tables: tuple[dict[str, Spec], ...] = import_module(f"lilfox_tui.runbook.readers.{name}").TABLES
        for table in tables:
            if twice := found.keys() & table.keys():
                raise ValueError(f"{sorted(twice)} are in two tables")
            found |= table
    return found


def known_program(name: str) -> Spec | Verdict:
    """Return a program's table, or its verdict if that does not depend on its words."""
    if name in _CHANGES:
        return "change"
    if name in _OPENS:
        return _OPENED
    if name in _ALONE:
        return _BY_ITSELF
    return programs().get(name, "unknown")
