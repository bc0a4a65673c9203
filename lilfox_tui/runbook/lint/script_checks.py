"""Lint checks of any script: unheard failures, paths, variables, Python, and secrets in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from lilfox_tui.core.i18n import _
from lilfox_tui.runbook.bash.lexer import Lexer, read_through, variables_in
from lilfox_tui.runbook.model import Fence, Problem
from lilfox_tui.runbook.parse.fences import SHELLS

# A fence as lint checks see it: its lines without comments, and what its variables stand for.


_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=([\w./:-]*)")
_LONGEST = 4000
"""Of a longer line the rest is not looked at: nobody writes one by hand, and searching may take the square of it."""


class FenceSource:
    """One fence. Lines count from 1 in the file."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.shell = fence.language in SHELLS
        self.script = self.shell and fence.text.lstrip().startswith("#!")
        """Whether it is a script that is called as one, by somebody or by cron."""

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """Number and text of each line that is no comment and not empty; what a ``\\`` continues is one line."""
        lexer = read_through(self.fence.text) if self.shell and self.fence.language != "console" else None
        found: list[tuple[int, str]] = []
        going_on = False
        at = 0
        for number, line in enumerate(self.fence.text.split("\n"), self.fence.line + 1):
            text = line[:_LONGEST].strip()
            begins, at = at + len(line) - len(line.lstrip()), at + len(line) + 1
            comment = text.startswith("#") if lexer is None else begins in lexer.comments
            if going_on:
                found[-1] = (found[-1][0], f"{found[-1][1][:-1]} {text}")
            elif text and not comment:
                found.append((number, text))
            else:
                continue
            going_on = text.endswith("\\") and (lexer is None or at - 1 in lexer.joined)
        return found

    @cached_property
    def text(self) -> str:
        """All lines of ``lines``."""
        return "\n".join(text for _number, text in self.lines)

    @cached_property
    def stops(self) -> bool:
        """Whether it stops at a command that fails."""
        return self.has(r"\bset\s+-[a-z]*e|set -o errexit") or bool(re.match(r"#!\S+\s+-\w*e", self.fence.text))

    @cached_property
    def values(self) -> dict[str, str]:
        """The variables that a line sets to a plain text."""
        return dict(filter(None, (_assigned(line) for _number, line in self.lines)))

    def filled(self, line: str) -> str:
        """``line`` with the texts of such variables in it."""
        pieces, at = [], 0
        for part, _quoted in variables_in(line):
            pieces += [line[at : part.start], self.values.get(part.text, line[part.start : part.end])]
            at = part.end
        return "".join([*pieces, line[at:]])

    def has(self, pattern: str) -> bool:
        """Whether a line has it."""
        return re.search(pattern, self.text) is not None

    def each(self, pattern: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Every line that has ``pattern``, with what was found."""
        compiled = re.compile(pattern)
        for number, line in self.lines:
            if found := compiled.search(line):
                yield number, found

    def first(self, pattern: str) -> int:
        """The number of the first line that has it, 0 where none has."""
        return next((number for number, _found in self.each(pattern)), 0)


def _assigned(line: str) -> tuple[str, str] | None:
    """Name and value where the line is one assignment of a plain text, by ``export`` or ``local`` too."""
    words = list(Lexer(line))
    if len(words) == 2 and line[: words[0].end] in ("export", "local"):
        words = words[1:]
    parts = words[0].parts if len(words) == 1 else ()
    found = _ASSIGNMENT.fullmatch(parts[0].text) if parts and parts[0].kind == "plain" else None
    if found is None or len(parts) > 2 or (len(parts) == 1) == (found[2] == ""):
        return None
    quoted = parts[1].parts if parts[-1].kind == "double" else parts[1:]
    if any(part.kind not in ("plain", "single") for part in quoted):
        return None
    return found[1], found[2] or "".join(part.text for part in quoted)


def hazard(line: int, code: str, text: str) -> Problem:
    """What works in another way than it looks."""
    return Problem(line, "warning", code, text)


# Hazards of any shell text: failures that nobody hears, paths, variables, secrets.


_SAYS = re.compile(
    r"""^(?:echo|log|printf|print|info)\b.*?(?:成功|完成|\bsuccess|\bsucceeded|\bcomplete|\bfinished|\bdone\b)""",
    re.IGNORECASE,
)
_TESTED = re.compile(r"^(?:if|elif|then|else|do)\b|(?:&&|\|\|)\s*$|\bthen$")
_RELATIVE = re.compile(r"\s((?:\.env|\.?[\w-]+/[\w./*-]*))(?=\s|$)")
_CHANGES = r"\b(?:systemctl (?:re)?start|git (?:pull|checkout)|psql|tar|cp|mv|pip|alembic|pg_dump|sed -i)\b"

_PIPEFAIL = re.compile(r"(?>.*?\bset\s).*-\w*o\s+pipefail\b")
_QUIET_GREP = re.compile(r"(?<!\|)\|\s*[efz]?grep\s(?:[^|]*\s)?(?:-(?=\w*?q)\w++|--quiet|--silent)(?:\s|$)")


def check_script(source: FenceSource) -> Iterator[Problem]:
    """What is to be said of one fence."""
    if not source.shell:
        return
    yield from _unheard(source)
    yield from _paths(source)
    yield from _lines(source)
    yield from _quiet_greps(source)


def _unheard(source: FenceSource) -> Iterator[Problem]:
    if source.script and not source.stops:
        if len(list(source.each(_CHANGES))) > 1:
            yield hazard(
                source.fence.line + 1,
                "goes-on-after-failure",
                _("continues when a command fails, and the last command decides its status; set -euo pipefail"),
            )
        yield from _success(source)
        yield from _returned(source)
    before = ""
    for line, text in source.lines:
        if re.search(r"\[\[?\s+\"?\$\?", text) and re.match(r"(?:bash|sh|source|\.)\s|\./", before):
            yield hazard(
                line,
                "status-of-another",
                _(
                    "$? is the status of that script's last command: always 0 after a final echo; make it exit "
                    "with its real status"
                ),
            )
        before = text


def _quiet_greps(source: FenceSource) -> Iterator[Problem]:
    """``… | grep -q`` where the failure of any part of a pipe is one."""
    pipefail = re.match(r"#!.*pipefail", source.fence.text) is not None
    for line, text in source.lines:
        pipefail = pipefail or _PIPEFAIL.match(text) is not None
        if pipefail and _QUIET_GREP.search(text):
            yield hazard(
                line,
                "quiet-grep",
                _(
                    "grep -q exits at its first match; the command before it may then fail, and with pipefail the "
                    "whole pipe fails"
                ),
            )


def _success(source: FenceSource) -> Iterator[Problem]:
    """Lines that say that all is well whatever happened."""
    before = "if"
    for line, text in source.lines:
        if _SAYS.match(text) and not _TESTED.search(before):
            yield hazard(
                line,
                "success-unchecked",
                _("reports success whatever happened before it; test the command, then report"),
            )
        before = text


def _returned(source: FenceSource) -> Iterator[Problem]:
    """Functions that return a failure which their caller passes over."""
    name = ""
    failing: set[str] = set()
    for _line, text in source.lines:
        if found := re.match(r"(?:function\s+)?([\w-]+)\s*\(\)", text):
            name = found[1]
        elif re.match(r"return\s+[1-9]", text) and name:
            failing.add(name)
    for line, text in source.lines:
        word = text.split()[0]
        if word in failing and not re.search(r"\(\)|&&|\|\|", text):
            yield hazard(
                line,
                "failure-passed-over",
                _("{name} returns a failure here that nothing checks; {name} || exit 1", name=word),
            )


def _paths(source: FenceSource) -> Iterator[Problem]:
    if source.script and not source.has(r"^cd\s"):
        told: set[str] = set()
        for line, found in source.each(r"^(?:sudo\s+)?(?:cp|tar|bash|sh|source|\.|rsync|cat|mv|pip)\s"):
            for path in _RELATIVE.findall(found.string):
                if path not in told and not re.match(r"s/|[\w-]+/[\w-]+$(?<!\.sh)(?<!/)", path):
                    told.add(path)
                    yield hazard(
                        line,
                        "relative-path",
                        _(
                            "{path} is relative to the working directory: cron starts in $HOME; write the full path",
                            path=path,
                        ),
                    )
    told_names: set[str] = set()
    for line, found in source.each(r"^(?:sudo\s+)?(?:rm|find|mkdir|tar|cp|mv|chown|chmod)\b.*"):
        for part, quoted in variables_in(found.string):
            name, before, after = part.text, found.string[: part.start][-1:], found.string[part.end : part.end + 1]
            alone = re.fullmatch(r"[^\w}/]?", before) and re.fullmatch(r"[/\s]?", after)
            if alone and not quoted and name not in told_names:
                told_names.add(name)
                yield hazard(
                    line,
                    "unquoted-variable",
                    _(
                        '${name} without quotes: if it is empty or has a space, it names other files; write "${name}"',
                        name=name,
                    ),
                )
    if not source.has(r"\bmkdir\b|install\s+-d"):
        for line, found in source.each(r"""^\w*LOG\w*=["']?(/var/log/[\w.-]+)/"""):
            yield hazard(
                line,
                "log-folder-missing",
                _("{path} may not exist: then nothing is logged; install -d {path}", path=found[1]),
            )


def _lines(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"^(?:[\d*/,-]+\s+){5}\S"):
        yield hazard(
            line, "crontab-line", _("a crontab line is not a command; install it with crontab -e, or use a timer")
        )
    if source.fence.language != "console":
        for line, _found in source.each(r"^\$\s+\w"):
            yield hazard(line, "prompt", _("“$ ” is before the command: the shell looks for a command of that name"))


# Hazards of Python that a manual carries: health checks, alerts by mail, what reads logs.


def check_python(source: FenceSource) -> Iterator[Problem]:
    """What is to be said of one fence."""
    if source.fence.language not in ("python", "py", "python3"):
        return
    for line, _found in source.each(r"\.starttls\(\s*\)"):
        yield hazard(
            line,
            "starttls-unverified",
            _(
                "verifies no certificate: a man in the middle can read the password; "
                "context=ssl.create_default_context()"
            ),
        )
    for line, _found in source.each(r"^except\s*:"):
        yield hazard(
            line, "bare-except", _("hides every error, including its own; name the expected ones, report the rest")
        )
    if (line := source.first(r"\.(?:send_message|sendmail)\(")) and not source.has(r"open\(|sqlite|redis|state|last_"):
        yield hazard(
            line,
            "mails-each-time",
            _("sends a mail on every call; remember what was sent, and send one when it ends"),
        )
    mails = source.has(r"send_message|sendmail") and source.has(r"requests\.get|urlopen|httpx")
    if mails and (line := source.first(r"https?://(?:localhost|127\.0\.0\.1)")):
        yield hazard(
            line,
            "only-this-host",
            _("checks from the host itself: when the host is down, nobody is notified; check from elsewhere"),
        )
    for line, _found in source.each(r"datetime\.(?:utcnow\(\)|now\(\))"):
        yield hazard(line, "naive-time", _("a time without a time zone; use datetime.now(timezone.utc)"))
    for line, found in source.each(r"open\(\s*[\"'](?!/)(\w[\w.-]*)/[^\"']*[\"']\s*,\s*[\"'][aw]"):
        if not source.has(r"mkdir|makedirs"):
            yield hazard(
                line,
                "log-folder-missing",
                _("{path} may not exist: then nothing is logged; install -d {path}", path=f"{found[1]}/"),
            )


# Secrets in the text of a fence: whoever reads the file has them.


_WORDS = r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)"
_LITERAL = r"(?!\$|<|\{|\(|\*|os\.|env|null|none|true|false|str\b)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']*:(?![$<{*])[^\s/@\"']+@",
        r"\.login\([^,()]+,\s*[\"'][^\"']+[\"']",
        rf"{_WORDS}[\"']?\s*[:=]\s*[\"']{_LITERAL}[^\"'\s]+[\"']",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bauthorization:\s*(?:basic|bearer)\s+(?![$<{*])[\w.~+/-]{8,}",
    )
)
_IN_SHELL = re.compile(rf"\b\w*(?:PGPASSWORD|{_WORDS})=(?![$<\"'(])\S+|\s--password=(?![$<\"'(])\S+", re.IGNORECASE)


def check_secrets(source: FenceSource) -> Iterator[Problem]:
    """What is to be said of one fence; the secret itself is not repeated."""
    for line, text in source.lines:
        if any(pattern.search(text) for pattern in _PATTERNS) or (source.shell and _IN_SHELL.search(text)):
            yield hazard(
                line,
                "secret-in-text",
                _("a password or key is in the text; ask for it (type: secret), or read it from a file"),
            )
