"""Programs that transform text, and the scripts of awk and sed that only read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, ProgramCall, Spec, Verdict

# Whether a program of awk only reads: strings, regular expressions and comments are told apart first.
#
# It may not write, run, read by ``getline``, or load anything; where awks differ in what a character begins, it is not
# said to read.


_TOKEN = re.compile(
    r"(?P<blank>[ \t]+)|(?P<newline>\n)|(?P<comment>#[^\n]*)|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<operator>=|<=|==|!=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|\^=|!~|[-+*%^!<>~?:,;(){}\[\]$=])"
)
_REGEX = re.compile(r"/((?:[^/\\\n\[\]]|\\[^\n]|\[\^?+\]?+(?:\[:[a-z]++:\]|[^\]\\/\n\[]|\\[^\n/])*+\])*+)/")
_ACTS = frozenset("system getline close fflush extension include load namespace".split())
_BEFORE_REGEX = frozenset("print printf return in case else do".split())
_OPEN_ENDED = frozenset(
    "length getline print printf return exit delete rand srand next nextfile BEGIN END BEGINFILE ENDFILE".split()
)


def awk_only_reads(program: str) -> bool:
    """Return whether a script or statement only reads; False also if unknown."""
    at, depth, prints = 0, 0, False
    before, kind = "", ""
    while at < len(program):
        if program[at] == "/" and not _divides(before, kind, program, at):
            found = _REGEX.match(program, at)
            if found is None or before in (")", "++", "--") or before in _OPEN_ENDED - _BEFORE_REGEX:
                return False
            before, kind, at = "/", "regex", found.end()
            continue
        if program[at] == "/":
            before, kind = "/", "operator"
            at += 2 if program.startswith("/=", at) else 1
            continue
        found = _TOKEN.match(program, at)
        if found is None or found[0] in _ACTS:
            return False
        at = found.end()
        if found.lastgroup in ("blank", "comment"):
            continue
        before, kind = found[0], found.lastgroup or ""
        depth += (before in ("(", "[")) - (before in (")", "]"))
        if before in ("print", "printf"):
            if depth:
                return False
            prints = True
        elif before in (";", "{", "}") and depth <= 0:
            prints, depth = False, 0
        elif before in (">", ">>") and prints and depth <= 0:
            return False
    return True


def _divides(before: str, kind: str, program: str, at: int) -> bool:
    """Whether a ``/`` is a division: after a value. After ``)`` it may also begin a regular expression, unless no other
    ``/`` follows."""
    if kind == "number" or before == "]" or (kind == "string"):
        return True
    if kind == "name":
        return before not in _BEFORE_REGEX | _OPEN_ENDED
    return before == ")" and "/" not in program[at + 1 :]


# Whether a script of sed only reads: it may not write, run, or read other files.


_BLANK = re.compile(r"[ \t]*")
_NUMBER = re.compile(r"[0-9]+(?:~[0-9]+)?|\$")
_RANGE = re.compile(r"[+~][0-9]+")
_FLAGS = re.compile(r"[gpIiMm0-9]*")
_PLAIN = frozenset("=dDgGhHlnNpPxz")
_LABELLED = re.compile(r"[btT][ \t]*[A-Za-z0-9_]*")
_QUITS = re.compile(r"[qQ][ \t]*[0-9]*")


class _UnclearSed(Exception):
    pass


def sed_only_reads(script: str) -> bool:
    """Return whether a script or statement only reads; False also if unknown."""
    at = 0
    try:
        while at < len(script):
            at = _command(script, at)
    except (_UnclearSed, IndexError):
        return False
    return True


def _command(script: str, at: int) -> int:
    """Parse one sed command with its addresses and the separator after it; return the position after them."""
    while at < len(script) and script[at] in " \t\n;":
        at += 1
    if at >= len(script):
        return at
    if script[at] == "#":
        end = script.find("\n", at)
        return len(script) if end < 0 else end + 1
    at = _addresses(script, at)
    character = script[at]
    if character == "{":
        return at + 1
    if character == ":":
        found = re.compile(r":[ \t]*[A-Za-z0-9_]+").match(script, at)
        if found is None:
            raise _UnclearSed
        return _ended(script, found.end())
    if character in "sy":
        return _ended(script, _substitution(script, at))
    if character in _PLAIN or character == "}":
        return _ended(script, at + 1)
    found = _LABELLED.match(script, at) or _QUITS.match(script, at)
    if found is None:
        raise _UnclearSed
    return _ended(script, found.end())


def _ended(script: str, at: int) -> int:
    at = _skip(script, at)
    if at < len(script) and script[at] not in ";\n}":
        raise _UnclearSed
    return at


def _skip(script: str, at: int) -> int:
    found = _BLANK.match(script, at)
    return found.end() if found else at


def _addresses(script: str, at: int) -> int:
    first = _address(script, at)
    if first != at:
        at = _skip(script, first)
        if script[at] == ",":
            at = _skip(script, at + 1)
            found = _RANGE.match(script, at)
            second = found.end() if found else _address(script, at)
            if second == at:
                raise _UnclearSed
            at = second
    at = _skip(script, at)
    while script[at] in "! \t":
        at += 1
    return at


def _address(script: str, at: int) -> int:
    if found := _NUMBER.match(script, at):
        return found.end()
    if script[at] == "/":
        at = _delimited(script, at + 1, "/")
    elif script[at] == "\\":
        at = _delimited(script, at + 2, script[at + 1])
    else:
        return at
    while at < len(script) and script[at] in "IM":
        at += 1
    return at


def _substitution(script: str, at: int) -> int:
    delimiter = script[at + 1]
    middle = _delimited(script, at + 2, delimiter)
    end = _delimited(script, middle, delimiter, pattern=False)
    flags = _FLAGS.match(script, end) if script[at] == "s" else None
    return flags.end() if flags else end


def _delimited(script: str, at: int, delimiter: str, *, pattern: bool = True) -> int:
    """Return the position after the next delimiter. Versions of sed differ on delimiters between ``[`` and ``]``, so
    none may occur there."""
    if delimiter.isalnum() or delimiter in "\\\n \t;{}[]":
        raise _UnclearSed
    opened, began = False, 0
    while True:
        character = script[at]
        if opened and script.startswith("[:", at):
            at = script.find(":]", at) + 2
            if at < 2:
                raise _UnclearSed
            continue
        if character == "\\":
            if script[at + 1] == "\n":
                raise _UnclearSed
            at += 2
            continue
        if character == "\n" or (character == delimiter and opened):
            raise _UnclearSed
        if character == delimiter:
            return at + 1
        if pattern and character == "[" and not opened:
            opened, began = True, at + 1 + script.startswith("^", at + 1)
        elif character == "]" and at > began:
            opened = False
        at += 1


# Programs that make text of text.


def _awk(call: ProgramCall, _context: Context) -> Verdict:
    if not call.operands or (program := call.operands[0].text) is None:
        return "unknown"
    if any(each.may_be_option for each in call.operands[1:]):
        return "unknown"  # BusyBox takes options behind the program, too
    return "read" if awk_only_reads(program) else "unknown"


def _sed(call: ProgramCall, _context: Context) -> Verdict:
    scripts: Sequence[Argument] = call.values("-e", "--expression") or call.operands[:1]
    texts = [each.text for each in scripts]
    return "read" if texts and all(text is not None and sed_only_reads(text) for text in texts) else "unknown"


def _grep_like(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if call.operands or call.has("-e", "-f", "--regexp", "--file") else "unknown"


_AWK = Spec(
    reads="-F=text -v=/[A-Za-z_][A-Za-z0-9_]*=[^\\x00-\\x1f]*/", operands="text text*", permutes=False, check=_awk
)
_GREP = Spec(
    reads="-E -F -G -P -i -v -w -x -c -L -l -q -s -b -H -h -n -T -Z -a -I -U -z -o -r -R -e=pattern -f=path -m=number "
    "-A=number -B=number -C=number -d=how -D=how --extended-regexp --fixed-strings --basic-regexp --perl-regexp "
    "--regexp=pattern "
    "--file=path --ignore-case --no-ignore-case --invert-match --word-regexp --line-regexp --count --color[=when] "
    "--colour[=when] --files-without-match --files-with-matches --max-count=number --only-matching --quiet --silent "
    "--no-messages --byte-offset --with-filename --no-filename --label=text --line-number --line-buffered "
    "--initial-tab --null "
    "--after-context=number --before-context=number --context=number --text --binary-files=word --exclude=pattern "
    "--exclude-dir=pattern --exclude-from=path --include=pattern --recursive --dereference-recursive --binary "
    "--null-data "
    "--directories=how --devices=how",
    operands="text*", counted=True, harmless=True, check=_grep_like,
)  # fmt: skip
_JQ = Spec(
    reads="-c -r -R -n -s -S -e -a -M -C -j --arg=name --argjson=name --args --seq --stream --compact-output "
        "--raw-output --raw-input --null-input --slurp --sort-keys "
    "--exit-status --ascii-output --monochrome-output --color-output --join-output --tab --indent=number -f=path "
    "--from-file=path",
    operands="text*", harmless=True,
)  # fmt: skip

_TEXT_PROGRAMS: dict[str, Spec] = {
    "grep": _GREP, "egrep": _GREP, "fgrep": _GREP,
    "zgrep": Spec(reads="-i -v -c -l -n -h -H -o -w -E -F -e=pattern -A=number -B=number -C=number", operands=
        "text path*"),
    "awk": _AWK, "gawk": _AWK, "mawk": _AWK,
    "sed": Spec(
        reads="-n -E -r -u -s -z -e=text --quiet --silent --regexp-extended --unbuffered --separate --null-data "
        "--expression=text",
        operands="text*", check=_sed,
    ),
    "jq": _JQ,
    "yq": Spec(reads="-r -e", operands="/[^=]*/ path*"),
    "cut": Spec(
        reads="-b=list -c=list -d=text -f=list -n -s -z --bytes=list --characters=list --delimiter=text --fields=list "
        "--complement --only-delimited --output-delimiter=text",
        operands="path*", harmless=True,
    ),
    "sort": Spec(
        reads="-b -d -f -g -h -i -M -n -r -R -V -c -C -m -s -u -z -k=key -t=text --ignore-leading-blanks "
            "--dictionary-order "
        "--ignore-case --general-numeric-sort --ignore-nonprinting --month-sort --human-numeric-sort --numeric-sort "
        "--random-sort --reverse --version-sort --check[=how] --key=key --merge --stable --field-separator=text "
        "--unique "
        "--zero-terminated --parallel=number --sort=word",
        operands="path*",
    ),
    "uniq": Spec(
        reads="-c -d -D -i -u -z -f=number -s=number -w=number --count --repeated --all-repeated[=how] "
            "--skip-fields=number "
        "--group[=how] --ignore-case --skip-chars=number --unique --zero-terminated --check-chars=number",
        operands="path",
    ),
    "tr": Spec(
        reads="-c -C -d -s -t --complement --delete --squeeze-repeats --truncate-set1", operands="text text"
    ),
    "column": Spec(
        reads="-t -x -e -L -J -s=text -o=text -c=number -N=names -R=columns -H=columns -T=columns -l=number "
            "--table --json "
        "--separator=text --output-separator=text --output-width=number --table-columns=names --table-right=columns",
        operands="path*",
    ),
    "nl": Spec(reads="-b=style -d=text -f=style -h=style -i=number -l=number -n=format -p -s=text -v=number -w=number "
               "--body-numbering=style --number-width=number --number-separator=text", operands="path*"),
    "fold": Spec(reads="-b -s -w=number --bytes --spaces --width=number", operands="path*", counted=True),
    "fmt": Spec(reads="-c -s -t -u -w=number --width=number --split-only", operands="path*"),
    "paste": Spec(reads="-d=text -s -z --delimiters=text --serial --zero-terminated", operands="path*"),
    "join": Spec(reads="-a=number -e=text -i -j=number -o=format -t=text -v=number -1=number -2=number -z "
        "--ignore-case "
                 "--check-order --nocheck-order --header", operands="path path"),
    "expand": Spec(reads="-i -t=list --initial --tabs=list", operands="path*"),
    "rev": Spec(operands="path*"),
    "seq": Spec(reads="-f=format -s=text -w --format=format --separator=text --equal-width", operands="text*"),
    "yes": Spec(operands="text*"),
    "tee": Spec(reads="-a --append", operands="{/dev/null|/dev/stdout|/dev/stderr}*"),
    "iconv": Spec(reads="-f=word -t=word -c -l --from-code=word --to-code=word --list", operands="path*"),
    "base64": Spec(reads="-d -i -w=number --decode --ignore-garbage --wrap=number", operands="path"),
    "numfmt": Spec(reads="--to=word --from=word --suffix=text --field=list -d=text --delimiter=text --padding=number "
                   "--header[=number] --format=text --grouping --round=word", operands="text*"),
    "bc": Spec(reads="-l -q"),
}  # fmt: skip

TABLES = (_TEXT_PROGRAMS,)
