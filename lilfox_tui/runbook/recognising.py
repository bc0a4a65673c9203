"""What a command is on sight: it only reads, prints until it is stopped, wants a terminal, or changes something.

Conservative: what is not known to only read changes. ``known_commands.py`` has what is known of single programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lilfox_tui.runbook.known_commands import verdict_of
from lilfox_tui.runbook.known_names import Verdict
from lilfox_tui.runbook.model import Attributes, Kind
from lilfox_tui.runbook.shell_tokens import CommandLine, Simple

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=")
_HARMLESS_NAME = re.compile(r"LANG|LC_\w+|TZ|NO_COLOR|COLUMNS|PG(?:HOST|PORT|USER|DATABASE|PASSWORD|PASSFILE|SSLMODE)")
"""Names that may be handed to a program: others say which pager, editor, plug-in or library it runs."""
_OWN_NAME = re.compile(r"(?!.*_proxy)[a-z_][a-z0-9_]*")
"""Names of a fence's own variables, which programs do not look at."""
_FOLDERS = frozenset({"/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
_ORDER: tuple[Verdict, ...] = ("change", "unknown", "interactive", "follow", "read")
_PREFIXES: dict[str, tuple[str, str]] = {
    "sudo": ("nEHSkA", "ugpCrt"),
    "doas": ("n", "u"),
    "nice": ("", "n"),
    "ionice": ("t", "cn"),
    "stdbuf": ("", "ioe"),
    "timeout": ("v", "ks"),
    "time": ("p", ""),
    "command": ("p", ""),
    "xargs": ("0rt", "nLPdIs"),
    "watch": ("tdbexc", "n"),
}
"""Programs that run another one: their options without and with a value of its own."""


def verdict(line: CommandLine | None) -> Verdict:
    """What is known of a command; None is one that was not understood."""
    if line is None or line.endless or line.background or not line.simples:
        return "unknown"
    if len(line.simples) == 1:
        return _of_simple(line.simples[0], piped=line.piped)
    found = {_of_simple(simple, piped=line.piped) for simple in line.simples}
    return next(each for each in _ORDER if each in found)


def verdict_of_text(text: str, values: Mapping[str, str] | None = None) -> Verdict:
    """What a whole shell text is known to do: the worst of its commands.

    ``values`` are put in as single literal words, and judged as the words that they are: by the name of the placeholder
    (of a text with ``<name>``) or of the environment (``LF_name``, of a text that is filled: ``Filled.script`` with
    ``Filled.env``). A placeholder without a value is one word of data that begins with no ``-``.
    """
    from lilfox_tui.runbook.splitting import Asking, split

    if values:
        return "unknown"
    found = {verdict(part.read) for part in split(text, Asking(0))}
    return next((each for each in _ORDER if each in found), "unknown")


def kind(known: Verdict, attributes: Attributes, *, ours: bool = False) -> Kind:
    """What it counts as. What its fence says can only make it stricter: what is not known to only read is a change,
    whatever it is called there. ``ours``: in a runbook that LilFox brings ``risk: read`` is LilFox's own word."""
    if attributes.interactive:
        return "interactive"
    if attributes.risk in ("change", "destroy"):
        return "change"
    if known == "unknown" and ours and attributes.risk == "read":
        known = "read"
    if known == "interactive":
        return "change" if attributes.interactive is False else "interactive"
    if known == "follow":
        return "read" if attributes.follow is False else "follow"
    if known == "read":
        return "follow" if attributes.follow else "read"
    return "change"


def _of_simple(simple: Simple, *, piped: bool) -> Verdict:
    if simple.writes:
        return "change"
    words = simple.words
    names: list[str] = []
    while words and "=" in words[0] and (assigned := _ASSIGNMENT.match(words[0])):
        names.append(assigned[1])
        words = words[1:]
    if not all(_HARMLESS_NAME.fullmatch(name) or (not words and _OWN_NAME.fullmatch(name)) for name in names):
        return "unknown"
    if not words:
        return "read"
    return of_words(words, dynamic=simple.dynamic, fed=piped or simple.reads_file)


def of_words(words: Sequence[str], *, dynamic: bool, fed: bool) -> Verdict:
    """What the program ``words`` is; ``fed`` where its input is no terminal."""
    name = _name(words[0])
    if name in ("sudo", "doas") and any(word in ("-i", "-s", "--login", "--shell") for word in words[1:2]):
        return "interactive" if len(words) == 2 else "unknown"
    if name == "command" and words[1:2] and words[1] in ("-v", "-V"):
        return "read"
    if name == "env":
        rest = [word for word in words[1:] if not _ASSIGNMENT.match(word)]
        if rest[:1] and rest[0].startswith("-"):
            return "unknown"
        if any((found := _ASSIGNMENT.match(word)) and not _HARMLESS_NAME.fullmatch(found[1]) for word in words[1:]):
            return "unknown"
        return of_words(rest, dynamic=dynamic, fed=fed) if rest else "read"
    if name in _PREFIXES:
        return _of_prefix(name, words, dynamic=dynamic, fed=fed)
    return verdict_of(name, tuple(words[1:]), dynamic=dynamic, fed=fed)


def _of_prefix(name: str, words: Sequence[str], *, dynamic: bool, fed: bool) -> Verdict:
    rest = _behind_options(words[1:], *_PREFIXES[name])
    if rest is None:
        return "unknown"
    if name == "timeout":
        rest = rest[1:]
    while name == "sudo" and rest and "=" in rest[0] and (assigned := _ASSIGNMENT.match(rest[0])):
        if not _HARMLESS_NAME.fullmatch(assigned[1]):
            return "unknown"
        rest = rest[1:]
    if not rest:
        return "read" if name == "xargs" else "unknown"
    found = of_words(rest, dynamic=dynamic or name == "xargs", fed=fed or name == "xargs")
    if name == "watch":
        return "interactive" if found == "read" else found
    return "read" if name == "timeout" and found == "follow" else found


def _behind_options(words: Sequence[str], alone: str, with_value: str) -> Sequence[str] | None:
    """What stands behind the options of a program; None where one is not known."""
    if words and words[0][:1] != "-":
        return words
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if word.startswith("--"):
            return None
        letters = word[1:]
        while letters and letters[0] in alone:
            letters = letters[1:]
        if letters and letters[0] not in with_value:
            return None
        at += len(letters) == 1
    return words[at:]


def _name(word: str) -> str:
    """The program's name; of one in a folder that is not the system's the whole path, which nothing is known of."""
    if "/" not in word:
        return word
    folder, slash, name = word.rpartition("/")
    return name if not slash or folder in _FOLDERS else word
