"""Finds the placeholders of a shell command, and the requirement for a value in each place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct

from lilfox_tui.runbook.bash.lexer import (
    ASSIGNED,
    COMMAND_FOLLOWS,
    EXPANSIONS,
    NAMED,
    BashLexer,
    Heredoc,
    Part,
    Token,
    escapes,
)
from lilfox_tui.runbook.bash.syntax import CLOSE, OPEN
from lilfox_tui.runbook.model import Placeholder

# What is known of the words of a shell command that read their own words once more.
#
# ``need`` grows: a value that is an argument may be anything, one that a program reads as a program may only be of the
# safe alphabet, one that is calculated with may only be a number, and a command's own name is no value at all.


class Need(IntEnum):
    """The requirement for a placeholder's value in its place, from the loosest to the strictest."""

    ANY = 0
    SAFE = 1
    """Letters, digits and ``._:/-`` (ASCII), without a leading ``-``."""
    NUMBER = 2
    """Digits: a name would be read as a variable, and what that holds be calculated once more."""
    NEVER = 3


PREFIXES = frozenset(
    {
        "sudo", "doas", "env", "nice", "ionice", "nohup", "setsid", "exec", "command", "builtin", "chroot", "unshare",
        "nsenter", "systemd-run", "stdbuf", "chrt", "taskset", "strace", "xargs", "timeout", "flock", "runuser", "su",
        "ssh", "kubectl", "docker", "podman", "parallel", "watch", "coproc",
    }
)  # fmt: skip
"""Commands that start what stands behind them: a ``--`` of theirs says nothing of its options."""
_READ_AGAIN = frozenset(
    {
        "eval", "source", ".", "trap", "alias", "unset", "read", "mapfile", "readarray", "getopts", "declare",
        "typeset", "local", "readonly", "complete", "compgen", "bind", "enable", "coproc", "wait",
        "ssh", "scp", "rsync", "watch", "parallel", "awk", "gawk", "mawk", "nawk", "sed", "ed", "at", "batch",
    }
)  # fmt: skip
"""Builtins that evaluate subscripts in names, and programs whose arguments are programs."""
_BY_OPTION = {
    **dict.fromkeys(("bash", "sh", "dash", "ash", "ksh", "zsh", "busybox", "su", "runuser", "flock", "script"), "c"),
    **dict.fromkeys(("perl", "ruby", "node"), "eE"),
    **dict.fromkeys(("python", "python3"), "c"),
    **dict.fromkeys(("test", "[", "printf"), "vR"),
    "env": "S",
}
"""Commands that do so with an option of one of these letters."""
_KNOWN = _READ_AGAIN | _BY_OPTION.keys() | {"export"}
_NAMES = ("test", "[", "printf")
"""Of these, those that evaluate names; with the others, what stands behind the program is its arguments."""
_MOST_WORDS = 1000
"""No command that a person writes has more; what is longer takes no value."""
_SUBSCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*")


def needed(words: Sequence[str], current: str) -> Need:
    """Return the requirement for a value in the word that begins with ``current``, after ``words`` of a simple
    command."""
    if len(words) > _MOST_WORDS:
        return Need.NEVER
    if _SUBSCRIPT.fullmatch(current) or "let" in words:
        return Need.NUMBER
    if not words:
        return Need.ANY if ASSIGNED.match(current) else Need.NEVER
    names = [word.rsplit("/", 1)[-1] for word in words]
    if len(names) == 1 and names[0] in PREFIXES and names[0] != "ssh":  # its first word is a host
        return Need.ANY if names[0] in ("env", "sudo") and ASSIGNED.match(current) else Need.NEVER
    return max((_of_command(names, at, current) for at, name in enumerate(names) if name in _KNOWN), default=Need.ANY)


def _of_command(names: Sequence[str], at: int, current: str) -> Need:
    """Return what ``names[at]`` requires, if it is a command."""
    name, options = names[at], [word for word in names[at + 1 :] if word[:1] in ("-", "+")]
    if name in ("declare", "typeset", "local") and any("i" in option for option in options):
        return Need.NUMBER
    if name == "export":
        return Need.ANY if ASSIGNED.match(current) else Need.SAFE
    if name == "printf" and at == len(names) - 1:
        return Need.SAFE
    letters = set(_BY_OPTION.get(name, ""))
    asks = any(letters & set(option) for option in options if not option.startswith("--"))
    if name in _READ_AGAIN or (asks and not _has_program(names, at)):
        return Need.SAFE
    return Need.ANY


def _has_program(names: Sequence[str], at: int) -> bool:
    """Whether the program text of ``names[at]`` is already given: ``sh -c 'printf %s "$1"' sh``."""
    if names[at] in _NAMES:
        return False
    letters = set(_BY_OPTION[names[at]])
    option = next(
        place for place in range(at + 1, len(names)) if names[place][:1] == "-" and letters & set(names[place])
    )
    return any(word[:1] not in ("-", "+") for word in names[option + 1 :])


def ends_options(words: Sequence[str]) -> bool:
    """Whether a ``--`` among ``words`` belongs to the command whose argument comes next."""
    began = 0
    for at, word in enumerate(words):
        if word == "--":
            if not PREFIXES & {each.rsplit("/", 1)[-1] for each in words[began:at]}:
                return True
            began = at + 1
    return False


# Where in a shell command its placeholders stand, and what a value there must be.
#
# Where it errs it errs to the strict side: only a word of a command takes any value.


Place = Literal["word", "double", "single", "ansi", "heredoc", "verbatim", "arithmetic", "parameter", "backquotes"]
"""``verbatim`` is a heredoc whose delimiter is quoted, ``ansi`` is ``$'…'``."""
_CALCULATED = re.compile(r"\s(?:-(?:eq|ne|lt|le|gt|ge|v|R)\b)")
_AMBIGUOUS = frozenset('}"\\$`')
"""Characters of a quote in ``${…}`` of which shells differ in whether they end it: what comes behind is not certain."""
_WOULD_EXPAND = ("\\`", "\\$(", "\\${", "\\$[")
"""What begins no expansion in a heredoc, but may in what reads it."""


class Site(Struct, frozen=True, kw_only=True):
    """A placeholder and its position."""

    placeholder: Placeholder
    place: Place
    need: Need
    option: bool = False
    """Whether a value with a leading ``-`` could be read as an option here."""
    escaped: bool = False
    """A ``\\`` or ``$`` stands before it, and would make something else of what it is replaced by."""
    delimiter: str = ""
    """Of a heredoc: the line that ends it."""
    splits: bool = False
    """Bash splits the value, and expands patterns in it."""


class _CommandState(Struct):
    """The state of a simple command that has been read in part."""

    need: Need = Need.ANY
    """What all within must be at least."""
    words: list[str] = []
    """What is quoted, expanded or a value in one is ``\\0``."""
    test: Need = Need.ANY
    """Of ``[[ … ]]``, while in it."""
    array: bool = False


@lru_cache(maxsize=4096)
def sites(text: str) -> tuple[Site, ...]:
    """Return every placeholder outside comments, in order."""
    if NAMED.search(text) is None:
        return ()
    return tuple(_SiteReader(text).read())


class _SiteReader:
    """Finds the placeholders in the tokens of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lexer = BashLexer(text, placeholders=True)
        self._needs: dict[int, Need] = {}
        """What is needed where each heredoc begins."""
        self._found: list[Site] = []
        self._least = Need.ANY
        """What is needed at least from here on."""
        self._last_calculated = max((match.start() for match in _CALCULATED.finditer(text)), default=-1)

    def read(self) -> list[Site]:
        self._commands(self._lexer, _CommandState())
        return self._found

    def _add(self, placeholder: Placeholder, place: Place, need: Need, **more: Any) -> None:
        self._found.append(Site(placeholder=placeholder, place=place, need=max(need, self._least), **more))

    def _all_within(self, start: int, end: int, place: Place, need: Need, **more: Any) -> None:
        """Add each placeholder of a text that is not analyzed further."""
        for found in NAMED.finditer(self._text, start, end):
            placeholder = Placeholder(found[1], found.start(), found.end())
            self._add(placeholder, place, need, escaped=self._behind_dollar(found.start()), **more)

    def _behind_dollar(self, at: int) -> bool:
        return self._text[at - 1 : at] == "$"

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _commands(self, tokens: Iterable[Token], state: _CommandState) -> None:
        for token in tokens:
            if token.kind == "word":
                self._end_word(state, self._word(token, state), token.end)
            elif token.kind == "redirect":
                self._redirect(token, state)
            elif token.kind == "operator":
                state.words = ["[["] if state.test else []
                for heredoc in token.heredocs:
                    self._heredoc(heredoc)
            elif token.kind == "arithmetic":
                self._parts(token.parts, "arithmetic", Need.NUMBER)
            elif token.kind == "group":
                need = Need.NUMBER if token.text == "((" else state.need
                self._commands(token.tokens, _CommandState(max(need, state.test), array=state.test > Need.ANY))

    def _redirect(self, token: Token, state: _CommandState) -> None:
        if token.heredoc is not None:
            self._needs[token.heredoc.begun] = max(state.need, Need.SAFE)
            self._all_within(token.start, token.end, "word", Need.NEVER)
        elif token.target is not None and state.test:
            self._end_word(state, self._word(token.target, state), token.end)
        elif token.target is not None:  # bash expands the word behind >& twice
            self._word(token.target, state, Need.NUMBER if token.text in (">&", "<&") else Need.ANY)

    def _end_word(self, state: _CommandState, word: str, end: int) -> None:
        if state.test and word == "]]":
            state.test = Need.ANY
        elif word == "{":
            state.words = []
        elif state.words or state.array:
            state.words.append(word)
        elif word == "[[":
            state.test = Need.NUMBER if end <= self._last_calculated else Need.SAFE
            state.words.append(word)
        elif word not in COMMAND_FOLLOWS and not ASSIGNED.match(word):
            state.words.append(word)

    # ---- words -------------------------------------------------------------------------------------------------------

    def _word(self, token: Token, state: _CommandState, redirected: Need | None = None) -> str:
        """Add the placeholders of a word; return its text. ``redirected``: the word is a file, a descriptor or a
        here-string, and its values must meet this need."""
        word = ""
        for part in token.parts:
            need = self._need(state, word, redirected)
            option = not word and redirected is None and not state.test and not ends_options(state.words)
            match part.kind:
                case "plain":
                    word += part.text
                case "variable" | "dollar":
                    word += self._text[part.start : part.end]
                case "escaped" if part.text == "":
                    pass
                case "placeholder":
                    self._placeholder(part, "word", need, option=option)
                    word += "\0"
                case "array":
                    self._commands(part.tokens, _CommandState(max(need, Need.SAFE), array=True))
                case "pattern":
                    self._commands(part.tokens, _CommandState(max(state.need, state.test), array=True))
                case "command" | "parameter" | "arithmetic" if need is Need.NEVER and state.need is not Need.NEVER:
                    self._part(part, "word", Need.SAFE)  # a command of its own, whatever is called by its output
                    word += "\0"
                case _:
                    self._part(part, "word", max(need, Need.SAFE), option=option)
                    word += "\0"
        return word

    def _need(self, state: _CommandState, word: str, redirected: Need | None) -> Need:
        """Return the requirement for a value at the current position, in a word of a command."""
        if redirected is not None:
            return max(state.need, redirected)
        if state.array or state.test:
            return max(state.need, state.test)
        return max(state.need, needed(state.words, word))

    # ---- quotes and expansions ---------------------------------------------------------------------------------------

    def _parts(self, parts: Sequence[Part], place: Place, need: Need, *, option: bool = False) -> None:
        for part in parts:
            if part.kind in ("placeholder", "escaped placeholder"):
                self._placeholder(part, place, need, option=option)
            else:
                self._part(part, place, need)
            option = False

    def _placeholder(self, part: Part, place: Place, need: Need, *, option: bool = False, delimiter: str = "") -> None:
        """Add a placeholder; ``place`` is the kind of text that it stands in."""
        start = part.end - len(part.text) - 2
        escaped = part.kind == "escaped placeholder"
        placeholder = Placeholder(part.text, start, part.end)
        self._add(
            placeholder, place, Need.NEVER if escaped else need, option=option and not escaped,
            escaped=escaped or self._behind_dollar(start), delimiter=delimiter,
        )  # fmt: skip

    def _part(self, part: Part, place: Place, need: Need, *, option: bool = False) -> None:
        """Add the placeholders of one part, in which a value must meet at least ``need``."""
        match part.kind:
            case "placeholder" | "escaped placeholder":
                self._placeholder(part, place, need)
            case "double":
                self._parts(part.parts, "double", need, option=option)
            case "single" | "ansi":
                self._verbatim(part, need, option=option)
            case "command" | "process":
                self._commands(part.tokens, _CommandState(Need.NUMBER if part.text == "$((" else need))
            case "arithmetic":
                self._parts(part.parts, "arithmetic", max(need, Need.NUMBER))
            case "parameter":
                self._parts(part.parts, "parameter", Need.NEVER)
                if any(each.kind in ("single", "ansi") and _AMBIGUOUS & set(each.text) for each in part.parts):
                    self._least = Need.NEVER
            case "backquotes":
                self._all_within(part.start, part.end, "backquotes", Need.NEVER)
            case "too deep":
                self._all_within(part.start, part.end, "word", Need.NEVER)

    def _verbatim(self, part: Part, need: Need, *, option: bool) -> None:
        """Add the placeholders of ``'…'`` or ``$'…'``."""
        kind: Place = "single" if part.kind == "single" else "ansi"
        begins = part.start + (1 if kind == "single" else 2)
        for found in NAMED.finditer(self._text, begins, part.end):
            placeholder = Placeholder(found[1], found.start(), found.end())
            if kind == "ansi" and escapes(self._text, begins, found.start()):
                self._add(placeholder, kind, Need.NEVER, escaped=True)
            else:
                self._add(placeholder, kind, need, option=option and found.start() == begins)

    # ---- heredocs ----------------------------------------------------------------------------------------------------

    def _heredoc(self, heredoc: Heredoc) -> None:
        """Add the placeholders of a here-document's content. After an expansion in it, no value is safe."""
        need, end = self._needs[heredoc.begun], heredoc.delimiter
        if heredoc.quoted:
            for found in NAMED.finditer(self._text, heredoc.start, heredoc.end):
                self._add(Placeholder(found[1], found.start(), found.end()), "verbatim", need, delimiter=end)
            return
        for part in self._lexer.quoted_parts(heredoc.start, heredoc.end):
            if part.kind in ("placeholder", "escaped placeholder"):
                self._placeholder(part, "heredoc", need, delimiter=end)
            elif part.kind in EXPANSIONS or self._text.startswith(_WOULD_EXPAND, part.start):
                need = Need.NEVER
                self._all_within(part.start, part.end, "heredoc", need, delimiter=end)


# Placeholders of a command: ``<attack-ip>``, anywhere outside its comments.


def placeholders_of(text: str) -> tuple[Placeholder, ...]:
    """Return the placeholders of a shell command, in order; one that occurs twice is returned twice."""
    return tuple(site.placeholder for site in sites(text))


def masked(text: str) -> str:
    """Return ``text`` with marks in place of each placeholder's ``<`` and ``>``, which a shell would take for
    redirections."""
    pieces, at = [], 0
    for placeholder in placeholders_of(text) if "<" in text else ():
        pieces += [text[at : placeholder.start], OPEN, placeholder.name, CLOSE]
        at = placeholder.end
    return "".join([*pieces, text[at:]])


def environment_name(name: str) -> str:
    """Return the environment variable with a placeholder's value: ``LF_attack_ip`` for ``attack-ip``."""
    return "LF_" + name.replace("-", "_")
