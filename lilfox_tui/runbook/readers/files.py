"""Files and what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.readers.roles import acts_when_read, holds_devices
from lilfox_tui.runbook.readers.spec import Context, Fed, Spec, Verdict, worst
from lilfox_tui.runbook.shell_values import Argument

_TESTS = frozenset(
    "-empty -true -false -executable -readable -writable -nouser -nogroup -daystart -depth -d -mount -xdev -noleaf "
    "-follow "
    "-ignore_readdir_race -noignore_readdir_race -print -print0 -ls -prune -quit -nowarn -warn -a -o -and -or -not ! "
    "( ) "
    ",".split()
)
_VALUED_TESTS = frozenset(
    "-name -iname -path -ipath -wholename -iwholename -regex -iregex -lname -ilname -type -xtype -size -user -group "
    "-uid "
    "-gid -perm -mtime -atime -ctime -mmin -amin -cmin -newer -anewer -cnewer -newermt -newerct -newerat -maxdepth "
    "-mindepth "
    "-links -inum -samefile -fstype -used -printf -regextype".split()
)


def _find(words: Sequence[Argument], context: Context) -> Verdict:
    """Paths, then an expression of tests; what it runs is judged with a path in it."""
    at = 0
    while at < len(words) and words[at].text in ("-H", "-L", "-P"):
        at += 1
    found: set[Verdict] = {"read"}
    devices = False
    while at < len(words):
        word = words[at]
        if word.may_be_option or word.loose or (word.text or word.head)[:1] in ("(", "!", ")", ","):
            break
        devices |= holds_devices(word)
        at += 1
    while at < len(words):
        text = words[at].text
        if text in ("-exec", "-execdir"):
            end = next((place for place in range(at, len(words)) if words[place].text in (";", "+")), len(words))
            if devices or end == len(words) or (words[end].text == "+" and words[end - 1].text != "{}"):
                return "unknown"
            found.add(context.words([_with_path(word) for word in words[at + 1 : end]], Fed.DATA))
            at = end + 1
        elif text in _TESTS:
            at += 1
        elif text in _VALUED_TESTS and at + 1 < len(words) and words[at + 1].is_one:
            at += 2
        else:
            return "unknown"
    return worst(found)


def _with_path(word: Argument) -> Argument:
    """``{}`` is a path that begins as one of those that are looked through, which are no options."""
    if word.text is None or "{}" not in word.text:
        return word
    before, _mark, after = word.text.partition("{}")
    if "{}" in after:
        return Argument((before, None) if before else (None,), undashed=True)
    pieces = [before] * bool(before) + [None] + [after] * bool(after)
    return Argument(tuple(pieces), undashed=True, many=word.text == "{}")


def _tar(words: Sequence[Argument], _context: Context) -> Verdict:
    """Lists an archive. A name with a colon is one on another machine, and reached by a program."""
    letters = words[0].text if words else None
    if letters is None or not re.fullmatch(r"-?[tvzjJ]*f", letters) or "t" not in letters:
        return "unknown"
    good = len(words) >= 2 and all(
        word.text is not None
        and not word.text.startswith("-")
        and (place or ":" not in word.text)
        and not acts_when_read(word)
        for place, word in enumerate(words[1:])
    )
    return "read" if good else "unknown"


_SUMS = Spec(
    reads="-b -c -t -z -w --check --quiet --status --warn --strict --ignore-missing --tag --binary --text",
    operands="path*", harmless=True,
)  # fmt: skip
_ZCAT = Spec(reads="-f -v --force", operands="path*")

TABLE: dict[str, Spec] = {
    "find": Spec(own=_find),
    "tar": Spec(own=_tar),
    "ls": Spec(
        reads="-a -A -b -B -c -C -d -f -F -g -G -h -H -i -k -l -L -m -n -N -o -p -q -Q -r -R -s -S -t -u -U -v -x -X "
            "-Z -1 "
        "-w=cols -I=pattern -T=cols --all --almost-all --author --color[=when] --classify[=when] --directory "
        "--full-time "
        "--group-directories-first --human-readable --si --inode --ignore=pattern --hide=pattern "
        "--indicator-style=word "
        "--no-group --numeric-uid-gid --reverse --recursive --size --sort=word --time=word --time-style=style "
        "--dereference "
        "--format=word --quoting-style=word --context --zero --width=cols --block-size=size --literal --escape "
        "--file-type",
        operands="path*", harmless=True,
    ),
    "cat": Spec(
        reads="-A -b -e -E -n -s -t -T -u -v --show-all --number --number-nonblank --squeeze-blank --show-ends "
            "--show-tabs "
        "--show-nonprinting",
        operands="path*", harmless=True,
    ),
    "tac": Spec(reads="-b -r -s=text --before --regex --separator=text", operands="path*"),
    "head": Spec(
        reads="-n=number -c=number -q -v -z --lines=number --bytes=number --quiet --silent --verbose --zero-terminated",
        operands="path*", counted=True, harmless=True,
    ),
    "tail": Spec(
        reads="-n=number -c=number -q -v -z -s=number --lines=number --bytes=number --quiet --silent --verbose --retry "
        "--pid=pid --sleep-interval=number --zero-terminated --max-unchanged-stats=number",
        follows="-f -F --follow[=how]", operands="path*", counted=True,
    ),
    "wc": Spec(
        reads="-c -m -l -L -w --bytes --chars --lines --max-line-length --words --files0-from=path --total=when",
        operands="path*", harmless=True,
    ),
    "stat": Spec(
        reads="-L -f -t -c=format --format=format --printf=format --dereference --file-system --terse", operands=
            "path*",
        harmless=True,
    ),
    "file": Spec(
        reads="-b -i -h -L -k -s -N -0 -r --brief --mime --mime-type --mime-encoding --dereference --no-dereference "
        "--keep-going --special-files",
        operands="path*",
    ),
    "readlink": Spec(
        reads="-f -e -m -n -q -s -v -z --canonicalize --canonicalize-existing --canonicalize-missing --no-newline "
            "--zero",
        operands="path*", harmless=True,
    ),
    "realpath": Spec(
        reads="-e -m -L -P -q -s -z --canonicalize-existing --canonicalize-missing --strip --no-symlinks "
            "--relative-to=path "
        "--relative-base=path --quiet --zero",
        operands="path*", harmless=True,
    ),
    "basename": Spec(reads="-a -s=suffix -z --multiple --suffix=suffix --zero", operands="text*", harmless=True),
    "dirname": Spec(reads="-z --zero", operands="text*", harmless=True),
    "namei": Spec(reads="-x -m -o -l -n -v --modes --owners --long --nosymlinks --vertical --mountpoints", operands=
        "path*"),
    "lsattr": Spec(reads="-R -V -a -d -l -p -v", operands="path*"),
    "getfacl": Spec(
        reads="-a -d -c -e -E -s -R -L -P -t -p -n --access --default --omit-header --recursive --absolute-names "
            "--numeric",
        operands="path*",
    ),
    "tree": Spec(
        reads="-a -d -l -f -x -p -u -g -s -h -D -F -q -N -Q -r -t -c -U -v -n -C -A -S -i -J -X -L=number -P=pattern "
        "-I=pattern --du --inodes --noreport --dirsfirst --filelimit=number --prune --timefmt=format --si",
        operands="path*",
    ),
    "du": Spec(
        reads="-0 -a -b -c -D -h -H -k -l -L -m -P -s -S -x -d=number -t=size -B=size -X=path --all --apparent-size "
            "--bytes "
        "--total --human-readable --summarize --one-file-system --max-depth=number --threshold=size --exclude=pattern "
        "--separate-dirs --inodes --si --time[=word] --time-style=style --block-size=size --dereference --null",
        operands="path*", harmless=True,
    ),
    "df": Spec(
        reads="-a -h -H -i -k -l -P -T -t=type -x=type -B=size --all --human-readable --si --inodes --local --no-sync "
        "--portability --print-type --total --type=type --exclude-type=type --output[=fields] --block-size=size",
        operands="path*", harmless=True,
    ),
    "md5sum": _SUMS, "sha1sum": _SUMS, "sha224sum": _SUMS, "sha256sum": _SUMS, "sha384sum": _SUMS, "sha512sum": _SUMS,
    "sum": Spec(reads="-r -s --sysv", operands="path*"),
    "cksum": Spec(operands="path*", harmless=True),
    "xxd": Spec(
        reads="-a -b -C -c=number -d -E -e -g=number -i -l=number -o=number -p -ps -plain -r -s=number -u", operands=
            "path",
        single=True,
    ),
    "od": Spec(
        reads="-a -b -c -d -f -i -l -o -s -x -v -A=radix -j=number -N=number -t=type -w[=number] --address-radix=radix "
        "--skip-bytes=number --read-bytes=number --format=type --output-duplicates --width[=number]",
        operands="path*",
    ),
    "hexdump": Spec(reads="-b -c -C -d -o -x -v -n=number -s=number -e=format --canonical --length=number "
        "--skip=number",
                    operands="path*"),
    "strings": Spec(
        reads="-a -f -n=number -t=radix -e=encoding -w --all --print-file-name --bytes=number --radix=radix "
        "--encoding=encoding",
        operands="path*", counted=True,
    ),
    "cmp": Spec(
        reads="-b -i=number -l -n=number -s --print-bytes --ignore-initial=number --verbose --bytes=number --quiet "
            "--silent",
        operands="path*",
    ),
    "comm": Spec(reads="-1 -2 -3 -z --check-order --nocheck-order --output-delimiter=text --total", operands=
        "path path"),
    "diff": Spec(
        reads="-q -s -c -u -e -n -y -t -T -r -N -i -E -Z -b -w -B -a -d -p -C=number -U=number -W=number -x=pattern "
        "-I=pattern --brief --report-identical-files --context[=number] --unified[=number] --ed --side-by-side "
        "--width=number --suppress-common-lines --show-c-function --label=label --expand-tabs --recursive --new-file "
        "--exclude=pattern --ignore-case --ignore-all-space --ignore-space-change --ignore-blank-lines "
        "--ignore-matching-lines=pattern --text --strip-trailing-cr --minimal --color[=when] --no-dereference",
        operands="path*", counted=True,
    ),
    "zcat": _ZCAT, "bzcat": Spec(operands="path*"), "xzcat": Spec(operands="path*"), "zstdcat": Spec(operands="path*"),
    "which": Spec(reads="-a", operands="text*"),
    "whereis": Spec(reads="-b -m -s -u", operands="text*"),
    "getent": Spec(
        reads="-s=/[a-z_]+(?::[a-z_]+)?/ -i --service=/[a-z_]+(?::[a-z_]+)?/ --no-idn", operands="word text*"
    ),
    "locale": Spec(reads="-a -m -v -c -k", operands="text*"),
    "getconf": Spec(reads="-a -v=word", operands="text*"),
    "zipinfo": Spec(reads="-1 -2 -s -m -l -v -h -t -z", operands="path*"),
    "less": Spec(
        reads="-S -R -r -N -n -F -X -i -I -m -M -E -e -q -s", operands="/[^+].*/*", verdict="interactive"
    ),
}  # fmt: skip
