"""Lint checks of any script: ignored failures, paths, variables, Python, secrets; backups, releases, restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from lilfox_tui.core.i18n import _
from lilfox_tui.runbook.bash.lexer import BashLexer, read_through, variables_in
from lilfox_tui.runbook.model import Fence, Problem
from lilfox_tui.runbook.parse.sessions import SHELLS

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
        """Number and text of each line that is neither a comment nor empty; lines joined by ``\\`` count as one."""
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
        """The text of all ``lines``."""
        return "\n".join(text for _number, text in self.lines)

    @cached_property
    def stops(self) -> bool:
        """Whether the script stops at a failing command."""
        return self.has(r"\bset\s+-[a-z]*e|set -o errexit") or bool(re.match(r"#!\S+\s+-\w*e", self.fence.text))

    @cached_property
    def values(self) -> dict[str, str]:
        """The variables that a line sets to a plain text, with their values."""
        return dict(filter(None, (_assigned(line) for _number, line in self.lines)))

    def filled(self, line: str) -> str:
        """Return ``line`` with the variables of :attr:`values` replaced by their values."""
        pieces, at = [], 0
        for part, _quoted in variables_in(line):
            pieces += [line[at : part.start], self.values.get(part.text, line[part.start : part.end])]
            at = part.end
        return "".join([*pieces, line[at:]])

    def has(self, pattern: str) -> bool:
        """Return whether the text matches ``pattern``."""
        return re.search(pattern, self.text) is not None

    def each(self, pattern: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Yield every line that matches ``pattern``, with the match."""
        compiled = re.compile(pattern)
        for number, line in self.lines:
            if found := compiled.search(line):
                yield number, found

    def first(self, pattern: str) -> int:
        """Return the number of the first matching line, 0 if there is none."""
        return next((number for number, _found in self.each(pattern)), 0)


def _assigned(line: str) -> tuple[str, str] | None:
    """Return name and value if the line is one assignment of a plain text, also with ``export`` or ``local``."""
    words = list(BashLexer(line))
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
    """Return a warning about code that does not do what it seems to do."""
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
    """Yield the problems of one fence."""
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
                _("continues after a failed command and exits with the status of the last one; use set -euo pipefail"),
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
                    "$? is the status of the last command in the script above: always 0 after a final echo; make "
                    "that script exit with its real status"
                ),
            )
        before = text


def _quiet_greps(source: FenceSource) -> Iterator[Problem]:
    """Find ``… | grep -q`` under ``pipefail``, where the failure of any part fails the whole pipe."""
    pipefail = re.match(r"#!.*pipefail", source.fence.text) is not None
    for line, text in source.lines:
        pipefail = pipefail or _PIPEFAIL.match(text) is not None
        if pipefail and _QUIET_GREP.search(text):
            yield hazard(
                line,
                "quiet-grep",
                _(
                    "grep -q exits at its first match; the command before it may then fail, and with pipefail "
                    "the whole pipeline fails"
                ),
            )


def _success(source: FenceSource) -> Iterator[Problem]:
    """Find lines that report success whatever happened."""
    before = "if"
    for line, text in source.lines:
        if _SAYS.match(text) and not _TESTED.search(before):
            yield hazard(
                line,
                "success-unchecked",
                _("reports success even if the command before it failed; check the result first"),
            )
        before = text


def _returned(source: FenceSource) -> Iterator[Problem]:
    """Find functions that return a failure which their caller ignores."""
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
                _("the failure status of {name} is not checked here; write {name} || exit 1", name=word),
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
                        "${name} is unquoted: if it is empty or contains a space, other files are affected; "
                        'write "${name}"',
                        name=name,
                    ),
                )
    if not source.has(r"\bmkdir\b|install\s+-d"):
        for line, found in source.each(r"""^\w*LOG\w*=["']?(/var/log/[\w.-]+)/"""):
            yield hazard(
                line,
                "log-folder-missing",
                _("{path} may not exist: then nothing is logged; create it with install -d {path}", path=found[1]),
            )


def _lines(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"^(?:[\d*/,-]+\s+){5}\S"):
        yield hazard(
            line, "crontab-line", _("a crontab line is not a command; install it with crontab -e, or use a timer")
        )
    if source.fence.language != "console":
        for line, _found in source.each(r"^\$\s+\w"):
            yield hazard(
                line, "prompt", _("the line starts with the prompt “$ ”: the shell looks for a command of that name")
            )


# Hazards of Python that a manual carries: health checks, alerts by mail, what reads logs.


def check_python(source: FenceSource) -> Iterator[Problem]:
    """Yield the problems of one fence."""
    if source.fence.language not in ("python", "py", "python3"):
        return
    for line, _found in source.each(r"\.starttls\(\s*\)"):
        yield hazard(
            line,
            "starttls-unverified",
            _(
                "does not verify the certificate: a man in the middle can read the password; pass "
                "context=ssl.create_default_context()"
            ),
        )
    for line, _found in source.each(r"^except\s*:"):
        yield hazard(
            line,
            "bare-except",
            _("hides every error, including bugs in this code; catch the expected exceptions, report the rest"),
        )
    if (line := source.first(r"\.(?:send_message|sendmail)\(")) and not source.has(r"open\(|sqlite|redis|state|last_"):
        yield hazard(
            line,
            "mails-each-time",
            _("sends mail on every run; record what was reported, and send one mail when the problem ends"),
        )
    mails = source.has(r"send_message|sendmail") and source.has(r"requests\.get|urlopen|httpx")
    if mails and (line := source.first(r"https?://(?:localhost|127\.0\.0\.1)")):
        yield hazard(
            line,
            "only-this-host",
            _("checks the host that it runs on: if that host is down, nobody is notified; check from another host"),
        )
    for line, _found in source.each(r"datetime\.(?:utcnow\(\)|now\(\))"):
        yield hazard(line, "naive-time", _("a time without a time zone; use datetime.now(timezone.utc)"))
    for line, found in source.each(r"open\(\s*[\"'](?!/)(\w[\w.-]*)/[^\"']*[\"']\s*,\s*[\"'][aw]"):
        if not source.has(r"mkdir|makedirs"):
            yield hazard(
                line,
                "log-folder-missing",
                _(
                    "{path} may not exist: then nothing is logged; create it with install -d {path}",
                    path=f"{found[1]}/",
                ),
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
    """Yield the problems of one fence, without repeating the secret itself."""
    for line, text in source.lines:
        if any(pattern.search(text) for pattern in _PATTERNS) or (source.shell and _IN_SHELL.search(text)):
            yield hazard(
                line,
                "secret-in-text",
                _("contains a password or key; prompt for it (type: secret), or read it from a file"),
            )


# Lint checks of operations: backups, restores, releases, rollbacks and restarts.


# Hazards of shell scripts that back up and restore.


_DUMPS = r"\b(?:pg_dump|pg_dumpall|pg_basebackup|mysqldump|mongodump)\b"
_WRITES_BACKUP = rf"{_DUMPS}|\btar\s+-?\w*c\w*|\bcp\s+\S*\.env\b"
_CLIENTS = r"\b(?:pg_dump|psql|pg_restore|pg_dumpall)\b"


def check_backup(source: FenceSource) -> Iterator[Problem]:
    """Yield the problems of one fence."""
    if not source.shell:
        return
    yield from _dumping(source)
    yield from _restoring(source)
    yield from _clients(source)
    if source.script and source.has(_WRITES_BACKUP):
        yield from _keeping(source)
        yield from _writing(source)


def _dumping(source: FenceSource) -> Iterator[Problem]:
    if not source.has("pipefail"):
        for line, _found in source.each(rf"(?:{_DUMPS}|\btar\s+-?\w*c)[^|]*\|(?!\|)"):
            yield hazard(
                line,
                "pipe-hides-failure",
                _(
                    "if the first command of a pipeline fails, the pipeline still exits 0 and leaves a truncated "
                    "file; use set -o pipefail"
                ),
            )
    if (line := source.first(r"\bpg_dump\b")) and not source.has(r"pg_dumpall|globals"):
        yield hazard(
            line,
            "dump-without-roles",
            _("pg_dump omits roles, their passwords and settings; also run pg_dumpall --globals-only"),
        )


def _keeping(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with the retention of old backups."""
    if not source.stops:
        for line, _found in source.each(r"\bfind\b.*-mtime.*(?:-delete|-exec\s+rm|xargs\s+\S*rm)"):
            yield hazard(
                line,
                "prunes-after-failure",
                _(
                    "prunes by file age even after a failed backup, until the last good one is gone; prune only "
                    "after a verified backup"
                ),
            )
    dated = source.first(r"\b(?:cp|tar)\b.*\$\{?\w*(?:DATE|STAMP)")
    if dated and not source.has(r"-delete|\brm\b|prune|forget"):
        yield hazard(
            dated,
            "never-pruned",
            _("writes files with new names, and nothing here deletes old ones; the disk fills up"),
        )
    if source.has(r"=\$\(date[^)]*%[ST]") and (
        line := source.first(r"^(?:bash|sh|source|\.)\s+\S+\.sh\b|^\./\S+\.sh\b")
    ):
        yield hazard(
            line,
            "two-clocks",
            _("the called script reads the clock again: its file names may differ by a second; pass the name to it"),
        )


def _writing(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with how backups are written."""
    first = source.first(_WRITES_BACKUP)
    if not source.has(r"\bumask\s+0?[07]77|chmod\s+0?[67]00|install\s+-m"):
        yield hazard(first, "readable-by-all", _("every user of the host can read what it writes; set umask 077 first"))
    if not source.has(r"\bflock\b|\blockfile\b|mkdir\s+\S*lock"):
        yield hazard(first, "no-lock", _("two runs at once (cron and a person) write to the same files; use flock"))
    for line, found in source.each(r"""^\w+=["']?(/(?:backup|mnt|media|srv/backup)\S*?)["']?$"""):
        if not source.has(r"\bmountpoint\b|\bfindmnt\b"):
            yield hazard(
                line,
                "no-mount-check",
                _(
                    "when {path} is not mounted, everything is written to the system disk; check with mountpoint -q",
                    path=found[1],
                ),
            )
    for line, found in source.each(r"""^\w*LOG\w*=["']?\$\{?(\w*(?:BACKUP|ROOT|DEST)\w*)"""):
        yield hazard(
            line,
            "log-on-same-disk",
            _(
                "the log is on the disk that backups fill ({name}): when that is full, nothing is logged; log "
                "elsewhere",
                name=found[1],
            ),
        )


def _restoring(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"\bgunzip\s+(?!.*(?:-\w*[ckt]|--keep|--stdout|--test))\S"):
        yield hazard(line, "gunzip-removes", _("removes the .gz, and with it the backup; use gunzip -c, or -k"))
    for line, _found in source.each(r"\btar\s+-?\w*x.*\s-C\s*/(?:\s|$)"):
        yield hazard(
            line,
            "unpacks-into-root",
            _(
                "unpacks straight into / and overwrites live files; unpack into another directory, then move the "
                "files over"
            ),
        )
    for line, _found in source.each(r"\bcp\s+\S*(?:backup|BACKUP|env_)\S*\s+\S*\.env$"):
        yield hazard(
            line,
            "overwrites-secrets",
            _("overwrites .env without keeping the old file or setting its mode; keep a copy, and use install -m 0600"),
        )
    restores = source.first(r"\bpsql\b.*<\s*\S|\|\s*psql\b|\bpg_restore\b|\btar\s+-?\w*x")
    if restores and source.script and not source.has(r"(?:\[\[?|\btest)\s+-[efrs]\s|gzip\s+-t|--test"):
        yield hazard(
            restores,
            "restore-without-preflight",
            _("starts overwriting before it checks that every part is present and intact; check all parts first"),
        )


def _clients(source: FenceSource) -> Iterator[Problem]:
    for line, found in source.each(r"\bpsql\b.*?(?:<\s*\S|\s-f\s)|\|\s*psql\b"):
        if "ON_ERROR_STOP" not in found.string:
            yield hazard(
                line,
                "psql-goes-on",
                _(
                    "psql continues after errors and exits 0; use -X -1 -v ON_ERROR_STOP=1, and restore into an "
                    "empty database"
                ),
            )
    if source.has(r"PGPASS|PGSERVICE"):
        return
    for line, found in source.each(rf"{_CLIENTS}.*\s-U\s"):
        unattended = source.script or re.search(r"<|\|", found.string)
        if unattended and not re.search(r"\s(?:-w|--no-password)\b", found.string):
            yield hazard(
                line, "asks-password", _("may wait for a password that nobody enters; use -w and PGPASSFILE, mode 0600")
            )


# Hazards of releases, rollbacks and restarts.


_RESTARTS = r"\bsystemctl\s+restart\s+\S+|\bservice\s+\S+\s+restart\b"
_LOOKS = r"\bcurl\b|\bwget\b|/health|pg_isready|redis-cli ping|\bnc\s+-z"
_RELOADS = r"\bnginx\s+-s\s+reload\b|\bsystemctl\s+(?:reload|restart)\s+nginx\b"


def check_release(source: FenceSource) -> Iterator[Problem]:
    """Yield the problems of one fence."""
    if source.fence.language in ("yaml", "yml"):
        for line, _found in source.each(r"\bimage:\s*\S+:latest\b"):
            yield hazard(
                line, "unpinned", _("the image behind :latest changes over time; pin a version tag or a digest")
            )
    if not source.shell:
        return
    yield from _switching(source)
    yield from _versions(source)
    yield from _values(source)
    yield from _restarting(source)


def _switching(source: FenceSource) -> Iterator[Problem]:
    for line, found in source.each(r"^(sudo\s+)?sed\s+(?:-\w+\s+)*-i\w*\s+.*?(/etc/\S+|\S+)$"):
        if not source.has(r"\bgrep\b|nginx\s+-T"):
            yield hazard(
                line,
                "sed-matches-nothing",
                _("sed exits 0 when it changes nothing; afterwards check for the expected text (grep -q)"),
            )
        if found[2].startswith("/etc/") and not found[1] and source.has(r"\bsudo\b"):
            yield hazard(
                line, "without-sudo", _("{path} belongs to root, but this line does not use sudo", path=found[2])
            )
    for line, _found in source.each(_RELOADS):
        if not source.has(r"\bnginx\s+-t\b"):
            yield hazard(
                line,
                "reload-untested",
                _("applies the nginx configuration untested; run nginx -t first"),
            )
    for line, found in source.each(r"^(CURRENT_\w+|ACTIVE_\w+)="):
        again = [number for number, other in source.each(rf"^{found[1]}=") if number != line]
        if source.script and again and line < again[0] and not source.has(r"\bcat\b|\bread\b|nginx\s+-T"):
            yield hazard(
                line,
                "state-forgotten",
                _(
                    "${name} is reset on every call, whatever is active; read it back from the live system",
                    name=found[1],
                ),
            )


def _versions(source: FenceSource) -> Iterator[Problem]:
    for line, _found in source.each(r"\bgit\s+pull\b"):
        yield hazard(
            line, "unpinned", _("pulls whatever is newest at that moment; fetch, and check out the tested commit")
        )
    for line, _found in source.each(r"\balembic\s+upgrade\b|\bmanage\.py\s+migrate\b|\bflyway\s+migrate\b"):
        if not source.has(r"pg_dump|backup|pg_basebackup"):
            yield hazard(
                line,
                "migrates-without-backup",
                _("changes the schema without a backup to return to; back up first"),
            )
    restart = source.first(_RESTARTS)
    for line, _found in source.each(r"\bgit\s+(?:checkout|reset)\b"):
        if restart and not source.has(r"\bpip\s+install\b|\bnpm\s+ci\b|alembic\s+downgrade"):
            yield hazard(
                line,
                "checkout-alone",
                _("changes only the code: dependencies and schema keep the other version; roll back all three"),
            )


def _values(source: FenceSource) -> Iterator[Problem]:
    """Yield problems with the arguments of a script."""
    for line, found in source.each(r"^(?:local\s+)?(\w+)=\"?\$\{?1\b"):
        used = [text for _line, text in source.lines if re.search(rf"\$\{{?{found[1]}\b", text)]
        if used and all(re.match(r"(?:echo|log|printf)\b", text) for text in used):
            yield hazard(line, "value-unused", _("${name} is only printed, never used", name=found[1]))
        checked = rf"=~|\bcase\b|rev-parse|-z\s+\"?\${found[1]}"
        risky = any(re.search(r"\bgit\b|\brm\b|/[^\s/]*\$|\bpsql\b", text) for text in used)
        if risky and not source.has(checked):
            yield hazard(
                line,
                "value-unchecked",
                _("${name} is not validated (--force and ../ would pass); validate it first", name=found[1]),
            )


def _restarting(source: FenceSource) -> Iterator[Problem]:
    if source.has(r"\bis-active\b") and source.has(_RESTARTS) and source.script:
        line = source.first(_RESTARTS)
        if not source.has(r"\bis-enabled\b|maintenance"):
            yield hazard(
                line,
                "starts-what-was-stopped",
                _("also restarts a service that was stopped on purpose; check is-enabled and limit restarts"),
            )
        if not source.has(_LOOKS):
            after = next((n for n, _f in source.each(r"\bis-active\b") if n > line), line)
            yield hazard(
                after,
                "active-is-not-healthy",
                _("active means that a process runs, not that it responds; check its health"),
            )
    elif source.script and (line := source.first(_RESTARTS)) and not source.has(rf"{_LOOKS}|is-active"):
        yield hazard(
            line,
            "restart-unchecked",
            _("restarts the service without checking that it responds; check its health"),
        )
