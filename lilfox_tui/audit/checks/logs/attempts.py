"""SQL injection and path traversal in access logs: the attempts that were answered as if they were no attempts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, unquote_plus

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.redact import redact

# The newest 4 MiB of each log. awk keeps the lines that look like an attempt, and compares their answers with those
# that the same path gives to other requests. What is answered to any path, such as a start page, ignores the attempt.
_REQUESTS = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
logs=$(
    find /var/log/nginx /var/log/apache2 /var/log/httpd /var/log/caddy -xdev -maxdepth 2 -type f -size +0 -mtime -8 \
        \( -name '*access*.log' -o -name '*access_log' \) 2>/dev/null
    IFS='
'
    for file in $LILFOX_LOGS; do case $file in *access*) [ -s "$file" ] && printf '%s\n' "$file" ;; esac; done
)
[ -n "$logs" ] || exit 127
hints='%27|\047|%22|union|select|sleep|benchmark|waitfor|information_schema|xp_cmdshell|[.][.]|%2e|%252e|etc/passwd'
printf '%s\n' "$logs" | sort -u | head -n 20 | while IFS= read -r file; do
    printf 'log %s\n' "$file"
    tail -c 4194304 -- "$file" | awk -F'"' -v hints="$hints" '
        BEGIN { kept = 0 }
        $3 !~ /^ [1-5][0-9][0-9] [0-9-]/ { other++; next }
        { known++; split($2, request, " "); split($3, answer, " "); path = request[2]; sub(/[?].*/, "", path)
          size = answer[1] " " (answer[2] + 0) }
        tolower(request[2]) ~ hints {
            if ((answer[1] == 200 || answer[1] == 500) && kept < 300) {
                paths[kept] = path; sizes[kept] = size; asked[kept++] = request[1] " " substr(request[2], 1, 400) }
            next }
        !((path, size) in usual) { usual[path, size] = 1; shared[size] += (path == "/" ? 3 : 1) }
        answer[1] == 200 && answer[2] + 0 >= most[path] + 0 { most[path] = answer[2] + 0 }
        END { print "known " known + 0 " " other + 0
              for (n = 0; n < kept; n++)
                  if (!((paths[n], sizes[n]) in usual) && !(shared[sizes[n]] > 2))
                      print "> " paths[n] " " sizes[n] " " (paths[n] in most ? most[paths[n]] : "-") "\t" asked[n] }'
done
exit 0
"""
SQL = "SQL injection"
TRAVERSAL = "path traversal"
_SQL = re.compile(
    r"""(?ix) ['"\d)] \s* (?:or|and|\|\||&&) \s+ \(? ['"]? [\w.]+ ['"]? \s* (?:=|<|>|like\b) \s* ['"]? [\w.]*
    | \bunion \s+ (?:all\s+)? select\b | \b(?:pg_sleep|sleep|benchmark|extractvalue|updatexml) \s* \(
    | \bwaitfor \s+ delay\b | \binformation_schema\b | \bxp_cmdshell\b
    | ['"] \s* ; \s* (?:drop|select|insert|update|delete)\b | ['"] \s* (?:--|\#) """
)
_TRAVERSAL = re.compile(
    r"(?i)(?:^|[/\\=])\.\.[/\\].*\.\.[/\\]|(?:^|[/\\=])\.\.[/\\].*(?:etc/passwd|win\.ini)|=/etc/passwd\b"
)
_FILES = re.compile(
    r"(?i)[/\\](?:etc|proc|root|home|windows|winnt)[/\\]|\.env\b|\.ssh\b|id_rsa|(?:win|boot)\.ini|shadow\b"
)
_MOST = 20
_SHOWN = 160


class Attempt(Struct, frozen=True):
    """A request that was answered 200 or 500: the log it is in, what it tries, its path, and the request."""

    log: str
    kind: str
    path: str
    status: int
    request: str


class Attempts(Struct, frozen=True):
    """The attempts, and the logs of which no line has the form of an access log."""

    found: tuple[Attempt, ...]
    unread: tuple[str, ...]


def parse_requests(printed: Printed) -> Attempts:
    """The lines that awk has chosen, read as a server reads them. A search that finds nothing for an injection answers
    200 with a short page; one that was injected answers more than it ever does."""
    if printed.status == NO_PROGRAM:
        raise Absent
    found, unread, log = [], [], ""
    for line in printed.lines():
        kind, _blank, rest = line.partition(" ")
        if kind == "log":
            log = rest
        elif kind == "known":
            known, other = map(int, rest.split())
            if other and not known:
                unread.append(log)
        elif kind == ">":
            answered, _tab, request = rest.partition("\t")
            path, status, size, most = answered.rsplit(" ", 3)
            target = request.partition(" ")[2]
            tried = _tried(target)
            if tried and (status == "500" or _reached(tried, target, size, most)):
                found.append(Attempt(log, tried, _stable(path, tried), int(status), request))
    return Attempts(tuple(found), tuple(unread))


def _reached(tried: str, target: str, size: str, most: str) -> bool:
    """Whether an answer 200 of ``size`` bytes shows that an attempt got what it asked for: a file that is none of the
    site's, or more than the route ever answers otherwise (``most``). A route that is asked nothing else (``-``) may
    ignore its query."""
    if tried == TRAVERSAL:
        is_compared = most != "-" or ".." in unquote(unquote(target.partition("?")[0]))
        return is_compared and bool(_FILES.search(unquote(unquote_plus(target))))
    return most != "-" and int(size) > int(most)


def _tried(target: str) -> str:
    """What a request's path and query try; empty if they try nothing that is known here."""
    decoded = unquote(unquote_plus(target))
    if _TRAVERSAL.search(decoded):
        return TRAVERSAL
    return SQL if _SQL.search(decoded) else ""


def _stable(path: str, tried: str) -> str:
    """The route of a path: what stands before the attempt, numbers replaced."""
    path = unquote(unquote(path))
    path = re.split(r"\.\.[/\\]" if tried == TRAVERSAL else r"['\"(;]|(?i: (?:or|and|union) )", path)[0]
    return re.sub(r"(?<=/)\d+(?=/|$)", "N", path) or "/"


REQUESTS = Fact("attack-requests", _REQUESTS, parse_requests)
_FIXES = {
    SQL: tr("Find the query behind this route. Bind its values as parameters."),
    TRAVERSAL: tr("Find the code that opens a file here. Resolve the path, and refuse what is outside of its folder."),
}


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Routes that answered an attempt with 500, then those that answered 200 unlike they do otherwise."""
    attempts = facts[REQUESTS]
    by_route: dict[tuple[str, str], list[Attempt]] = {}
    for each in attempts.found:
        by_route.setdefault((each.path, each.kind), []).append(each)
    for (path, kind), made in sorted(by_route.items(), key=lambda item: -_worst(item[1]).status)[:_MOST]:
        worst = _worst(made)
        evidence = ntr(
            "{count} request in {log}, such as {request}, answered {status}",
            "{count} requests in {log}, such as {request}, answered {status}",
            len(made),
            log=worst.log,
            request=redact(worst.request)[:_SHOWN],
            status=worst.status,
        )
        severity = AuditSeverity.MEDIUM if kind == SQL and worst.status == 200 else None
        yield AuditFinding(f"{path}: {kind}", evidence, Fix(_FIXES[kind]), severity)
    if attempts.unread and not attempts.found:
        raise NotKnown(tr("{log} is not in the format common or combined", log=attempts.unread[0]))


def _worst(made: Sequence[Attempt]) -> Attempt:
    return max(made, key=lambda each: each.status)


CHECKS = (
    AuditCheck(
        "attack-answered",
        AuditSeverity.HIGH,
        tr("an attack on a route was not refused"),
        tr(
            "A 500 says that the input reached code that did not expect it; a 200 that differs from the usual one may "
            "hold what the attack asked for."
        ),
        (REQUESTS,),
        judge,
        "https://owasp.org/www-community/attacks/SQL_Injection",
    ),
)
