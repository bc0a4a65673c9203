"""What bash itself does: of these, what neither evaluates a text once more nor changes what later commands are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.readers.names import may_be_assigned, may_be_given, may_be_handed
from lilfox_tui.runbook.readers.roles import holds_devices
from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict
from lilfox_tui.runbook.shell_values import Argument

_UNARY = frozenset(f"-{letter}" for letter in "abcdefghknoprstuwxzGLNOS")
"""Of ``[``; without ``-v`` and ``-R``, which evaluate subscripts."""
_BINARY = frozenset("= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef -a -o".split())
_COUNTS_WRITTEN = re.compile(r"%[^A-Za-z%]*[hlLjtzq]*n")
"""``%n`` of printf stores into the variable that its argument names."""


def _printf(call: Call, _context: Context) -> Verdict:
    written = call.operands[0].text if call.operands else ""
    return "unknown" if written is None or _COUNTS_WRITTEN.search(written) else "read"


def _enter(call: Call, _context: Context) -> Verdict:
    return "unknown" if any(map(holds_devices, call.operands)) else "read"


def _sleep(call: Call, _context: Context) -> Verdict:
    """``infinity`` has no end, in whatever way it is written."""
    ends = all(text is None or re.fullmatch(r"[0-9.]+[smhd]?", text) for text in call.texts)
    return "read" if ends else "follow"


def _test(words: Sequence[Argument], _context: Context) -> Verdict:
    """The meaning of an expression goes by the count of its words."""
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


def _names(call: Call, _context: Context) -> Verdict:
    good = all(each.text is not None and may_be_assigned(each.text) for each in call.operands)
    return "read" if good else "unknown"


def _export(call: Call, _context: Context) -> Verdict:
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

TABLE: dict[str, Spec] = {
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
