"""Programs that make text of text."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.runbook.readers.awk import only_reads as awk_only_reads
from lilfox_tui.runbook.readers.sed import only_reads as sed_only_reads
from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict
from lilfox_tui.runbook.shell_values import Argument


def _awk(call: Call, _context: Context) -> Verdict:
    if not call.operands or (program := call.operands[0].text) is None:
        return "unknown"
    if any(each.may_be_option for each in call.operands[1:]):
        return "unknown"  # BusyBox takes options behind the program, too
    return "read" if awk_only_reads(program) else "unknown"


def _sed(call: Call, _context: Context) -> Verdict:
    scripts: Sequence[Argument] = call.values("-e", "--expression") or call.operands[:1]
    texts = [each.text for each in scripts]
    return "read" if texts and all(text is not None and sed_only_reads(text) for text in texts) else "unknown"


def _grep_like(call: Call, _context: Context) -> Verdict:
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

TABLE: dict[str, Spec] = {
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
    "tee": Spec(reads="-a --append", operands="{/dev/null|/dev/stdout|/dev/stderr}*"),
    "iconv": Spec(reads="-f=word -t=word -c -l --from-code=word --to-code=word --list", operands="path*"),
    "base64": Spec(reads="-d -i -w=number --decode --ignore-garbage --wrap=number", operands="path"),
    "numfmt": Spec(reads="--to=word --from=word --suffix=text --field=list -d=text --delimiter=text --padding=number "
                   "--header[=number] --format=text --grouping --round=word", operands="text*"),
    "bc": Spec(reads="-l -q"),
}  # fmt: skip
