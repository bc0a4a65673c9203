"""Programs that read files, disks, volumes and git repositories."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import (
    Context,
    Fed,
    ProgramCall,
    Spec,
    Verdict,
    acts_when_read,
    holds_devices,
    worst,
)

# Files and what is in them.


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
    """Judge find: paths, then an expression of tests; a command that it runs is judged with a path in it."""
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
    """Replace ``{}`` by a path that begins like one of the searched ones, which are not options."""
    if word.text is None or "{}" not in word.text:
        return word
    before, _mark, after = word.text.partition("{}")
    if "{}" in after:
        return Argument((before, None) if before else (None,), undashed=True)
    pieces = [before] * bool(before) + [None] + [after] * bool(after)
    return Argument(tuple(pieces), undashed=True, many=word.text == "{}")


def _tar(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge tar that lists an archive. A name with a colon is on another machine, reached by a program."""
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

_FILES_PROGRAMS: dict[str, Spec] = {
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


# Disks, file systems, volumes and arrays.


def _endless(call: ProgramCall, _context: Context) -> Verdict:
    """Judge an optional interval and count: a single number is an interval, which never ends."""
    numbers = [text for text in call.texts if text is not None and re.fullmatch(r"[0-9]+(?:\.[0-9]*)?", text)]
    return "follow" if len(numbers) == 1 else "read"


_LVM = Spec(
    reads="-a -v -o=fields -S=selection -O=keys -q --all --verbose --options=fields --noheadings --nosuffix "
        "--units=unit "
    "--separator=text --segments --select=selection --sort=keys --reportformat=word --unbuffered",
    operands="text*",
)  # fmt: skip
_LVM_DISPLAY = Spec(reads="-v -m -c -C -s --verbose --maps --colon --columns --short --units=unit", operands="text*")
_COLUMNS = (
    "-a -b -d -D -e=list -f -i -I=list -J -l -m -M -n -o=columns -O -p -P -r -s -S -t -T[=column] -x=column -z --all "
    "--bytes "
    "--nodeps --discard --exclude=list --fs --ascii --include=list --json --list --perms --noheadings --output=columns "
    "--output-all --paths --pairs --raw --inverse --scsi --topology --tree[=column] --sort=column --zoned"
)

_HYPERVISOR = "/(?:qemu|xen|lxc|vbox|test):///[a-z]*/"
"""One of this machine: an address of another may name a program."""

_STORAGE_PROGRAMS: dict[str, Spec] = {
    "lsblk": Spec(reads=_COLUMNS, operands="path*"),
    "findmnt": Spec(
        reads="-A -a -b -C -c -D -e -F=path -f -i -J -k -l -m -M=path -n -N=pid -o=columns -O=options -P -R -r "
            "-S=source "
        "-s -T=path -t=types -u -U -v --all --ascii --bytes --df --evaluate --first-only --fstab --invert --json "
        "--kernel "
        "--list --mtab --mountpoint=path --noheadings --output=columns --output-all --options=options --pairs --raw "
        "--submounts --source=source --target=path --types=types --uniq --verify",
        operands="text text",
    ),
    "mount": Spec(reads="-l -t=types -v --show-labels --types=types"),
    "mountpoint": Spec(reads="-q -d -x --quiet --fs-devno --devno --nofollow", operands="path"),
    "blkid": Spec(reads="-o=format -s=tag -p -i -k --output=format --match-tag=tag --probe --info", operands="path*"),
    "lvs": _LVM, "vgs": _LVM, "pvs": _LVM, "lvdisplay": _LVM_DISPLAY, "vgdisplay": _LVM_DISPLAY,
        "pvdisplay": _LVM_DISPLAY,
    "mdadm": Spec(
        reads="-D -E -Q -v -Y -s --detail --examine --query --verbose --brief --export --scan",
        needs="-D -E -Q --detail --examine --query", operands="path*",
    ),
    "smartctl": Spec(
        reads="-a -x -i -H -A -c -j -q=word -l=word -d=word -n=word -T=word -v=text --all --xall --info --health "
            "--attributes "
        "--capabilities --json --scan --scan-open --log=word --device=word --nocheck=word --quietmode=word",
        operands="path",
    ),
    "zpool": Spec(
        subs={
            "status": Spec(reads="-v -x -P -L -D -s -t -T=word -c=/upath|temp|size/", operands="word*", check=_endless),
            "list": Spec(reads="-H -v -p -P -L -o=fields -g -T=word", operands="word*", check=_endless),
            "iostat": Spec(reads="-v -H -l -q -p -y -r -w -T=word", operands="word*", check=_endless),
            "get": Spec(reads="-H -p -o=fields", operands="word*"),
            "history": Spec(reads="-i -l", operands="word*"),
            "events": Spec(reads="-v -H", follows="-f", operands="word*"),
        },
    ),
    "zfs": Spec(
        subs={
            "list": Spec(reads="-H -r -p -d=number -o=fields -s=field -S=field -t=types", operands="word*"),
            "get": Spec(reads="-H -r -p -d=number -o=fields -s=sources -t=types", operands="word*"),
            "holds": Spec(reads="-H -r", operands="word*"),
            "version": Spec(),
        },
    ),
    "btrfs": Spec(
        subs={
            "filesystem": Spec(subs=dict.fromkeys(("show", "df", "usage", "du"), Spec(
                reads="-h -H -b -d -m -s -T --human-readable --raw --mounted --all-devices", operands="path*"))),
            "device": Spec(subs={"stats": Spec(reads="-c --check", operands="path"), "usage": Spec(operands="path*")}),
            "subvolume": Spec(subs={"list": Spec(reads="-a -p -t -o -s -r -u -q", operands="path"),
                                    "show": Spec(operands="path")}),
            "scrub": Spec(subs={"status": Spec(reads="-d -R", operands="path")}),
            "balance": Spec(subs={"status": Spec(reads="-v", operands="path")}),
        },
    ),
    "xfs_info": Spec(operands="path"),
    "tune2fs": Spec(reads="-l", needs="-l", operands="path"),
    "dumpe2fs": Spec(reads="-h -b", operands="path"),
    "multipath": Spec(reads="-ll -l", needs="-ll -l", operands="word", single=True),
    "fdisk": Spec(reads="-l -x -u -o=columns --list --list-details", needs="-l -x --list --list-details", operands=
        "path*"),
    "sfdisk": Spec(reads="-l -d --list --dump", needs="-l -d --list --dump", operands="path*"),
    "lsscsi": Spec(reads="-g -s -v -d -H -i -t --generic --size --verbose --hosts --transport", operands="word"),
    "nvme": Spec(
        subs={"list": Spec(reads="-v -o=word"), "smart-log": Spec(reads="-o=word -H", operands="path"),
              "id-ctrl": Spec(reads="-H", operands="path"), "list-subsys": Spec(operands="path"),
              "error-log": Spec(reads="-e=number", operands="path")},
    ),
    "iscsiadm": Spec(reads="-m={session|node|iface|host} -P=number --mode={session|node|iface|host} --print=number"),
    "exportfs": Spec(reads="-v -s", needs="-v -s", otherwise="unknown"),
    "quota": Spec(reads="-u -g -s -v -a", operands="word*"),
    "repquota": Spec(reads="-a -s -u -g -v", operands="path*"),
    "swapon": Spec(reads="-s --show[=columns] --summary --noheadings --raw --bytes", needs="-s --show --summary"),
    "losetup": Spec(reads="-a -l -J -n -O=columns --all --list --json --noheadings --output=columns"),
    "dmsetup": Spec(subs={"ls": Spec(reads="--tree --target=word"), "info": Spec(reads="-c", operands="word*"),
                          "status": Spec(operands="word*"), "table": Spec(operands="word*"), "deps": Spec(operands=
                              "word*")}),
    "drbdadm": Spec(subs={"status": Spec(operands="word"), "role": Spec(operands="word"), "cstate": Spec(operands=
        "word"),
                          "dstate": Spec(operands="word")}),
    "gluster": Spec(alone="interactive",
        subs={"peer": Spec(subs={"status": Spec()}), "pool": Spec(subs={"list": Spec()}),
              "volume": Spec(subs={"info": Spec(operands="word"), "status": Spec(operands="word*"),
                                   "list": Spec()})},
    ),
    "ipmitool": Spec(
        reads="-H=host -U=user -P=text -I=word -L=word -E -v -c", ends=False,
        subs={
            "sdr": Spec(operands="/list|elist|info|type|all|full|[A-Z][A-Za-z0-9]*/*"),
            "sel": Spec(operands="/list|elist|info|last|[0-9]+/*"),
            "sensor": Spec(subs={"list": Spec(), "get": Spec(operands="text*")}),
            "chassis": Spec(subs={"status": Spec(), "power": Spec(subs={"status": Spec()})}),
            "power": Spec(subs={"status": Spec()}),
            "fru": Spec(operands="/print|list|[0-9]+/*"),
            "mc": Spec(subs={"info": Spec()}),
            "lan": Spec(subs={"print": Spec(operands="number")}),
        },
    ),
    "virsh": Spec(alone="interactive",
        reads=f"-c={_HYPERVISOR} -r -q --connect={_HYPERVISOR} --readonly --quiet",
        subs={
            "list": Spec(reads="--all --inactive --name --uuid --title --state-running --autostart"),
            **dict.fromkeys(("dominfo", "domstate", "domblklist", "domiflist", "dumpxml", "vcpuinfo", "domjobinfo",
                "dommemstat",
                             "domstats", "domifaddr", "net-info", "pool-info", "snapshot-list"), Spec(
                reads="--details --all --config --live --inactive", operands="text text*")),
            "net-list": Spec(reads="--all"), "pool-list": Spec(reads="--all --details"), "vol-list": Spec(operands=
                "word"),
            "nodeinfo": Spec(), "version": Spec(), "capabilities": Spec(), "hostname": Spec(),
        },
    ),
}  # fmt: skip


# git: what looks at a repository, and neither writes files nor runs what is not git.


_COMMITS = (
    "-n=number --max-count=number --skip=number --since=time --until=time --after=time --before=time --author=text "
    "--committer=text "
    "--grep=text -i --all --branches[=text] --tags[=text] --remotes[=text] --merges --no-merges --first-parent "
    "--reverse "
    "--topo-order --date-order --oneline --graph --decorate[=how] --no-decorate --abbrev-commit --abbrev[=number] "
    "--no-abbrev-commit --format=text --pretty[=text] --date=text --left-right --cherry-pick --follow -S=text -G=text "
    "-L=text "
    "--no-color --color[=when] --source --simplify-by-decoration"
)
_DIFFS = (
    "-p -u -s --patch --no-patch --stat[=text] --numstat --shortstat --summary --name-only --name-status --check "
    "--full-index "
    "--raw -w -b --ignore-all-space --ignore-space-change --ignore-blank-lines -U=number --unified=number "
    "--word-diff[=how] "
    "--color-words[=text] --diff-filter=text -M --find-renames[=number] --no-renames --no-ext-diff --no-textconv "
    "--exit-code -q "
    "--quiet -R -a --text --minimal --patience --histogram --no-prefix --dirstat[=text] --no-color --color[=when]"
)
_REVISIONS = Spec(reads=f"{_COMMITS} {_DIFFS}", operands="text*", counted=True)


def _listing(*modes: str) -> Spec:
    """Return the spec of a command that creates something when given a name, unless a listing option is set."""

    def check(call: ProgramCall, _context: Context) -> Verdict:
        return "read" if not call.operands or call.has(*modes) else "change"

    return Spec(
        reads="-a -r -v -vv -l -i --list --all --remotes --verbose --show-current --contains=text --no-contains=text "
            "--merged[=text] "
        "--no-merged[=text] --sort=text --format=text --points-at=text --no-color --color[=when] --column[=how] "
        "--ignore-case "
        "--no-column --no-abbrev --abbrev[=number]",
        operands="text*", check=check,
    )  # fmt: skip


_TABLE = {
    "log": _REVISIONS, "show": _REVISIONS, "shortlog": Spec(reads=f"-s -n -e -c --summary --numbered --email --all "
        f"{_COMMITS}".replace(
        " -n=number", ""), operands="text*"),
    "diff": Spec(reads=f"--cached --staged --merge-base {_DIFFS}", operands="text*"),
    "status": Spec(reads="-s -b -v --short --branch --porcelain[=version] --long --verbose -u[=mode] "
        "--untracked-files[=mode] "
                   "--ignored[=mode] -z --ahead-behind --no-ahead-behind --show-stash --no-renames --column[=how]",
                   operands="path*"),
    "rev-parse": Spec(reads="--short[=number] --verify -q --quiet --abbrev-ref[=how] --symbolic-full-name "
        "--show-toplevel "
                      "--git-dir --absolute-git-dir --is-inside-work-tree --is-bare-repository --show-prefix "
                      "--is-shallow-repository --all", operands="text*"),
    "describe": Spec(reads="--all --tags --contains --abbrev[=number] --always --dirty[=mark] --long --match=text "
        "--exclude=text "
                     "--exact-match --first-parent", operands="text*"),
    "ls-files": Spec(reads="-c -d -m -o -i -s -u -t -v -z --cached --deleted --modified --others --ignored --stage "
        "--unmerged "
                     "--exclude-standard --full-name --error-unmatch", operands="path*"),
    "ls-tree": Spec(reads="-d -r -t -l -z --name-only --long --full-name --full-tree", operands="text*"),
    "blame": Spec(reads="-L=text -l -t -s -e -w -M -c -n -f --date=text --porcelain --line-porcelain --since=time",
        operands=
        "text*"),
    "rev-list": Spec(reads=f"--count --objects {_COMMITS}", operands="text*", counted=True),
    "cat-file": Spec(reads="-t -s -p -e", operands="text text"),
    "merge-base": Spec(reads="-a --all --is-ancestor --fork-point --octopus", operands="text*"),
    "name-rev": Spec(reads="--name-only --tags --refs=text --all", operands="text*"),
    "for-each-ref": Spec(reads="--count=number --sort=text --format=text --points-at=text --contains=text", operands=
        "text*"),
    "show-ref": Spec(reads="-q -s -d --head --tags --heads --verify --quiet --hash[=number] --dereference", operands=
        "text*"),
    "count-objects": Spec(reads="-v -H --verbose --human-readable"),
    "diff-tree": Spec(reads=f"-r -t --root --no-commit-id {_DIFFS}", operands="text*"),
    "grep": Spec(reads="-n -i -w -v -l -L -c -E -F -G -P -h -H -o -q -e=pattern -A=number -B=number -C=number --cached "
                 "--line-number --ignore-case --count --files-with-matches --no-color", operands="text*"),
    "branch": _listing("--list"),
    "tag": _listing("-l", "--list"),
    "remote": Spec(reads="-v --verbose", subs={"show": Spec(reads="-n", operands="/[A-Za-z0-9_.-]+/*"), "get-url": Spec(
        reads="--push --all", operands="text")}),
    "stash": Spec(alone="change", subs={"list": Spec(), "show": Spec(reads=_DIFFS, operands="text")}),
    "config": Spec(
        reads="-l --get --get-all --get-regexp --list --global --local --system --worktree --show-origin --show-scope "
            "--name-only "
        "-z --null --type=word --bool --int",
        needs="-l --get --get-all --get-regexp --list", operands="text text",
    ),
    "reflog": Spec(reads=f"{_COMMITS} {_DIFFS}", subs={"show": _REVISIONS}, counted=True),
    "worktree": Spec(subs={"list": Spec(reads="--porcelain -v")}, otherwise="change"),
    "submodule": Spec(subs={"status": Spec(reads="--recursive --cached", operands="path*")}, otherwise="change"),
    "version": Spec(),
}  # fmt: skip

_GIT_PROGRAMS: dict[str, Spec] = {
    "git": Spec(reads="-C=path --no-pager -P --no-optional-locks --version", subs=_TABLE, permutes=False),
}  # fmt: skip

TABLES = (_FILES_PROGRAMS, _STORAGE_PROGRAMS, _GIT_PROGRAMS)
