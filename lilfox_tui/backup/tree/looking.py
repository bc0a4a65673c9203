"""What can be known of a folder, and of the place where one is to be restored, before anything is read or written."""

from __future__ import annotations

from fnmatch import fnmatchcase

from msgspec import Struct

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.tree.dumping import CANNOT_READ, named
from lilfox_tui.backup.tree_options import TreeOptions
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.text import clean
from lilfox_tui.told import whole

SURVEY_S = 600.0
_PROGRAMS = r"""
printf 'tar %s\n' "$(tar --version 2>/dev/null | head -n 1)"
printf 'find %s\n' "$(find --version 2>/dev/null | head -n 1)"
printf 'uid %s\n' "$(id -u)"
kind() {
    if [ -L "$1" ]; then printf link; elif [ -d "$1" ]; then printf folder; elif [ -f "$1" ]; then printf file
    elif [ -e "$1" ]; then printf other; else printf nothing; fi
}
"""
_LOOK = (
    _PROGRAMS
    + r"""
printf 'kind %s\n' "$(kind "$1")"
[ -r "$1" ] && printf 'readable yes\n'
[ -L "$1" ] && printf 'real %s\n' "$(readlink -f -- "$1")"
exit 0
"""
)
_SURVEY = r"""
cd -P -- "$1" || exit 1
find . -xdev -printf '%y %s\n' 2>/dev/null |
    awk '{ n[$1]++; if ($1 == "f") b += $2 } END { printf "%.0f %.0f\n", n["f"] + 0, b }'
find . -xdev '(' '(' ! -type l ! -readable ')' -o '(' -type d ! -executable ')' ')' -printf 'U%P\0' -prune \
    -o '(' -type b -o -type c -o -type p ')' -printf 'S%P\0' 2>/dev/null | head -c 200000
"""
_PLACE = (
    _PROGRAMS
    + r"""
parent=$1 target=$2
mounted() {
    at=$(readlink -f -- "$1") awk '
        { gsub(/\\040/, " ", $5); gsub(/\\011/, "\t", $5); gsub(/\\012/, "\n", $5); gsub(/\\134/, "\\", $5) }
        $5 == ENVIRON["at"] { found = 1 }
        END { exit !found }' /proc/self/mountinfo 2>/dev/null
}
printf 'kind %s\n' "$(kind "$target")"
[ -d "$parent" ] && printf 'parent folder\n'
[ -w "$parent" ] && [ -x "$parent" ] && printf 'writable yes\n'
[ -d "$target" ] && printf 'devices %s %s\n' "$(stat -c %d -- "$parent")" "$(stat -c %d -- "$target")"
mounted "$target" && printf 'mounted yes\n'
printf 'stat %s\n' "$(stat -c '%u %a' -- "$parent" 2>/dev/null)"
printf 'bytes %s\n' "$(df -Pk -- "$parent" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
printf 'inodes %s\n' "$(df -Pi -- "$parent" 2>/dev/null | awk 'NR == 2 { print $2, $4 }')"
for left in "$parent"/."${target##*/}".lilfox_restore_*; do [ -d "$left" ] && printf 'left %s\n' "${left##*/}"; done
exit 0
"""
)


class Look(Struct, frozen=True):
    """What a script told: words by key."""

    words: dict[str, str]

    def __getitem__(self, key: str) -> str:
        return self.words.get(key, "")

    @property
    def root(self) -> bool:
        """Whether it was root who looked."""
        return self["uid"] == "0"


class Survey(Struct, frozen=True):
    """What is in a folder; ``unreadable`` and ``special`` (devices, pipes) are names below it."""

    files: int
    size_bytes: int
    unreadable: tuple[bytes, ...] = ()
    special: tuple[bytes, ...] = ()


async def look_at_folder(host: Host, folder: str, *, sudo: bool) -> Look:
    """A folder that is to be read: ``kind``, ``readable``, ``real``."""
    return await _look(host, _LOOK, [folder], sudo=sudo)


async def look_at_place(host: Host, parent: str, target: str, *, sudo: bool) -> Look:
    """A place where something is to be restored: ``kind`` of what is there, and of its ``parent``: ``writable``,
    ``devices`` of it and of a folder that is there (of a file overlayfs tells that of its layer), ``mounted``,
    ``bytes``, ``inodes``, ``left``."""
    return await _look(host, _PLACE, [parent, target], sudo=sudo)


async def _look(host: Host, script: str, args: list[str], *, sudo: bool) -> Look:
    done = await host.run_script(script, args, sudo=sudo)
    if not done.ok:
        raise BackupError(tr("{host} could not be looked at: {words}", host=host.name, words=clean(done.stderr)[:300]))
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return Look({key: words for key, _, words in (line.partition(" ") for line in lines)})


async def survey(host: Host, folder: str, *, sudo: bool) -> Survey | None:
    """Counts what is in ``folder``; None where ``find`` is not GNU's or did not come to an end."""
    done = await host.run_script(_SURVEY, [folder], sudo=sudo, timeout_s=SURVEY_S)
    first, _, names = done.stdout.partition(b"\n")
    numbers = first.split()
    if not done.ok or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return None
    found = names.split(b"\0")[:-1]
    return Survey(
        whole(numbers[0]),
        whole(numbers[1]),
        tuple(name[1:] for name in found if name.startswith(b"U")),
        tuple(name[1:] for name in found if name.startswith(b"S")),
    )


def program_checks(host: Host, look: Look) -> list[Check]:
    """GNU tar and GNU find are needed: BusyBox's tar says neither what changed nor keeps attributes and holes."""
    found = []
    for program, words in (("tar", "tar (GNU tar)"), ("find", "find (GNU findutils)")):
        good = look[program].startswith(words)
        have = clean(look[program]) or tr("another {program}, or none", program=program)
        found.append(
            Check(
                tr("{program} on {host}", program=program, host=host.name),
                "good" if good else "bad",
                have if good else tr("{have}: not GNU {program}", have=have, program=program),
                "" if good else tr("install GNU {program} there", program=program),
            )
        )
    return found


def folder_check(folder: str, look: Look) -> Check:
    """Whether there is a real folder that may be read."""
    about = tr("folder {folder}", folder=clean(folder))
    if look["kind"] == "link":
        return Check(
            about,
            "bad",
            tr("a link to {real}", real=clean(look["real"])),
            tr("name the folder itself, so that it can be swapped when it is restored"),
        )
    if look["kind"] != "folder":
        return Check(about, "bad", tr("not there, or no folder"), tr("correct the path; nothing was backed up"))
    if not look["readable"]:
        return Check(about, "bad", tr("it may not be read"), tr("give the right to read it, or set sudo: true"))
    return Check(about, "good", tr("there"))


def content_checks(folder: str, found: Survey | None, options: TreeOptions) -> list[Check]:
    """Of what lies in it: whether it can all be read."""
    about = tr("files in {folder}", folder=clean(folder))
    if found is None:
        return [Check(about, "warning", tr("they could not be counted"))]
    unreadable = [name for name in found.unreadable if not excluded(name, options.exclude)]
    checks = []
    if unreadable:
        checks.append(
            Check(
                about,
                "warning" if options.skip_unreadable else "bad",
                tr("{count} cannot be read: {names}", count=len(unreadable), names=named(unreadable)),
                CANNOT_READ,
            )
        )
    if special := [name for name in found.special if not excluded(name, options.exclude)]:
        checks.append(Check(about, "warning", tr("devices and pipes are left out: {names}", names=named(special))))
    if not found.files:
        checks.append(Check(about, "warning", tr("there is no file in it")))
    return checks or [Check(about, "good", ntr("{count} file", "{count} files", found.files))]


def excluded(name: bytes, globs: tuple[str, ...]) -> bool:
    """Whether tar's ``--exclude`` leaves ``name`` out, or a folder that it is in."""
    parts = name.decode("utf-8", "surrogateescape").split("/")
    return any(
        fnmatchcase("/".join(parts[start:end]), glob)
        for glob in globs
        for end in range(1, len(parts) + 1)
        for start in range(end)
    )
