"""git: what looks at a repository, and neither writes files nor runs what is not git."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict

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
    """Names things where it gets a name, unless it is told to list."""

    def check(call: Call, _context: Context) -> Verdict:
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

TABLE: dict[str, Spec] = {
    "git": Spec(reads="-C=path --no-pager -P --no-optional-locks --version", subs=_TABLE, permutes=False),
}  # fmt: skip
