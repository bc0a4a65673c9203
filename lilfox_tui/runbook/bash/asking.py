"""Finds what a runbook asks for: placeholders as people write them, shell variables that nothing sets, and the kind of
value that each of them takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from lilfox_tui.redact import names_a_secret
from lilfox_tui.runbook.bash.carrying import ShellVariables, may_pass
from lilfox_tui.runbook.bash.lexer import NAMED, BashLexer, backquotes_in, variables_in
from lilfox_tui.runbook.bash.placeholders import Need, Site, sites
from lilfox_tui.runbook.model import Command, Placeholder, Step, Variable

# Placeholders as people write them: ``<pod name>``, ``YOUR_TOKEN``, ``{{ namespace }}``, ``[pod name]``, ``...``.
#
# Each is spelled ``<pod-name>`` before anything else reads the fence: so whatever holds for that form holds for all.
# What may be something else to the shell, or to the program that is given it, stays as it is.


_BLANKS = re.compile(
    r"(?<![<\w$])<([A-Za-z](?:[\w ,:/|()-]|\.(?!\w{1,4}>)|'s\b){0,78}[\w)])>(?=[\s\"'`/:,.)}\]=@;|\\-]|$)"
)
"""``<pod name>``. A redirection has a blank behind its ``<`` or before its ``>``, or a file directly behind it."""
_REDIRECTS = re.compile(r"\S+ \d+$|.* -\w")
"""A file, then a descriptor or options: ``<in 2>/dev/null``."""
_YOUR = re.compile(r"(?<![\w$<{-])(YOUR(?:[_-][A-Z0-9]{1,30}){1,6}|your(?:[_-][a-z0-9]{1,30}){1,6})(?![\w>=(-]|\}\})")
_BRACES = re.compile(r"(?<![{$])\{\{ ?(?:\$labels\.)?([A-Za-z][\w-]{0,60}(?:\.[A-Za-z][\w-]{0,60}){0,4}) ?\}\}(?!\})")
_SHORTCODE = re.compile(r"\{\{([<%]) ?([A-Za-z][\w -]{0,60}[\w]) ?[%>]\}\}")
"""``{{< current-version >}}``: what a site generator puts in."""
_CURLY = re.compile(
    r"(?<![^\s=/@:\"])\{\"?([A-Z][A-Z0-9]{2,30}(?:[ _-][A-Z0-9]{1,30}){0,5}|[A-Z]{1,3}[ _][A-Z0-9]{2,30})\"?\}"
    r"(?=[\s/:@.\"]|$)"
)
"""``{ENVIRONMENT ID}``."""
_NO_CURLY = re.compile(r"'|\b[gmn]?awk\b|\bjq\b|%\{")
_TEMPLATE = re.compile(
    r"--?format\b|template|jsonpath|\{\{-? ?[.\"$(]|\{\{-? ?(?:range|if|end|with|else|json|printf|println|define)\b"
)
_LABEL = re.compile(r"\{\{ ?\$labels\.\w+ ?\}\}")
_SQUARE = re.compile(r"(?<=[ =/@])\[([A-Za-z]{2,30}(?:[ _-][A-Za-z]{2,30}){0,5})\](?=[\s/@:]|$)")
_ALONE = frozenset(
    {
        "namespace", "pod", "podname", "node", "nodename", "host", "hostname", "name", "ip", "port", "path", "user",
        "username", "service", "servicename", "cluster", "container", "containername", "database", "region", "bucket",
        "deployment", "instance", "volume", "project", "vm", "unit",
    }
)  # fmt: skip
"""Words of which one is in a ``[…]`` that is no pattern."""
_OPTIONAL = frozenset({"flags", "options", "option", "args", "arguments", "command"})
"""What a usage line leaves away."""
_COMMAND = re.compile(r"\s*(?:[$#] )?[a-z][a-z0-9.-]*\s(?!.*\s\|)")
"""A line that may be a command: neither what a program logs nor a row of a table."""
_DOTS = re.compile(r"(?<=\S )(?:\.\.\.|\u2026)(?=\s|$)")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_]+")
_HAS_FORM = re.compile(r"<[A-Za-z/.]|(?i:your)[_-]|\{\{|\{\"?[A-Z]|\[[A-Za-z]|\.\.\.|\u2026")
_SET_TO = re.compile(
    r"([A-Za-z][\w.-]{0,60})=(\"?)<(?![(=])"
    r"((?:[^\s<>|&;$`\"'\\()]|\((?=[A-Za-z])|(?<=[A-Za-z])\)|'s\b|(?<=\S) (?=[^\s>])){1,90})>"
    r"(?=\2(?:[\s,/:;\"'|)]|$))"
)
"""``KEY=<anything>``: no redirection stands there."""
_SAID_PATH = re.compile(r"(?<![<\w$])<(/?(?:(?:full|absolute|your)/)?path(?:/[\w.-]{1,40}){1,8})>(?=[\s\"']|$)")
"""``</path/to/file>``."""
_DOUBLED = re.compile(r"(?<![<\w])<<([A-Za-z][\w-]{0,60})>>(?=[\s\"'/]|$)")
"""``<<NAME>>``, which is a here-document only if a line ``NAME`` ends it."""
_IN_BACKQUOTES = re.compile(r"`([^`\\#\n]{1,2000})`")


def spelled(text: str) -> str:
    """Return the text of a fence with each placeholder spelled ``<name>``; its lines stay the same."""
    if _HAS_FORM.search(text) is None:
        return text
    if "<<" in text:
        lines = {line.strip() for line in text.split("\n")}
        text = _DOUBLED.sub(lambda found: found[0] if found[1] in lines else f"<{found[1]}>", text)
    plain = "<<" not in text
    text = "\n".join(line if line.lstrip().startswith("#") else _spelled(line, plain) for line in text.split("\n"))
    return _without_backquotes(text) if "`" in text else text


def _without_backquotes(text: str) -> str:
    """Return the text of a fence with ``$( )`` in place of backquotes around placeholders: a value in backquotes cannot
    be made safe, and without a ``\\`` or a comment in them both mean the same."""
    for part in reversed(list(backquotes_in(text))):
        inner = _IN_BACKQUOTES.fullmatch(text, part.start, part.end)
        if inner is None or NAMED.search(inner[1]) is None or re.search(r"\b(?:case|esac)\b|<<", inner[1]):
            continue
        made = f"$( {inner[1]})" if inner[1].startswith("(") else f"$({inner[1]})"
        lexer = BashLexer(made, placeholders=True)
        token = lexer.token()
        whole = token is not None and token.end == len(made) and len(token.parts) == 1
        if token is not None and whole and token.parts[0].kind == "command" and token.parts[0].closed:
            text = text[: part.start] + made + text[part.end :]
    return text


def _spelled(line: str, plain: bool) -> str:
    """Spell the placeholders of one line. ``plain``: it is not in a fence with a heredoc, in which anything may
    stand."""
    if "{{" in line:
        line = _SHORTCODE.sub(lambda found: _as(found[2], found[0]), line)
    if "<" in line:
        line = _SET_TO.sub(_set_to, line)
        line = _SAID_PATH.sub(lambda found: _as(found[1], found[0]), line)
    line = _BLANKS.sub(lambda found: found[0] if _REDIRECTS.match(found[1]) else _as(found[1], found[0]), line)
    if plain:
        if "{{" in line and _TEMPLATE.search(_LABEL.sub("", line)) is None:
            line = _BRACES.sub(lambda found: _as(found[1], found[0]), line)
        if "{" in line and _NO_CURLY.search(line) is None:
            line = _CURLY.sub(lambda found: _as(found[1], found[0]), line)
        if any(_is_known(found[1]) for found in _SQUARE.finditer(line)):
            line = _SQUARE.sub(lambda found: found[0] if found[1].lower() in _OPTIONAL else _as(found[1], ""), line)
        if _COMMAND.match(line):
            line = _DOTS.sub("<more>", line)
    return _YOUR.sub(lambda found: _as(found[1], found[0]), line)


def _set_to(found: re.Match[str]) -> str:
    """Return ``KEY=<name>``; what consists of marks alone (``<...>``) is named after the key."""
    name = _as(found[3], "") or _as(found[1], "")
    good = NAMED.fullmatch(name) is not None
    return f"{found[1]}={found[2]}{name}" if good else found[0]


def _is_known(name: str) -> bool:
    words = re.split("[ _-]", name.lower())
    if " " in name and _OPTIONAL.isdisjoint(words):
        return True
    return not _ALONE.isdisjoint(words) or words[0] == "your"


def _as(name: str, written: str) -> str:
    made = _NOT_PLAIN.sub("-", name).strip("-")
    return f"<{made}>" if made[:1].isalpha() else written


# Shell variables that a command uses and that nothing sets: asked for as placeholders are, and passed under their own
# name. Bash splits and expands what stands unquoted, so only a variable that is a whole quoted word takes any value.


_ARITHMETIC = re.compile(r"\(\(|\$\[|\blet\b|\[\[|\bdeclare\s+-\w*i|\btypeset\s+-\w*i|\w\[")
_WHOLE = re.compile(r"\"\$\{?[A-Za-z_]\w*\}?\"")


def is_shell(placeholder: Placeholder) -> bool:
    """Whether the placeholder is a shell variable that the command expands itself; it has no place in the text."""
    return placeholder.start == placeholder.end


def asked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps of a runbook; their commands ask for the shell variables that nothing sets."""
    if not any("$" in command.text or "((" in command.text for step in steps for command in step.commands):
        return tuple(steps)
    variables, made = ShellVariables(steps), []
    for step in steps:
        commands = (_asking(each, tuple(variables.unset(each))) for each in step.commands)
        made.append(replace(step, commands=tuple(commands)))
    return tuple(made)


def _asking(command: Command, names: Sequence[str]) -> Command:
    """Return the command with placeholders for ``names``. One that is a part of a command's name is the host's to
    set."""
    never = {site.placeholder.name for site in shell_sites(command.text, names) if site.need is Need.NEVER}
    new = tuple(Placeholder(name, 0, 0) for name in names if name not in never and may_pass(name, exported=False))
    return replace(command, placeholders=(*command.placeholders, *new)) if new else command


def shell_sites(text: str, names: Iterable[str]) -> tuple[Site, ...]:
    """Return what the values of shell variables must be, for each place where the text expands one."""
    wanted = set(names)
    if not wanted:
        return ()
    changed, unquoted, at = "", set(), 0
    for part, quoted in variables_in(text):
        if part.text in wanted and part.start >= at:
            whole = _WHOLE.match(text, part.start - 1) if quoted and part.start else None
            start, end = (whole.start(), whole.end()) if whole and whole.start() >= at else (part.start, part.end)
            changed += text[at:start]
            if not whole and not quoted:
                unquoted.add(len(changed))
            changed += f"<{part.text}>"
            at = end
    changed += text[at:]
    found = [
        replace(site, splits=site.placeholder.start in unquoted)
        for site in sites(changed)
        if site.placeholder.name in wanted
    ]
    bare = Need.NUMBER if _ARITHMETIC.search(text) else Need.SAFE
    for name in sorted(wanted):
        if re.search(rf"`\s*\$\{{?{name}", text):
            found.append(Site(placeholder=Placeholder(name, 0, 0), place="backquotes", need=Need.NEVER))
        seen = any(site.placeholder.name == name for site in found)
        if not seen or re.search(rf"(?<![\w$<{{]){name}(?![\w=>])|\$\{{[#!]?{name}[^}}\w]", changed):
            found.append(Site(placeholder=Placeholder(name, 0, 0), place="word", need=bare))
    return tuple(found)


_LABEL_WORDS = re.compile(
    r"(?:value_of_|alert_|the_){0,3}([a-z0-9]{1,40}(?:_[a-z0-9]{1,40}){0,4})_label(?:_from_alert)?"
)


def labels_for(name: str) -> tuple[str, ...]:
    """Return the labels of an alert that hold the value of a placeholder or variable, in the order of preference:
    ``NAMESPACE``, ``<namespace-name>`` and ``<value of namespace label from alert>`` are ``namespace``."""
    plain = re.sub("[-_]+", "_", name.lower())
    if found := _LABEL_WORDS.fullmatch(plain):
        plain = found[1]
    return tuple(dict.fromkeys((name, plain, plain.removesuffix("_name"))))


# The kind of a value that no front matter declares: guessed by its name, and as narrow as its places need it.


_KINDS = (
    (re.compile(r"namespaces?|ns"), "namespace"),
    (re.compile(r"ports?"), "port"),
    (re.compile(r"ip|address"), "host"),
    (re.compile(r"host|hostname|server|domain|fqdn|node|nodename"), "host"),
    (re.compile(r"unit"), "unit"),
    (re.compile(r"path|dir|directory|folder|mountpoint"), "path"),
    (re.compile(r"replicas|count"), "int"),
    (re.compile(r"commit|branch"), "git-rev"),
)
"""The kind that the last word of a name stands for; the first that matches."""
_WORDS = re.compile(r"[^A-Za-z0-9]+")
_NAMES_OF = frozenset({"name", "names", "id"})
_NARROW = frozenset({"host", "git-rev", "namespace", "port"})


def guessed(name: str, need: Need) -> Variable:
    """Return an undeclared variable whose places have this ``need``."""
    if need is Need.NUMBER:
        return Variable(name=name, type="port" if name.lower().endswith("port") else "int", minimum=_least(name))
    if names_a_secret(name):
        return Variable(name=name, type="secret" if need is Need.ANY else "name")
    words = [word for word in _WORDS.split(name.lower()) if word]
    if len(words) > 1 and words[-1] in _NAMES_OF:
        words.pop()
    last = words[-1] if words and len(words) <= 3 else ""
    for pattern, kind in _KINDS:
        if pattern.fullmatch(last) and (need is Need.ANY or kind in _NARROW):
            return Variable(name=name, type=kind, minimum=0 if kind == "int" else None)  # type: ignore[arg-type]
    return Variable(name=name, type="text" if need is Need.ANY else "name")


def _least(name: str) -> int | None:
    return None if name.lower().endswith("port") else 0


def needs_of(steps: Iterable[Step]) -> dict[str, Need]:
    """Return the strictest need of each placeholder of the steps' commands."""
    found: dict[str, Need] = {}
    for step in steps:
        for command in step.commands:
            shell = [each.name for each in command.placeholders if is_shell(each)]
            for site in (*(sites(command.text) if command.placeholders else ()), *shell_sites(command.text, shell)):
                name = site.placeholder.name
                found[name] = max(found.get(name, Need.ANY), site.need if site.need is not Need.NEVER else Need.ANY)
            for each in command.placeholders:
                found.setdefault(each.name, Need.ANY)
    return found
