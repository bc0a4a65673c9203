"""Which members of an archive may become files, and under which name, whoever made the archive.

The rules are those of Python's ``data`` filter (PEP 706) and what was found to pass it since: a name is taken apart
here and put together anew, nothing is ever written through a link, and a link leads to what lies in the same folder.
"""

from __future__ import annotations

from msgspec.structs import replace

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.files.tar import TarMember
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean

LONGEST_NAME = 255
LONGEST_PATH = 4000
"""Bytes; Linux ends at 4096 (PATH_MAX), and the folder beside which is staged comes before it."""
_PRIVILEGED = b"SCHILY.xattr.security."


class SafeMembers:
    """Judges members one after the other, in the archive's order. ``prefix`` is what all names must begin with; what is
    given begins below it, the folder itself is ``b""``."""

    def __init__(self, prefix: bytes, *, links_out: bool, setuid: bool) -> None:
        self._prefix = _parts(prefix)
        self._links_out = links_out
        self._setuid = setuid
        self._links: set[bytes] = set()

    def judged(self, member: TarMember) -> TarMember | None:
        """``member`` as it may be written; None for a folder above ``prefix``. Raises BrokenSet for what must not
        be."""
        parts = self._inner(member.name, member)
        if parts is None:
            if member.kind != "folder":
                raise refused(member, tr("it lies outside of the folder"))
            return None
        if member.kind in ("device", "pipe"):
            raise refused(member, tr("it is a device or a pipe"))
        for end in range(len(parts)):
            if b"/".join(parts[:end]) in self._links:
                raise refused(member, tr("it would be written through a link"))
        name = b"/".join(parts)
        target = member.target
        if member.kind == "link":
            self._judge_link(member, parts)
            self._links.add(name)
        elif name in self._links:
            raise refused(member, tr("it would be written through a link"))
        elif member.kind == "hard link":
            target = self._hard_target(member)
        if not parts and member.kind != "folder":
            raise refused(member, tr("it takes the place of the folder itself"))
        plain = member.kind == "file" and not self._setuid
        return replace(
            member,
            name=name,
            target=target,
            mode=member.mode & 0o1777 if plain else member.mode,
            attributes=tuple(pair for pair in member.attributes if self._setuid or not pair[0].startswith(_PRIVILEGED)),
        )

    def _inner(self, name: bytes, member: TarMember) -> list[bytes] | None:
        """The components of ``name`` below the prefix; None when it lies above."""
        parts = _parts(name)
        if name.startswith(b"/") or b".." in parts:
            raise refused(member, tr("its name leads out of the folder"))
        if len(name) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in parts):
            raise refused(member, tr("its name is too long"))
        depth = len(self._prefix)
        if parts[:depth] == self._prefix:
            return parts[depth:]
        if parts == self._prefix[: len(parts)]:
            return None
        raise refused(member, tr("it lies outside of the folder"))

    def _judge_link(self, member: TarMember, parts: list[bytes]) -> None:
        if not member.target or len(member.target) > LONGEST_PATH:
            raise refused(member, tr("it is a link to nothing"))
        if leads_out(b"/".join(parts), member.target) and not self._links_out:
            raise BrokenSet(
                tr(
                    "{name} is a link that leads out of the folder, to {target}",
                    name=clean(member.name),
                    target=clean(member.target),
                ),
                tr("if that is right, set links_out: true of this source"),
            )

    def _hard_target(self, member: TarMember) -> bytes:
        """The member that a hard link is another name of, below the prefix."""
        parts = self._inner(member.target, member)
        if not parts:
            raise refused(member, tr("it is another name of something outside of the folder"))
        for end in range(1, len(parts) + 1):
            if b"/".join(parts[:end]) in self._links:
                raise refused(member, tr("it is another name of a link"))
        return b"/".join(parts)


def leads_out(name: bytes, target: bytes) -> bool:
    """Whether a symbolic link may lead out of the folder that ``name`` is within. It may go up only at its start: its
    own folder is a real one, but what it passes later may be a link, and ``..`` behind that leads anywhere."""
    if target.startswith(b"/"):
        return True
    parts = _parts(target)
    ups = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    return ups > name.count(b"/") or b".." in parts[ups:]


def refused(member: TarMember, why: Message) -> BrokenSet:
    """What is told of a member that must not be written."""
    return BrokenSet(
        tr("the archive holds what must not be restored: {name}: {why}", name=clean(member.name), why=why),
        tr("nothing was changed; look at who can write to the store, and choose another set"),
    )


def _parts(name: bytes) -> list[bytes]:
    return [part for part in name.split(b"/") if part not in (b"", b".")]
