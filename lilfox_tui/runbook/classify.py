"""Classifies a command before it runs: it only reads, follows output, needs a terminal, or changes something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from lilfox_tui.runbook.bash.carrying import behind_exports, names_in
from lilfox_tui.runbook.bash.parser import read_all
from lilfox_tui.runbook.bash.placeholders import environment_name, masked
from lilfox_tui.runbook.bash.syntax import (
    CLOSE,
    OPEN,
    Assignment,
    Beyond,
    CommandGroup,
    CommandSubstitution,
    For,
    If,
    Joined,
    ProcessSubstitution,
    Redirect,
    ShellVariable,
    Simple,
    Statement,
    Test,
    Unclear,
    While,
    Word,
)
from lilfox_tui.runbook.bash.values import (
    ANYTHING,
    ASSIGNS,
    NAME,
    PLAIN_WORD,
    Argument,
    KnownVariables,
    arguments,
    assigned_names,
    bodies_of,
    decides,
    known,
    names_written,
    number,
    one,
    words_of,
)
from lilfox_tui.runbook.model import Attributes, Kind, Step
from lilfox_tui.runbook.readers.judge import judge, known_program
from lilfox_tui.runbook.readers.spec import (
    Context,
    Fed,
    Verdict,
    acts_when_read,
    may_be_assigned,
    may_be_given,
    may_be_handed,
    program_name,
    worst,
)

# Walks what was read of a shell text in the order in which bash would run it, and judges each command.
#
# A variable is known only where it is assigned once in the whole text, a text that is known itself, before it is used;
# else its value is anything. Values of LilFox are known by their names.


_NO_FILE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
_NUMBERED = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
CHECK = (
    'for LF__N in {names}; do case ${{!LF__N-}} in "" | -* | *[!A-Za-z0-9._:/@%+=,-]*) '
    "printf 'lilfox: $%s is empty, or no plain word; nothing was run\\n' \"$LF__N\" >&2; exit 125 ;; esac; done; "
)
"""What bash runs before a command that reads only where what these variables hold is plain."""
_CHECKED = re.compile("([A-Za-z0-9_ ]+)".join(map(re.escape, CHECK.format(names="\0").split("\0"))))
_OF_BASH = re.compile(
    r"_|(?:BASH|COMP_|EPOCH|READLINE_|LF_).*|COPROC|DIRSTACK|E?UID|FUNCNAME|GROUPS|HISTCMD|IFS|LINENO|MAPFILE|OLDPWD|OPTARG|OPTIND"
    r"|PIPESTATUS|PPID|PWD|S?RANDOM|REPLY|SECONDS|SHELLOPTS|SHLVL|COLUMNS|LINES"
)
"""Variables that bash changes by itself: what one held before says nothing of what it holds."""
_MOST_TURNS = 20
"""So many values of a loop's variable are judged one by one."""
_MOST_COMMANDS = 2000
_DEEPEST = 8
"""Of shell texts within shell texts."""


def may_be_checked(name: str) -> bool:
    """Whether a variable keeps its value unless the command assigns it."""
    return _OF_BASH.fullmatch(name) is None


def behind_check(text: str) -> tuple[str, frozenset[str]]:
    """Return a text without the check before it, and the names that the check guarantees to be plain words."""
    found = _CHECKED.match(text)
    if found is None:
        return text, frozenset()
    names = frozenset(found[1].split())
    return text[found.end() :], frozenset(name for name in names if may_be_checked(name))


class Walk:
    """Judges one shell text. ``values`` are those that LilFox passes, by the name of the placeholder or of the
    environment variable."""

    def __init__(self, values: Mapping[str, str], depth: int = 0, plain: frozenset[str] = frozenset()) -> None:
        placeholders = {name: value for name, value in values.items() if not name.startswith("LF_")}
        held = {environment_name(name): value for name, value in placeholders.items()}
        held |= {name: value for name, value in values.items() if name.startswith("LF_")}
        held |= {name: values[key] for name, key in names_in(values).items()}
        self._start = KnownVariables({name: known(value) for name, value in held.items()}, placeholders)
        self._depth, self._left, self._plain = depth, _MOST_COMMANDS, plain
        self._assigned: Counter[str] = Counter()
        self.ran: list[list[Argument]] = []
        """The words of each simple command, in the order in which they were judged."""

    def verdict(self, statements: Sequence[Statement]) -> Verdict:
        """Return the verdict on statements. Raises Unclear."""
        if not statements:
            return "unknown"
        self._assigned.update(assigned_names(statements))
        held = {name: value for name, value in self._start.values.items() if name not in self._assigned}
        start = KnownVariables(held, self._start.placeholders)
        for name in self._plain - self._assigned.keys() - start.values.keys():
            start = start.with_value(name, PLAIN_WORD)
        found, _known = self._body(statements, start, fed=Fed.NOTHING)
        return worst(found)

    # ---- lists and compound commands ---------------------------------------------------------------------------------

    def _body(
        self, statements: Sequence[Statement], have: KnownVariables, *, fed: Fed
    ) -> tuple[set[Verdict], KnownVariables]:
        found: set[Verdict] = set()
        for statement in statements:
            verdicts, have = self._statement(statement, have, fed=fed)
            found |= verdicts
        return found, have

    def _statement(
        self, statement: Statement, have: KnownVariables, *, fed: Fed
    ) -> tuple[set[Verdict], KnownVariables]:
        """Return the verdicts of a statement, and the variables known after it. A redirection that cannot be opened
        prevents it from running."""
        if isinstance(statement, Simple):
            found, after = self._simple(statement, have, fed=fed)
            return found, have if statement.redirects else after
        if isinstance(statement, Beyond):
            raise Unclear
        if isinstance(statement, Joined):
            return self._joined(statement, have, fed=fed)
        found = self._redirects(statement.redirects, have)
        fed = _feeds(statement.redirects) or fed
        if isinstance(statement, CommandGroup):
            inner, after = self._body(statement.body, have, fed=fed)
            return found | inner, have if statement.subshell or statement.redirects else after
        if isinstance(statement, If):
            for body in statement.bodies:
                found |= self._body(body, have, fed=fed)[0]
        elif isinstance(statement, For):
            found |= self._for(statement, have, fed=fed)
        elif isinstance(statement, While):
            found |= self._while(statement, have, fed=fed)
        else:
            found |= self._test(statement, have)
        return found, have

    def _joined(self, statement: Joined, have: KnownVariables, *, fed: Fed) -> tuple[set[Verdict], KnownVariables]:
        found: set[Verdict] = set()
        after = have
        for place, each in enumerate(statement.statements):
            if statement.by == "|" and place > 0:
                fed = Fed.EMPTY if _is_empty(statement.statements[place - 1]) else Fed.DATA
            verdicts, left = self._statement(each, after if statement.by == "&&" else have, fed=fed)
            found |= verdicts
            if place == 0 and statement.by == "&&":  # what comes later may not have run
                after = left
        return found, after

    def _for(self, statement: For, have: KnownVariables, *, fed: Fed) -> set[Verdict]:
        if not may_be_assigned(statement.name):
            raise Unclear
        found: set[Verdict] = set()
        turns = [each for word in statement.words for each in self._words(word, have, found, fed=fed)]
        values = [
            Argument(each.pieces, each.undashed, printed=each.printed) if not each.loose else ANYTHING for each in turns
        ]
        if self._assigned[statement.name] > 1 or not turns:
            values = [ANYTHING]
        elif len(values) > _MOST_TURNS:
            values = [Argument((None,), undashed=not any(each.may_be_option for each in values))]
        for value in values:
            found |= self._body(statement.body, have.with_value(statement.name, value), fed=fed)[0]
        return found

    def _while(self, statement: While, have: KnownVariables, *, fed: Fed) -> set[Verdict]:
        """Judge a loop. A waiting loop ends once its condition holds; ``while true`` runs until it is stopped."""
        found, inner = self._body(statement.condition, have, fed=fed)
        found |= self._body(statement.body, inner, fed=fed)[0]
        last = statement.condition[-1]
        words = [word.literal for word in last.words] if isinstance(last, Simple) else []
        return found | {"follow"} if words in (["true"], [":"], ["false"]) else found

    def _test(self, statement: Test, have: KnownVariables) -> set[Verdict]:
        found: set[Verdict] = set()
        for term in statement.terms:
            words = [self._value(word, have, found) for word in term]
            texts = [word.text for word in words]
            if "-v" in texts or "-R" in texts:
                raise Unclear
            if len(words) >= 3 and texts[-2] in _NUMBERED and not (number(words[-3]) and number(words[-1])):
                raise Unclear  # bash calculates with what the names in it hold
        return found

    # ---- simple commands ---------------------------------------------------------------------------------------------

    def _simple(self, simple: Simple, have: KnownVariables, *, fed: Fed) -> tuple[set[Verdict], KnownVariables]:
        self._left -= 1
        if self._left < 0:
            raise Unclear
        found = self._redirects(simple.redirects, have)
        words = [each for word in simple.words for each in self._words(word, have, found, fed=fed)]
        given: list[tuple[Assignment, Argument]] = []
        for assignment in simple.assignments:
            allowed = may_be_handed(assignment.name) or (not words and may_be_assigned(assignment.name))
            if not allowed or "[" in assignment.name:
                raise Unclear
            value = self._value(assignment.value, have, found)
            if not may_be_given(assignment.name, value.pieces):
                raise Unclear
            given.append((assignment, value))
        if not words:
            if simple.words:
                raise Unclear  # it may be no word, or any
            for assignment, value in given:
                have = self._learned(assignment.name, have, None if assignment.adds else value)
            return found | {"read"}, have
        _only_names_counted(simple, words)
        if words[0].text == "export":
            have = self._exported(words[1:], have)
        self.ran.append(words)
        return found | {self._of_words(words, _feeds(simple.redirects) or fed)}, have

    def _exported(self, words: Sequence[Argument], have: KnownVariables) -> KnownVariables:
        for word in words:
            name, equals, _rest = word.head.partition("=")
            value = word.behind(len(name) + 1) if equals and word.is_one else ANYTHING
            plain = value.text is not None and re.fullmatch(r"[A-Za-z0-9_./:=@%+,-]*", value.text)
            have = self._learned(name, have, value if plain else None)
        return have

    def _learned(self, name: str, have: KnownVariables, value: Argument | None) -> KnownVariables:
        known_now = value if self._assigned[name] == 1 else None
        return have.with_value(name, known_now if known_now is not None else ANYTHING)

    def _of_words(self, words: Sequence[Argument], fed: Fed) -> Verdict:
        if not words or words[0].text is None:
            return "unknown"
        spec = known_program(program_name(words[0].text))
        if isinstance(spec, str):
            return spec
        return judge(spec, words[1:], Context(fed, self._of_inner, self._of_text))

    def _of_inner(self, words: Sequence[Argument], fed: Fed) -> Verdict:
        """Judge a command that another one runs; unknown if it may assign names, because names assigned after a command
        such as ``command`` have not been counted."""
        return "unknown" if _assigns(words) else self._of_words(words, fed)

    def _of_text(self, text: str) -> Verdict:
        if self._depth >= _DEEPEST:
            return "unknown"
        try:
            inner = Walk({}, self._depth + 1)
            return inner.verdict(read_all(text))
        except (Unclear, RecursionError):
            return "unknown"

    # ---- words -------------------------------------------------------------------------------------------------------

    def _redirects(self, redirects: Sequence[Redirect], have: KnownVariables) -> set[Verdict]:
        found: set[Verdict] = set()
        for redirect in redirects:
            found.add(_redirected(redirect, self._value(redirect.target, have, found)))
        return found

    def _words(self, word: Word, have: KnownVariables, found: set[Verdict], *, fed: Fed) -> list[Argument]:
        self._within(word, have, found, fed=fed)
        return arguments(word, have)

    def _value(self, word: Word, have: KnownVariables, found: set[Verdict]) -> Argument:
        self._within(word, have, found, fed=Fed.NOTHING)
        return one(word, have)

    def _within(self, word: Word, have: KnownVariables, found: set[Verdict], *, fed: Fed) -> None:
        """Judge the commands whose output is part of a word."""
        for part in word.parts:
            if isinstance(part, CommandSubstitution | ProcessSubstitution):
                found |= self._body(part.body, have, fed=fed)[0]


def _redirected(redirect: Redirect, target: Argument) -> Verdict:
    """Judge a redirection. A port opened for reading (``</dev/tcp/…``) can be written too, so it may become neither a
    command's output nor the target of a descriptor."""
    if redirect.operator in ("<", "<<", "<<-", "<<<", "<&"):
        if redirect.descriptor.lstrip("0") in ("1", "2"):
            return "change"
        if redirect.operator == "<&":
            return "read" if target.text is not None and re.fullmatch(r"[0-9]{1,3}-?|-", target.text) else "change"
        return "unknown" if redirect.operator == "<" and acts_when_read(target) else "read"
    if redirect.operator == ">&" and target.text in ("1", "2", "-"):
        return "read"
    return "read" if redirect.operator != "<>" and target.text in _NO_FILE else "change"


def _feeds(redirects: Sequence[Redirect]) -> Fed:
    """Return what the redirections feed to a command: the worst of them, although usually only the last one counts."""
    found = Fed.NOTHING
    for redirect in redirects:
        if redirect.operator in ("<", "<<", "<<-", "<<<", "<&"):
            empty = redirect.operator == "<" and redirect.target.literal == "/dev/null"
            found = max(found, Fed.EMPTY if empty else Fed.DATA)
    return found


_EMPTY = (["echo"], ["echo", ""], ["echo", "Q"], ["true"], [":"])


def _is_empty(statement: Statement) -> bool:
    """Return whether the statement prints nothing, or a line without effect."""
    return (
        isinstance(statement, Simple)
        and not statement.redirects
        and [word.literal for word in statement.words] in _EMPTY
    )


def _assigns(words: Sequence[Argument]) -> bool:
    return bool(words) and words[0].text is not None and program_name(words[0].text) in ASSIGNS


def _only_names_counted(simple: Simple, words: Sequence[Argument]) -> None:
    """Raise Unclear if a command, with its words at run time, may assign names that were not counted."""
    if not _assigns(words):
        return
    names = {found[0] for word in words[1:] if (found := NAME.match(word.head))}
    if len(words) != len(simple.words) or any(word.loose for word in words) or names - set(names_written(simple)):
        raise Unclear


# What a command is on sight: it only reads, prints until it is stopped, wants a terminal, or changes something.
#
# Its one rule: a command reads only if every word of it is understood. What bash makes of the text is
# ``bash/values.py``, what programs make of their words is ``readers/``.


_UNREADABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f{OPEN}{CLOSE}\ud800-\udfff]")
"""Characters that bash uses within itself, or that no person writes; and the marks of placeholders."""
_LONGEST = 100_000


def verdict_of_text(text: str, values: Mapping[str, str] | None = None, *, filled: bool = True) -> Verdict:
    """Return the verdict on a whole shell text: that on its worst command.

    ``filled``: it is what runs, as it stands (``FilledCommand.script``), and ``<name>`` in it is what a shell makes
    of it; else it is a placeholder. ``values`` are put in as single literal words, and judged as the words that they
    are: by the name of the environment (``LF_name``: ``FilledCommand.env``), or of the placeholder. One without a value
    is one word of data that begins with no ``-``.
    """
    if len(text) > _LONGEST or _UNREADABLE.search(text) or any(map(_UNREADABLE.search, (values or {}).values())):
        return "unknown"
    text, plain = behind_check(text)
    try:
        return Walk(values or {}, plain=plain).verdict(read_all(text if filled else masked(text)))
    except (Unclear, RecursionError):
        return "unknown"


def decides_what_runs(text: str) -> bool:
    """Whether a command may change what later commands in its shell do: a function with their name, another ``PATH``, a
    shell option. Not called for a command that only reads."""
    try:
        return any(decides(statement) for statement in read_all(masked(text)))
    except (Unclear, RecursionError):
        return True


def kind(known: Verdict, attributes: Attributes, *, ours: bool = False) -> Kind:
    """Return the kind of a command. Its fence can only make it stricter: a command that is not known to only read is a
    change, whatever the fence says. ``ours``: in a bundled runbook, ``risk: read`` is LilFox's own statement."""
    if attributes.interactive:
        return "interactive"
    if attributes.risk in ("change", "destroy"):
        return "change"
    if ours and attributes.risk == "read" and known in ("unknown", "change"):
        known = "read"
    if known == "interactive":
        return "change" if attributes.interactive is False else "interactive"
    if known == "follow":
        return "read" if attributes.follow is False else "follow"
    if known == "read":
        return "follow" if attributes.follow else "read"
    return "change"


def judged_behind_exports(steps: Sequence[Step], *, ours: bool) -> tuple[Step, ...]:
    """Return the steps of a runbook. Variables pass from one fence to the next, so what runs with one from which a
    program may take what to run does not count as read-only."""
    behind = behind_exports(steps, may_be_assigned)
    if not behind:
        return tuple(steps)
    made = []
    for at, step in enumerate(steps):
        commands = (
            replace(each, kind=kind("unknown", each.attributes, ours=ours))
            if (at, number) in behind and each.kind in ("read", "follow")
            else each
            for number, each in enumerate(step.commands)
        )
        made.append(replace(step, commands=tuple(commands)))
    return tuple(made)


# Variables that a command finds and nobody knows: it may read with them once bash has looked at them.
#
# ``kubectl -n $NAMESPACE get pods`` reads where NAMESPACE is one plain word, and is anything where it is not. So what
# runs is the command behind a check, in its first line: bash runs it only where each variable it finds is a plain word.
# It is judged as what it is then. A variable that is not set is none.


def checked(text: str, values: Mapping[str, str] | None = None, *, filled: bool = True) -> str:
    """Return ``text`` preceded by a check of its variables if the text then only reads; otherwise unchanged. ``values``
    and ``filled`` as in :func:`verdict_of_text`."""
    if "$" not in text or verdict_of_text(text, values, filled=filled) in ("read", "follow", "interactive"):
        return text
    try:
        statements = read_all(text if filled else masked(text))
    except (Unclear, RecursionError):
        return text
    known = set(assigned_names(statements)) | set(values or {}) | set(names_in(values or {}))
    names = sorted({name for name in _found(statements) if name not in known and may_be_checked(name)})
    if not names:
        return text
    with_check = CHECK.format(names=" ".join(names)) + text
    return with_check if verdict_of_text(with_check, values, filled=filled) in ("read", "follow") else text


def _found(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the names of the variables that a text expands."""
    for statement in statements:
        for word in words_of(statement):
            yield from _of_word(word)
        for body in bodies_of(statement):
            yield from _found(body)
        if isinstance(statement, Simple):
            for word in (*statement.words, *(each.value for each in statement.assignments)):
                yield from _of_word(word)
            for redirect in statement.redirects:
                yield from _of_word(redirect.target)


def _of_word(word: Word) -> Iterator[str]:
    for part in word.parts:
        if isinstance(part, ShellVariable) and part.exact and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part.name):
            yield part.name
        elif isinstance(part, CommandSubstitution | ProcessSubstitution):
            yield from _found(part.body)
