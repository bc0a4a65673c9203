"""Finds the placeholders of a shell command, and what a value in each place must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Literal

from msgspec import Struct

from lilfox_tui.runbook.model import Placeholder

# What is known of the words of a shell command that read their own words once more.
#
# ``need`` grows: a value that is an argument may be anything, one that a program reads as a program may only be of the
# safe alphabet, one that is calculated with may only be a number, and a command's own name is no value at all.


class Need(IntEnum):
    """What a value at a place must be."""

    ANY = 0
    SAFE = 1
    """Letters, digits and ``._:/-`` (ASCII), without a leading ``-``."""
    NUMBER = 2
    """Digits: a name would be read as a variable, and what that holds be calculated once more."""
    NEVER = 3


RESERVED = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "esac"}
)
"""Reserved words behind which a command begins, or ends."""
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
ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
_SUBSCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*")


def needed(words: Sequence[str], current: str) -> Need:
    """Return what a value must be after ``words`` of a simple command, in the word that begins with ``current``."""
    if len(words) > _MOST_WORDS:
        return Need.NEVER
    if _SUBSCRIPT.fullmatch(current) or "let" in words:
        return Need.NUMBER
    if not words:
        return Need.ANY if ASSIGNED.match(current) else Need.NEVER
    names = [word.rsplit("/", 1)[-1] for word in words]
    if len(names) == 1 and names[0] in PREFIXES:
        return Need.NEVER
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
# A scanner of the shell's quoting (POSIX Shell Command Language 2.2 and 2.10, and bash's ``[[``, ``((``, ``$'…'``,
# ``<(…)``, ``<<<``), not a parser. Where it errs it errs to the strict side: only a word of a command takes any value.


NAMED = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
Place = Literal["word", "double", "single", "ansi", "heredoc", "verbatim", "arithmetic", "parameter", "backquotes"]
"""``verbatim`` is a heredoc whose delimiter is quoted, ``ansi`` is ``$'…'``."""
_Kind = Literal["plain", "double", "single", "ansi", "backquotes", "parameter", "arithmetic", "bracket"]
_CALCULATED = re.compile(r"\s(?:-(?:eq|ne|lt|le|gt|ge|v|R)\b)")
_OPERATOR = re.compile(r"<<<|<<-?|<&|<>|<|&?>>|>\||>&|&?>")
_DELIMITER = re.compile(r"[ \t]*((?:\\.|'[^']*'|\"[^\"]*\"|[^\s;&|<>()'\"\\])*)")
_EXPANSION = re.compile(r"`|\$[({\[]")
_SPACES = frozenset(" \t\r")
_ORDINARY: dict[_Kind, re.Pattern[str]] = {
    "plain": re.compile(r"[^\s\\#;&|<>()'\"$`]+"),
    "double": re.compile(r'[^"\\$`<]+'),
    "single": re.compile(r"[^'<]+"),
    "ansi": re.compile(r"[^'\\<]+"),
    "backquotes": re.compile(r"[^`\\<]+"),
}
"""Characters that mean nothing there but themselves: they are taken many at once."""


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


class _Frame(Struct):
    """An open quote or bracket."""

    kind: _Kind
    need: Need = Need.ANY
    """What all within must be at least."""
    closer: str = ""
    words: list[str] = []
    word: str = ""
    """The word that is being read; a quote or value in it is ``\\0``."""
    in_word: bool = False
    redirected: Need | None = None
    """The next word is a file, a descriptor or a here-string, and must be this."""
    test: Need = Need.ANY
    """Of ``[[ … ]]``, while in it."""
    cases: int = 0
    array: bool = False
    option: bool = False
    """A quote: it begins a word that could be an option."""
    start: int = 0
    depth: int = 0


class _SiteHeredoc(Struct):
    delimiter: str
    quoted: bool
    tabs: bool
    need: Need


def sites(text: str) -> tuple[Site, ...]:
    """Return every placeholder outside comments, in order."""
    if NAMED.search(text) is None:
        return ()
    return tuple(_SiteScanner(text).scan())


class _SiteScanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._frames = [_Frame("plain")]
        self._heredocs: list[_SiteHeredoc] = []
        self._found: list[Site] = []
        self._last_calculated = max((match.start() for match in _CALCULATED.finditer(text)), default=-1)
        self._ways: dict[_Kind, Callable[[str], None]] = {
            "plain": self._plain, "double": self._double, "single": self._single, "ansi": self._ansi,
            "backquotes": self._backquotes, "parameter": self._parameter, "arithmetic": self._arithmetic,
            "bracket": self._bracket,
        }  # fmt: skip

    def scan(self) -> list[Site]:
        while self._at < len(self._text):
            frame, char = self._frames[-1], self._text[self._at]
            ordinary = _ORDINARY.get(frame.kind)
            if char == "<" and (match := NAMED.match(self._text, self._at)):
                self._take(frame, match)
            elif ordinary and (match := ordinary.match(self._text, self._at)):
                self._at = match.end()
                if frame.kind == "plain":
                    frame.word, frame.in_word = frame.word + match[0], True
            else:
                self._ways[frame.kind](char)
        return self._found

    def _take(self, frame: _Frame, match: re.Match[str]) -> None:
        """Record the placeholder at the current position."""
        places: dict[_Kind, Place] = {"plain": "word", "bracket": "arithmetic"}
        place: Place = places.get(frame.kind, frame.kind)  # type: ignore[arg-type]
        before = self._text[self._at - 1 : self._at]
        if frame.kind == "plain":
            option = not frame.word and self._may_be_option(frame)
            self._add(match, place, self._need(frame), option=option, escaped=before == "$")
            frame.word, frame.in_word = frame.word + "\0", True
        else:
            option = frame.option and frame.start == self._at
            escaped = before == "$" and frame.kind not in ("single", "ansi")
            self._add(match, place, frame.need, option=option, escaped=escaped)
        self._at = match.end()

    def _add(self, match: re.Match[str], place: Place, need: Need, **more: Any) -> None:
        placeholder = Placeholder(match[1], match.start(), match.end())
        self._found.append(Site(placeholder=placeholder, place=place, need=need, **more))

    # ---- words of commands -------------------------------------------------------------------------------------------

    def _plain(self, char: str) -> None:
        frame = self._frames[-1]
        if char in _SPACES:
            self._end_word(frame)
            self._at += 1
        elif char == "\n":
            self._end_command(frame)
            self._at += 1
            self._read_heredocs()
        elif char == "\\":
            self._backslash(frame)
        elif char == "#" and not frame.in_word:
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end
        elif char in ";&|" and not self._text.startswith("&>", self._at):
            self._end_command(frame)
            self._at += 1
        elif char in "<>&":
            self._redirect(frame)
        elif char in "()":
            self._parenthesis(frame, char)
        elif not self._opened(frame, char):
            frame.word, frame.in_word = frame.word + char, True
            self._at += 1

    def _backslash(self, frame: _Frame) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if match := NAMED.match(self._text, self._at + 1):
            place: Place = "word" if frame.kind == "plain" else "double" if frame.kind == "double" else "ansi"
            self._add(match, place, Need.NEVER, escaped=True)
            self._at = match.end()
        else:
            self._at += 2
        if frame.kind == "plain" and following != "\n":
            frame.word, frame.in_word = frame.word + "\0", True

    def _redirect(self, frame: _Frame) -> None:
        if self._text.startswith(("<(", ">("), self._at):
            self._push("plain", max(self._need(frame), Need.SAFE), ")", 2)
            frame.word, frame.in_word = frame.word + "\0", True
            return
        if frame.word.isdigit():
            frame.word, frame.in_word = "", False
        self._end_word(frame)
        operator = _OPERATOR.match(self._text, self._at)
        assert operator is not None
        self._at = operator.end()
        if operator[0] in ("<<", "<<-"):
            self._begin_heredoc(frame, tabs=operator[0] == "<<-")
        elif frame.test == Need.ANY:  # bash expands the word behind >& twice
            frame.redirected = Need.NUMBER if operator[0] in (">&", "<&") else Need.ANY

    def _parenthesis(self, frame: _Frame, char: str) -> None:
        if char == ")":
            self._end_command(frame)
            self._at += 1
            if len(self._frames) > 1 and frame.closer == ")" and frame.cases == 0:
                self._frames.pop()
        elif self._text.startswith("((", self._at) and not frame.in_word:
            self._push("arithmetic", Need.NUMBER, "))", 2)
        elif frame.word.endswith("=") and ASSIGNED.match(frame.word):
            self._push("plain", max(self._need(frame), Need.SAFE), ")", 1).array = True
        elif frame.in_word or frame.test:  # a pattern, or the () of a function
            self._push("plain", max(frame.need, frame.test), ")", 1).array = True
        else:
            self._push("plain", frame.need, ")", 1)

    def _end_word(self, frame: _Frame) -> None:
        if not frame.in_word:
            return
        word, frame.word, frame.in_word = frame.word, "", False
        if frame.redirected is not None:
            frame.redirected = None
        elif frame.test and word == "]]":
            frame.test = Need.ANY
        elif word == "{":
            frame.words = []
        elif frame.words or frame.array:
            frame.words.append(word)
        elif word == "[[":
            frame.test = Need.NUMBER if self._at <= self._last_calculated else Need.SAFE
            frame.words.append(word)
        elif word == "case":
            frame.cases += 1
            frame.words.append(word)
        elif word in RESERVED or ASSIGNED.match(word):
            frame.cases -= word == "esac" and frame.cases > 0
        else:
            frame.words.append(word)

    def _end_command(self, frame: _Frame) -> None:
        self._end_word(frame)
        frame.words, frame.redirected = ["[["] if frame.test else [], None

    def _need(self, frame: _Frame) -> Need:
        """Return what a value must be at the current position, in a word of a command."""
        if frame.redirected is not None:
            return max(frame.need, frame.redirected)
        if frame.array or frame.test:
            return max(frame.need, frame.test)
        return max(frame.need, needed(frame.words, frame.word))

    def _may_be_option(self, frame: _Frame) -> bool:
        return not (frame.redirected is not None or frame.test or ends_options(frame.words))

    # ---- quotes and brackets -----------------------------------------------------------------------------------------

    def _push(self, kind: _Kind, need: Need, closer: str, length: int) -> _Frame:
        self._at += length
        self._frames.append(_Frame(kind, need, closer, start=self._at))
        return self._frames[-1]

    def _opened(self, frame: _Frame, char: str) -> bool:
        """Whether a quote or bracket opens here, in plain text; if so, enter it."""
        quotes: dict[str, _Kind] = {'"': "double", "'": "single", '$"': "double", "$'": "ansi", "`": "backquotes"}
        opener = self._text[self._at : self._at + (2 if char == "$" else 1)]
        if opener in quotes:
            need = max(self._need(frame), Need.SAFE) if opener != "`" else Need.NEVER
            option = not frame.word and self._may_be_option(frame)
            self._push(quotes[opener], need, opener[-1], len(opener)).option = option
        elif not self._expansion(max(self._need_within(frame), Need.SAFE)):
            return False
        frame.word, frame.in_word = frame.word + "\0", True
        return True

    def _need_within(self, frame: _Frame) -> Need:
        """Return what a value must be in a command substitution here: a command of its own, it lifts NEVER to SAFE if
        only its position requires NEVER."""
        need = self._need(frame)
        return need if need is not Need.NEVER or frame.need is Need.NEVER else Need.SAFE

    def _expansion(self, need: Need) -> bool:
        """Whether ``$((``, ``$(``, ``${`` or ``$[`` opens here; if so, enter it."""
        ahead = self._text[self._at : self._at + 3]
        if ahead == "$((":
            self._push("arithmetic", max(need, Need.NUMBER), "))", 3)
        elif ahead.startswith("$("):
            self._push("plain", need, ")", 2)
        elif ahead.startswith("${"):
            self._push("parameter", Need.NEVER, "}", 2)
        elif ahead.startswith("$["):
            self._push("bracket", max(need, Need.NUMBER), "]", 2)
        else:
            return False
        return True

    def _double(self, char: str) -> None:
        frame = self._frames[-1]
        if char == "\\":
            self._backslash(frame)
        elif char == '"':
            self._frames.pop()
            self._at += 1
        elif char == "`":
            self._push("backquotes", Need.NEVER, "`", 1)
        elif not self._expansion(frame.need):
            self._at += 1

    def _single(self, char: str) -> None:
        if char == "'":
            self._frames.pop()
        self._at += 1

    def _ansi(self, char: str) -> None:
        frame = self._frames[-1]
        if char == "\\":
            self._backslash(frame)
        else:
            self._single(char)

    def _backquotes(self, char: str) -> None:
        if char == "`":
            self._frames.pop()
        self._at += 2 if char == "\\" and NAMED.match(self._text, self._at + 1) is None else 1

    def _parameter(self, char: str) -> None:
        if char == "}":
            self._frames.pop()
            self._at += 1
        elif char == '"':
            self._push("double", Need.NEVER, '"', 1)
        elif char == "\\":
            self._at += 1 if NAMED.match(self._text, self._at + 1) else 2
        elif not self._expansion(Need.NEVER):
            self._at += 1

    def _arithmetic(self, char: str) -> None:
        frame = self._frames[-1]
        if char == "(":
            frame.depth += 1
            self._at += 1
        elif char == ")" and frame.depth:
            frame.depth -= 1
            self._at += 1
        elif self._text.startswith("))", self._at):
            self._frames.pop()
            self._at += 2
        elif char == ")":  # two subshells, not a sum
            self._frames[-1] = _Frame("plain", frame.need, ")")
            self._at += 1
        elif not self._expansion(frame.need):
            self._at += 1

    def _bracket(self, char: str) -> None:
        frame = self._frames[-1]
        if char == "]":
            self._frames.pop()
            self._at += 1
        elif not self._expansion(frame.need):
            self._at += 1

    # ---- heredocs ----------------------------------------------------------------------------------------------------

    def _begin_heredoc(self, frame: _Frame, *, tabs: bool) -> None:
        match = _DELIMITER.match(self._text, self._at)
        assert match is not None
        word = match[1]
        plain = re.sub(r"\\(.)|['\"]", lambda each: each[1] or "", word)
        self._heredocs.append(_SiteHeredoc(plain, plain != word, tabs, max(frame.need, Need.SAFE)))
        self._at = match.end()

    def _read_heredocs(self) -> None:
        """Read the bodies of the here-documents that the last line began."""
        for heredoc in self._heredocs:
            expands = False
            while self._at < len(self._text):
                end = self._text.find("\n", self._at)
                line = self._text[self._at : end if end >= 0 else len(self._text)]
                if (line.lstrip("\t") if heredoc.tabs else line) == heredoc.delimiter:
                    self._at += len(line) + 1
                    break
                expands = self._heredoc_line(heredoc, len(line), expands)
                self._at += len(line) + 1
        self._heredocs = []

    def _heredoc_line(self, heredoc: _SiteHeredoc, length: int, expands: bool) -> bool:
        """Record the placeholders of a line; return whether an expansion began in it, or before (``expands``)."""
        place: Place = "verbatim" if heredoc.quoted else "heredoc"
        end = self._at + length
        opener = None if heredoc.quoted else _EXPANSION.search(self._text, self._at, end)
        for match in NAMED.finditer(self._text, self._at, end):
            within = expands or (opener is not None and opener.start() < match.start())
            slashes = match.start()
            while slashes > self._at and self._text[slashes - 1] == "\\":
                slashes -= 1
            escaped = (match.start() - slashes) % 2 == 1 or self._text[match.start() - 1] == "$"
            need = Need.NEVER if within else heredoc.need
            self._add(match, place, need, escaped=escaped and not heredoc.quoted, delimiter=heredoc.delimiter)
        return expands or opener is not None


# Placeholders of a command: ``<attack-ip>``, anywhere outside its comments.


def placeholders_of(text: str) -> tuple[Placeholder, ...]:
    """Return the placeholders of a shell command, in order; one that occurs twice is returned twice."""
    return tuple(site.placeholder for site in sites(text))


def environment_name(name: str) -> str:
    """Return the environment variable with a placeholder's value: ``LF_attack_ip`` for ``attack-ip``."""
    return "LF_" + name.replace("-", "_")
