"""Bash builtins, and programs that run other programs: sudo, timeout, xargs, ssh, shells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.judge import judge
from lilfox_tui.runbook.readers.spec import (
    Context,
    Fed,
    ProgramCall,
    Spec,
    Verdict,
    holds_devices,
    may_be_assigned,
    may_be_given,
    may_be_handed,
)

# What bash itself does: of these, what neither evaluates a text once more nor changes what later commands are.


_UNARY = frozenset(f"-{letter}" for letter in "abcdefghknoprstuwxzGLNOS")
"""Of ``[``; without ``-v`` and ``-R``, which evaluate subscripts."""
_BINARY = frozenset("= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef -a -o".split())
_COUNTS_WRITTEN = re.compile(r"%[^A-Za-z%]*[hlLjtzq]*n")
"""``%n`` of printf stores into the variable that its argument names."""


def _printf(call: ProgramCall, _context: Context) -> Verdict:
    written = call.operands[0].text if call.operands else ""
    return "unknown" if written is None or _COUNTS_WRITTEN.search(written) else "read"


def _enter(call: ProgramCall, _context: Context) -> Verdict:
    return "unknown" if any(map(holds_devices, call.operands)) else "read"


def _sleep(call: ProgramCall, _context: Context) -> Verdict:
    """Judge sleep: ``infinity``, however written, has no end."""
    ends = all(text is None or re.fullmatch(r"[0-9.]+[smhd]?", text) for text in call.texts)
    return "read" if ends else "follow"


def _test(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge test: the number of words determines the meaning of an expression."""
    if not all(word.is_one for word in words):
        return "unknown"
    texts = [word.text for word in words]
    if "-v" in texts or "-R" in texts:
        return "unknown"
    while (
        len(texts) > 1 and texts[0] == "!" and len(texts) in (2, 3, 4) and (len(texts) != 3 or texts[1] not in _BINARY)
    ):
        texts = texts[1:]
    good = (
        len(texts) <= 1
        or (len(texts) == 2 and texts[0] in _UNARY)
        or (len(texts) == 3 and texts[1] in _BINARY)
        or None not in texts
    )
    return "read" if good else "unknown"


def _bracket(words: Sequence[Argument], context: Context) -> Verdict:
    return _test(words[:-1], context) if words and words[-1].text == "]" else "unknown"


def _names(call: ProgramCall, _context: Context) -> Verdict:
    good = all(each.text is not None and may_be_assigned(each.text) for each in call.operands)
    return "read" if good else "unknown"


def _export(call: ProgramCall, _context: Context) -> Verdict:
    for each in call.operands:
        name = each.head.partition("=")[0]
        if not (each.text is not None or "=" in each.head) or not (may_be_assigned(name) or may_be_handed(name)):
            return "unknown"
        if not may_be_given(name, each.behind(len(name) + 1).pieces):
            return "unknown"
    return "read"


def _set(words: Sequence[Argument], _context: Context) -> Verdict:
    texts = [word.text for word in words]
    at = 0
    while at < len(texts):
        text = texts[at] or ""
        if re.fullmatch(r"[-+][eufxv]*o", text):
            at += 1
            if at >= len(texts) or texts[at] not in ("pipefail", "errexit", "nounset", "xtrace", "noglob"):
                return "unknown"
        elif not re.fullmatch(r"[-+][eufxv]+", text):
            return "unknown"
        at += 1
    return "read"


_ANY = Spec(operands="text*", harmless=True)
_NUMBER = Spec(operands="/[0-9]+/")
_FOLDER = Spec(reads="-P -L", operands="path", permutes=False, check=_enter)

_BUILTINS_PROGRAMS: dict[str, Spec] = {
    ":": _ANY,
    "true": _ANY,
    "false": _ANY,
    "echo": Spec(reads="-n -e -E", operands="text*", harmless=True, permutes=False, ends=False),
    "printf": Spec(operands="text text*", permutes=False, check=_printf),
    "test": Spec(own=_test),
    "[": Spec(own=_bracket),
    "cd": _FOLDER,
    "pushd": Spec(reads="-n", operands="path", permutes=False, check=_enter),
    "popd": Spec(reads="-n"),
    "dirs": Spec(reads="-l -p -v"),
    "pwd": Spec(reads="-L -P"),
    "exit": Spec(operands="text"),
    "return": Spec(operands="text"),
    "break": _NUMBER,
    "continue": _NUMBER,
    "read": Spec(
        reads="-r -s -t=number -n=number -N=number -d=text -p=text -u=number",
        operands="text*",
        permutes=False,
        check=_names,
    ),
    "export": Spec(operands="text*", permutes=False, check=_export),
    "unset": Spec(reads="-v", operands="text*", permutes=False, check=_names),
    "set": Spec(own=_set),
    "type": Spec(reads="-a -t -p -P", operands="text*"),
    "umask": Spec(reads="-S -p"),
    "ulimit": Spec(reads="-a -H -S -b -c -d -e -f -i -k -l -m -n -p -q -r -s -t -u -v -x"),
    "times": Spec(),
    "jobs": Spec(reads="-l -p -r -s"),
    "wait": Spec(),
    "sleep": Spec(operands="text*", check=_sleep),
}


# Programs that run others: what they run is judged as a command of its own.


_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_ANY_WORDS = Argument((None,), loose=True)
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[smhd]?")
_ENDING = re.compile(r"(?:SIG)?(?:TERM|KILL|INT|HUP|QUIT)|9|15")
"""Signals that end what gets them."""
_ONLY_BASH = re.compile(r"\$['\"]|&>|\|&|[<>]\(|\[\[|<<<|;&|\+=|\bfunction\b|\$\[|\bsource\b")
"""What another shell than bash reads as something else."""


def _behind_assignments(words: Sequence[Argument]) -> Sequence[Argument] | None:
    """Return the words after ``NAME=value``; None if one of them decides what is run."""
    at = 0
    while at < len(words) and (found := _ASSIGNED.match(words[at].head)):
        value = words[at].behind(found.end())
        if not may_be_handed(found[1]) or not words[at].is_one or not may_be_given(found[1], value.pieces):
            return None
        at += 1
    return words[at:]


def _command(call: ProgramCall, context: Context) -> Verdict:
    rest = _behind_assignments(call.operands)
    if rest is None:
        return "unknown"
    return context.words(rest, context.fed) if rest else "read"


def _sudo(call: ProgramCall, context: Context) -> Verdict:
    if not call.operands:
        if call.has("-i", "-s", "--login", "--shell"):
            return "unknown" if context.fed else "interactive"
        return "read" if call.has("-l", "-V") else "unknown"
    return "unknown" if call.has("-i", "-s", "--login", "--shell", "-l", "-V") else _command(call, context)


def _timeout(call: ProgramCall, context: Context) -> Verdict:
    """Judge timeout: it ends the command that it runs, except after ``0`` or with a signal that ends nothing."""
    if len(call.operands) < 2 or not call.operands[0].is_one:
        return "unknown"
    found = context.words(call.operands[1:], context.fed)
    lasts = call.operands[0].text or ""
    signals = [each.text or "" for each in call.values("-s", "--signal")]
    lasting = _DURATION.fullmatch(lasts) is not None and re.search("[1-9]", lasts) is not None
    ends = lasting and all(_ENDING.fullmatch(each) for each in signals)
    return "read" if found == "follow" and ends else found


def _found_command(call: ProgramCall, context: Context) -> Verdict:
    if call.has("-v", "-V"):
        return "read"
    return context.words(call.operands, context.fed) if call.operands else "unknown"


def _xargs(call: ProgramCall, context: Context) -> Verdict:
    """Judge xargs: its command gets unknown words at its end, or where ``-I`` says."""
    words = list(call.operands)
    if call.has("-I") and (len(call.values("-I")) > 1 or call.has("-n", "-L", "--max-args", "--max-lines")):
        return "unknown"  # the last of them counts, and what was to be replaced stands as it is
    for value in call.values("-I"):
        mark = value.text
        if not mark or any(word.text is None for word in words):
            return "unknown"
        return context.words([_replaced(word.text or "", mark) for word in words], Fed.DATA) if words else "read"
    return context.words([*words, _ANY_WORDS], Fed.DATA) if words else "read"


def _replaced(text: str, mark: str) -> Argument:
    """Return a word with ``mark`` replaced by something unknown."""
    pieces: list[str | None] = []
    for place, piece in enumerate(text.split(mark)):
        pieces += [None] * (place > 0) + ([piece] if piece else [])
    return Argument(tuple(pieces), printed=None in pieces)


def _watch(call: ProgramCall, context: Context) -> Verdict:
    """Judge watch: it passes its words, joined, to a shell."""
    texts = [each.text for each in call.operands]
    if not texts or None in texts:
        return "unknown"
    if call.has("-x", "--exec"):
        found = context.words(call.operands, Fed.DATA)
    else:
        found = _shell_text(" ".join(text or "" for text in texts), context)
    return found if found in ("change", "unknown") else "interactive"


def _shell_text(text: str, context: Context) -> Verdict:
    """Judge a text for a shell that may not be bash."""
    _before, _brace, behind = text.partition("{")
    if _ONLY_BASH.search(text) or "," in behind or ".." in behind:
        return "unknown"
    return context.text(text)


def _bash(words: Sequence[Argument], context: Context, *, bash: bool = True) -> Verdict:
    at, has_text = 0, False
    while at < len(words) and (text := words[at].text) is not None and text.startswith("-"):
        at += 1
        if text in ("--noprofile", "--norc") and bash:
            continue
        if not re.fullmatch(r"-[eux]*c?(?:o)?" if bash else r"-[eux]*c?", text) or text == "-":
            return "unknown"
        if text.endswith("o"):
            at += 1
            if words[at - 1 : at] and words[at - 1].text != "pipefail":
                return "unknown"
        has_text |= "c" in text
    rest = words[at:]
    if not has_text:
        return "unknown" if rest or context.fed else "interactive"
    if not rest or (program := rest[0].text) is None:
        return "unknown"
    return context.text(program) if bash else _shell_text(program, context)


def _sh(words: Sequence[Argument], context: Context) -> Verdict:
    return _bash(words, context, bash=False)


def _su(call: ProgramCall, context: Context) -> Verdict:
    """Judge su: the words after the user go to the shell."""
    operands = call.operands[1:] if call.operands and call.operands[0].text == "-" else call.operands
    programs = call.values("-c", "--command")
    if len(operands) > 1 or len(programs) > 1:
        return "unknown"
    if not programs:
        return "unknown" if context.fed else "interactive"
    text = programs[0].text
    return "unknown" if text is None else _shell_text(text, context)


def _runuser(words: Sequence[Argument], context: Context) -> Verdict:
    """Judge runuser: with ``-u`` it runs a program, else a shell like ``su``."""
    return judge(_RUNUSER_U if any(word.text in ("-u", "--user") for word in words) else _SU, words, context)


def _ssh(call: ProgramCall, context: Context) -> Verdict:
    """Judge ssh: what another host does with a text is unknown."""
    return "unknown" if len(call.operands) != 1 or context.fed else "interactive"


_RUNUSER_U = Spec(reads="-u=user --user=user -g=group --group=group", runs=0)
_SU = Spec(reads="-l --login -c=text --command=text -s={/bin/bash|/bin/sh|bash|sh}", operands="word*", check=_su)

_RUNNERS_PROGRAMS: dict[str, Spec] = {
    "sudo": Spec(
        reads="-n -E -H -S -k -i -s -l -V -u=user -g=group -p=text -C=number -r=text -t=text --user=user --group=group "
        "--preserve-env --set-home --non-interactive --login --shell --stdin",
        operands="text*", permutes=False, check=_sudo, harmless=False,
    ),
    "doas": Spec(reads="-n -u=user", operands="text*", permutes=False, check=_command),
    "env": Spec(reads="-i --ignore-environment", operands="text*", permutes=False, check=_command),
    "nice": Spec(reads="-n=number --adjustment=number", runs=0),
    "ionice": Spec(reads="-t -c=number -n=number --class=number --classdata=number --ignore", runs=0),
    "stdbuf": Spec(reads="-i=mode -o=mode -e=mode --input=mode --output=mode --error=mode", runs=0),
    "time": Spec(reads="-p -v", runs=0),
    "timeout": Spec(
        reads="-v -k=time -s=signal --preserve-status --foreground --verbose --kill-after=time --signal=signal",
        operands="text text*", permutes=False, check=_timeout,
    ),
    "command": Spec(reads="-p -v -V", operands="text*", permutes=False, check=_found_command),
    "xargs": Spec(
        reads="-0 -r -t -n=number -L=number -P=number -d=text -I=text -s=number --null --no-run-if-empty --verbose "
        "--max-args=number --max-procs=number --max-lines[=number] --delimiter=text",
        operands="text*", permutes=False, check=_xargs,
    ),
    "watch": Spec(
        reads="-t -d -b -e -x -c -g -w -n=number --interval=number --no-title --differences --beep --errexit --exec "
            "--color "
        "--chgexit --no-wrap",
        operands="text*", permutes=False, check=_watch,
    ),
    "nsenter": Spec(reads="-t=pid --target=pid -n -u -i -p -C --net --uts --ipc --pid --cgroup", runs=0),
    "bash": Spec(own=_bash),
    "sh": Spec(own=_sh),
    "su": _SU,
    "runuser": Spec(own=_runuser),
    "ssh": Spec(reads="-p=port -l=user -4 -6 -q -v -t", operands="host*", permutes=False, check=_ssh),
}  # fmt: skip

TABLES = (_BUILTINS_PROGRAMS, _RUNNERS_PROGRAMS)
