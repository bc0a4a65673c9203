"""The model of a runbook: its steps and their commands, the known effects of the commands, and the values that they
need.

Nothing here has run or was filled in. Lines count from 1, in the file as it is on the disk."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["read", "change", "follow", "interactive", "none"]
"""``follow`` prints until it is stopped, ``interactive`` needs a terminal, ``none`` is shown and never run."""
Confirm = Literal["none", "once", "typed"]
Risk = Literal["read", "change", "destroy"]
VariableType = Literal[
    "ip",
    "cidr",
    "port",
    "host",
    "unit",
    "path",
    "git-rev",
    "int",
    "enum",
    "regex",
    "secret",
    "text",
    "namespace",
    "name",
]
Severity = Literal["error", "warning"]
BUNDLED = "library:"
"""What the path of a runbook that LilFox brings begins with; that of any other one is absolute."""


class Attributes(Struct, frozen=True, kw_only=True, gc=False):
    """The attributes in the info string of a fence (docs/runbooks.md). None if not given.

    The first seven are those of runme and mean what they mean there.
    """

    name: str | None = None
    cwd: str | None = None
    interactive: bool | None = None
    background: bool | None = None
    interpreter: str | None = None
    tag: str | None = None
    exclude_from_run_all: bool | None = None
    host: str | None = None
    """``local``, a name, a glob, ``all`` or ``each``; ``<NAME>`` where a variable of type ``host`` says it."""
    sudo: bool | None = None
    confirm: Confirm | None = None
    timeout_s: float | None = None
    expect: int | str | None = None
    """An exit status, or the source of a regular expression (without its slashes) that the output must match."""
    check: bool | None = None
    """This fence decides whether the step worked."""
    rollback_of: str | None = None
    """The name of the fence that this one undoes."""
    capture: dict[str, str] = {}
    """Variable to regular expression: the first group of its first match in the output."""
    risk: Risk | None = None
    follow: bool | None = None
    unchanged: str | None = None
    """The source of a regular expression (without its slashes): output that matches it says that nothing was
    changed."""


class Placeholder(Struct, frozen=True, gc=False):
    """A placeholder such as ``<attack-ip>`` in a command: its name and position (offsets into ``Command.text``, in
    characters). ``start`` and ``end`` are 0 for a shell variable that nothing sets: the command expands it itself."""

    name: str
    start: int
    end: int


class Command(Struct, frozen=True, kw_only=True, gc=False):
    """One command: the unit that is run. A fence that begins with ``#!``, or is marked as a script, is one command."""

    text: str
    """As it stands in the file, without the fence's indent and final newline, with placeholders of other forms
    (``YOUR_NAME``) as ``<YOUR_NAME>``; untrusted."""
    kind: Kind
    language: str
    """Of the fence, in lower case; empty where it has none."""
    placeholders: tuple[Placeholder, ...] = ()
    line: int = 0
    """Of its first line in the file."""
    fence: int = 0
    """Which fence of the runbook it is of, from 0: ``cd`` and variables carry through one fence and end there."""
    attributes: Attributes = Attributes()
    script: bool = False
    """Whether it is one whole script (``#!``, or an ``interpreter``)."""
    comment: str = ""
    """The comment lines that stand before it in its fence; they are not part of ``text``."""
    blind: bool = False
    """Whether a command before it in its fence may have made another one of it: nothing is known of it then."""
    output: str = ""
    """What the file shows as its output: shown, never run."""
    refused: str = ""
    """The error of its fence, because of which it alone is not run; it has the kind ``none`` then."""


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """One step: its text, and its commands in order. A step without commands is done by hand."""

    title: str
    prose: tuple[str, ...] = ()
    """Paragraphs besides the title, as plain text."""
    checklist: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    line: int = 0
    group: str = ""
    """The headings that it is below, in a document whose fences are the steps: ``Diagnosis › etcd``."""


class RunbookLink(Struct, frozen=True, gc=False):
    """A link to another Markdown file: its text, the absolute path of the file, and the line of the paragraph."""

    text: str
    path: str
    line: int


class Variable(Struct, frozen=True, kw_only=True):
    """A value to ask for: from the front matter, or an undeclared placeholder (type ``text``)."""

    name: str
    type: VariableType = "text"
    title: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    """Of an ``enum``."""
    pattern: str = ""
    """Of a ``regex``: the value matches it in full."""
    minimum: int | None = None
    maximum: int | None = None
    """Of an ``int``."""
    from_: str = ""
    """A command whose lines of output are offered as choices; read only."""
    deny: tuple[Literal["self", "private"], ...] = ()
    """Of ``ip`` and ``cidr``: the operator's own address, or a range that is not of the internet, is refused."""


class Problem(Struct, frozen=True, order=True):
    """A problem in a file, in the current language; ``code`` is the same in every language."""

    line: int
    severity: Severity
    code: str
    text: str
    blocks: Literal["file", "fence"] = "file"
    """Of an error: what is not run because of it."""


class Runbook(Struct, frozen=True, kw_only=True):
    """One runbook of one file."""

    id: str
    """Of front matter, else made of the file's name and the title; unique within its file."""
    title: str
    path: str
    """Of the file, absolute; ``library:NAME`` for those that LilFox brings."""
    line: int
    """Of its heading."""
    sha256: str
    """Of the file's bytes as they were read: a run is bound to it."""
    steps: tuple[Step, ...]
    severity: str = ""
    """Of the incident that it opens: ``SEV-1`` to ``SEV-4``; empty where the file does not say."""
    hosts: str = ""
    """Where its commands run unless their fence says otherwise, in the words of ``Attributes.host``."""
    on_alert: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    about: tuple[str, ...] = ()
    """The paragraphs between its heading and its first step, as plain text: when it is used, and what it does."""
    language: str = ""
    """Of its text (``en``, ``zh``); empty where it is not known."""
    links: tuple[RunbookLink, ...] = ()
    """To other Markdown files, which may be runbooks."""

    @property
    def alerts(self) -> tuple[str, ...]:
        """The alerts that it is for: those of the front matter, else the one that its file is named after, as
        ``KubePodCrashLooping.md`` is."""
        return self.on_alert or (self.path.rsplit("/", 1)[-1].rsplit(".", 1)[0],)


class Fence(Struct, frozen=True, kw_only=True, gc=False):
    """Any fence of a file, including those outside runbooks; lint checks it."""

    text: str
    language: str
    line: int
    """Of its opening."""


class Document(Struct, frozen=True, kw_only=True):
    """A parsed file: its runbooks and its problems."""

    path: str
    sha256: str
    runbooks: tuple[Runbook, ...]
    problems: tuple[Problem, ...] = ()
    """Of reading it, by line. A fence with an error of its own is shown and not run (kind ``none``)."""
    fences: tuple[Fence, ...] = ()
    declared: tuple[str, ...] = ()
    """The names of the variables that its front matter gives a type."""
