"""Backups that other programs make: when each was finished and how large it is, read without their passwords.

Nothing of them is proven here: a set of theirs is ``foreign``, never ``intact``. Where LilFox drives the program
(``sources/pgbackrest``, ``sources/restic``), what it has proven is kept beside the repository, on this machine.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from lilfox_tui.backup.checks import Check, check_text
from lilfox_tui.backup.plan import BackupRequest
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Proof, Status
from lilfox_tui.backup.store import BackupError, StoreError, refuse_bad
from lilfox_tui.config.foreign import ForeignPlace, ForeignPlanConfig
from lilfox_tui.core import files, paths
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, clauses, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.jobs.model import Outcome, Run

_TIMEOUT_S = 120.0
_LIMIT_BYTES = 32 * 1024 * 1024
_MOST = 10_000
"""Backups of one plan that are listed, the newest."""
_NONE = 3
"""Exit status of a script where there is no repository, or none that the account may read."""
_FAILED = 4
"""…where a part of it cannot be read."""
# The times are those of the files that each program writes last, at the end of a backup. Of Borg only the last write
# can be told: its archives are encrypted.
_RESTIC = r"""
[ -f "$1/config" ] && [ -r "$1/snapshots" ] && [ -d "$1/index" ] || exit 3
find "$1/snapshots" -type f -exec stat -c '%Y 0 %n' {} + || exit 4
size=$(nice -n 19 du -sk "$1" | cut -f 1) || exit 4
printf 'size %s\n' "$size"
"""
_BORG = r"""
[ -r "$1/config" ] && [ -d "$1/data" ] && grep -qs 'Borg Backup repo' "$1/README" || exit 3
newest=$(find "$1" -maxdepth 1 -type f -name 'index.*' -exec stat -c %Y {} + | sort -n | tail -n 1)
[ -n "$newest" ] && printf '%s 0 %s\n' "$newest" "$1/last-write"
size=$(nice -n 19 du -sk "$1" | cut -f 1) || exit 4
printf 'size %s\n' "$size"
"""
_PGBACKREST = r"""
[ -r "$1/backup" ] && [ -d "$1/archive" ] || exit 3
cd "$1/backup" || exit 3
for stanza in ${2:-*}; do
    [ -f "$stanza/backup.info" ] || { [ -n "$2" ] && exit 3; continue; }
    printf 'of %s %s\n' "$(stat -c %Y "$stanza/backup.info")" "$stanza"
    cat "$stanza/backup.info" || exit 4
    echo
done
"""
_BARMAN = r"""
[ -r "$1" ] || exit 3
cd "$1" || exit 3
found=
for server in ${2:-*}; do
    [ -d "$server/base" ] || continue
    found=1
    [ -r "$server/base" ] || exit 4
    for info in "$server"/base/*/backup.info "$server"/meta/*-backup.info; do
        [ -f "$info" ] || continue
        printf 'of %s\n' "$server"
        grep -E '^(backup_id|end_time|size|deduplicated_size|status|error)=' "$info" || exit 4
        name=${info%?backup.info}; printf 'id=%s\n' "${name##*/}"
    done
done
[ -n "$found" ] || exit 3
"""
_NAMES = {"restic": "restic", "borg": "Borg", "pgbackrest": "pgBackRest", "barman": "Barman"}
_SNAPSHOT = re.compile(r"[0-9a-f]{64}")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class ForeignBackup(Struct, frozen=True):
    """A backup as the other program tells of it; ``failed``: why it is none. ``size_bytes`` is None where nobody
    tells; ``what`` says of what it is the size."""

    name: str
    at: datetime
    size_bytes: int | None = None
    what: str = ""
    failed: Message | str = ""


class ForeignRepository:
    """A repository, or a command, of another program. Only its sets can be read."""

    def __init__(self, place: ForeignPlace, config: ForeignPlanConfig, host: Host) -> None:
        self._place, self._config, self._host = place, config, host
        self.name = self.where = config.place

    async def free_bytes(self) -> int | None:
        """Not asked."""
        return None

    async def close(self) -> None:
        """Nothing is open: the host is closed by who opened it."""

    async def sets(self) -> list[BackupSet]:
        """Return its backups, newest first. Raises HostError, StoreError."""
        config = self._config
        if config.tool == "command":
            found = await self._told(config)
        else:
            found = _READERS[config.tool][1](await self._read(config))
        found = sorted(found, key=lambda each: (each.at, each.name), reverse=True)[:_MOST]
        return [_set(each, self._place.plan, config.tool) for each in found]

    async def _read(self, config: ForeignPlanConfig) -> str:
        path, name = str(config.path), _NAMES[config.tool]
        if config.server is not None and not _SERVER.fullmatch(config.server):
            raise StoreError(tr("{name} is no name of a server or stanza", name=config.server))
        script = _READERS[config.tool][0]
        args = (path.rstrip("/") or "/", config.server or "")
        done = await self._host.run_script(
            script, args, timeout_s=_TIMEOUT_S, limit_bytes=_LIMIT_BYTES, sudo=config.sudo
        )
        if done.exit_status == _NONE:
            raise StoreError(
                tr("{path}: no repository of {name} that the account may read", path=self.where, name=name),
                tr("correct the path, or set sudo: true"),
            )
        if not done.ok or done.truncated:
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [str(done.ending)]
            raise StoreError(tr("{path}: the repository of {name} cannot be read: {why}",
                                path=self.where, name=name, why=why[0]),
                             tr("set sudo: true, or give the account the right to read it"))  # fmt: skip
        return done.stdout.decode("utf-8", "replace")

    async def _told(self, config: ForeignPlanConfig) -> list[ForeignBackup]:
        done = await self._host.run(
            config.command, timeout_s=_TIMEOUT_S, limit_bytes=_LIMIT_BYTES, sudo=config.sudo, env={"TZ": "UTC"}
        )
        name = config.command[0]
        if not done.ok or done.truncated:
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [str(done.ending)]
            raise StoreError(tr("{name} failed: {why}", name=name, why=why[0]),
                             tr("run the command on the host: it must end with 0"))  # fmt: skip
        try:
            return told(done.stdout.decode("utf-8", "replace"))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError) as error:
            raise StoreError(
                tr("the answer of {name} is not understood: {why}", name=name, why=_short(str(error))),
                tr("print the JSON of restic, borg or pgbackrest, or lines of a time, a size and a name"),
            ) from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def _set(each: ForeignBackup, plan: str, tool: str) -> BackupSet:
    part = FoundPart(
        name=each.name, source=each.what or tool, source_kind=tool, kind="foreign", size_bytes=each.size_bytes or 0
    )
    status = Status.BROKEN if each.failed else Status.FOREIGN
    return BackupSet(
        id=each.name, created=each.at, status=status, reason=each.failed, fault=each.failed, plan=plan,
        parts=() if each.size_bytes is None else (part,),
    )  # fmt: skip


def _time(word: str) -> datetime:
    """A time as seconds since 1970 or ISO 8601; without an offset it is UTC."""
    if re.fullmatch(r"\d{1,11}(?:\.\d{1,9})?", word):
        return datetime.fromtimestamp(float(word), UTC)
    word = re.sub(r"(\.\d{6})\d+", r"\1", word)  # restic tells nanoseconds
    at = datetime.fromisoformat(word)
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


# What the scripts print.


def _of_files(text: str) -> list[ForeignBackup]:
    """Lines ``TIME 0 PATH``, then ``size KIB`` of the whole repository: the newest backup shows it."""
    found, size = [], 0
    for line in text.splitlines():
        first, _space, rest = line.partition(" ")
        if first == "size":
            size = int(rest) * 1024
            continue
        name = rest.rpartition("/")[2]
        if _SNAPSHOT.fullmatch(name) or name == "last-write":
            found.append(ForeignBackup(name[:12], _time(first)))
    if not found:
        return []
    newest = max(found, key=lambda each: (each.at, each.name))
    whole = ForeignBackup(newest.name, newest.at, size, str(tr("whole repository")))
    return [whole, *(each for each in found if each is not newest)]


def _of_pgbackrest(text: str) -> list[ForeignBackup]:
    """``backup.info`` of each stanza; of one that is encrypted its time is the newest backup's."""
    found: list[ForeignBackup] = []
    stanza, modified, section, plain = "", "", "", True
    for line in [*text.splitlines(), "of 0 "]:
        if line.startswith("of "):
            if stanza and not plain:
                found.append(ForeignBackup(stanza, _time(modified)))
            _of, modified, stanza = line.split(" ", 2)
            section, plain = "", False
        elif re.fullmatch(r"\[[a-z:]+\]", line):
            section, plain = line, True
        elif section == "[backup:current]" and "=" in line:
            label, _equals, value = line.partition("=")
            found.append(_of_label(label, json.loads(value), stanza))
    return found


def _of_label(label: str, about: dict[str, Any], stanza: str) -> ForeignBackup:
    size = about.get("backup-info-repo-size-delta", about.get("backup-info-size"))
    failed = tr("pgBackRest found damaged pages in it") if about.get("backup-error") is True else ""
    return ForeignBackup(label, _time(str(about["backup-timestamp-stop"])), size, stanza, failed)


def _of_barman(text: str) -> list[ForeignBackup]:
    """``backup.info`` of each backup, from 3.13.2 on in ``meta``: those that are being made are not there yet, failed
    ones are no backups."""
    found: dict[tuple[str, str], ForeignBackup] = {}
    server = ""
    about: dict[str, str] = {}
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        if line.startswith("of "):
            server, about = line[3:], {}
        elif key != "id":
            about[key] = value
        elif about.get("end_time", "None") not in ("None", ""):
            size = about.get("deduplicated_size", about.get("size", ""))
            size = about.get("size", "") if not size.isdecimal() else size
            failed = "Barman: " + about.get("error", "FAILED") if about.get("status") == "FAILED" else ""
            at = _time(about["end_time"])
            of = int(size) if size.isdecimal() else None
            found[server, value] = ForeignBackup(value, at, of, server, failed)
    return list(found.values())


_Reader = tuple[str, Callable[[str], list[ForeignBackup]]]
_READERS: dict[str, _Reader] = {
    "restic": (_RESTIC, _of_files),
    "borg": (_BORG, _of_files),
    "pgbackrest": (_PGBACKREST, _of_pgbackrest),
    "barman": (_BARMAN, _of_barman),
}


# What a command prints.


def told(text: str) -> list[ForeignBackup]:
    """Return the backups that a command's answer tells of: the JSON of restic, Borg or pgBackRest, else a line for
    each with its time and, if there are, size in bytes and name. Raises ValueError and what goes with it for any
    other answer."""
    if text.lstrip()[:1] in ("[", "{"):
        return list(_of_json(json.loads(text)))
    lines = [line.split(None, 2) for line in text.splitlines() if line.strip()]
    return [
        ForeignBackup(
            words[2].strip() if len(words) > 2 else f"{_time(words[0]):%Y%m%d_%H%M%S}",
            _time(words[0]),
            int(words[1]) if len(words) > 1 else None,
        )
        for words in lines
    ]


def _of_json(answer: Any) -> Iterator[ForeignBackup]:
    for each in answer["archives"] if isinstance(answer, dict) else answer:
        if "backup" in each:
            for one in each["backup"]:
                info, stop = one.get("info", {}), one["timestamp"]["stop"]
                size = info.get("repository", {}).get("delta", info.get("size"))
                failed = tr("pgBackRest found damaged pages in it") if one.get("error") is True else ""
                yield ForeignBackup(str(one["label"]), _time(str(stop)), size, str(each["name"]), failed)
        elif "archive" in each:
            yield ForeignBackup(str(each["name"]), _time(each["time"]))
        else:
            summary = each.get("summary", {})
            ended = summary.get("backup_end", each["time"])
            size = summary.get("data_added_packed", summary.get("data_added"))
            yield ForeignBackup(str(each["id"])[:12], _time(ended), size, str(each.get("hostname", "")))


# What LilFox has proven of sets in the repository of another program: one file for each set, in the state folder of the
# machine that made the proof. The repository is the other program's own: LilFox writes nothing into it.


_KEPT = 2000
"""Proofs of a program on this machine, the newest: repositories remove backups without asking."""
_PROOF_BYTES = 64 * 1024


def read_proofs(folder: str, identities: Mapping[str, str]) -> dict[str, Proof]:
    """Return the newest proof of each set, by its id. ``folder`` is the name of the program's folder of state,
    ``identities`` a digest of what makes each set the one that was looked at. Blocks."""
    found: dict[str, Proof] = {}
    for name, identity in identities.items():
        for place in paths.all_folders(folder):
            proof = _read_proof(place / f"{identity[:32]}.json")
            if proof is None or (proof.set, proof.manifest) != (name, identity):
                continue
            if name not in found or proof.at > found[name].at:
                found[name] = proof
    return found


def _read_proof(file: Path) -> Proof | None:
    try:
        raw = file.read_bytes()
        return None if len(raw) > _PROOF_BYTES else msgspec.json.decode(raw, type=Proof)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


async def put_proof(folder: str, made: Proof, before: Proof | None) -> Proof:
    """Write a proof, whose ``manifest`` is the set's identity, and return it. Reading files proves nothing about a
    restore: an earlier test stays (``before``), unless it is broken. Raises BackupError."""
    if made.level == "intact" and before is not None and before.level == "restored":
        made = msgspec.structs.replace(before, at=made.at)
    await asyncio.to_thread(_write_proof, folder, made)
    return made


def _write_proof(name: str, proof: Proof) -> None:
    try:
        folder = paths.own_folder(name)
        place, mode = folder / f"{proof.manifest[:32]}.json", paths.modes(folder)[1]
        files.replace_file(place, msgspec.json.encode(proof), mode=mode)
        known = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in known[:-_KEPT]:
            with suppress(OSError):
                file.unlink()
    except OSError as error:
        raise BackupError(tr("the proof of {set} cannot be written: {error}", set=proof.set, error=error.strerror),
                          paths.write_hint(error)) from None  # fmt: skip


# Programs that make, verify and restore the sets of a plan for LilFox: a folder in ``sources/`` each.


class EngineRestore(Struct, frozen=True, kw_only=True):
    """What a restore by another program would do: it makes the new folder ``into``, and changes nothing else.
    ``checks`` are all that can be made before it writes."""

    into: str
    checks: list[Check]

    @property
    def ready(self) -> bool:
        """Whether the checks allow it."""
        return all(check.state != "bad" for check in self.checks)

    def begin(self, run: Run) -> None:
        """Tell the checks. Raises NotReady if one of them failed."""
        for check in self.checks:
            run.say(check_text(check), check.state)
        refuse_bad(self.checks)


class BackupEngine(Protocol):
    """The program of one plan."""

    async def preflight(self, request: BackupRequest) -> list[Check]:
        """Check what could make a run fail, and estimate how long it takes. Raises HostError."""
        ...

    async def look(self, request: BackupRequest) -> EngineRestore:
        """Return what a restore would do, without writing. Raises UsageError, BackupError, HostError."""
        ...

    async def would_remove(self, request: BackupRequest) -> list[str]:
        """Return the ids of the sets that pruning would remove. Raises BackupError, HostError."""
        ...

    async def act(self, kind: str, run: Run, request: BackupRequest) -> Outcome:
        """Do what the job's kind says: ``backup``, ``verify``, ``drill``, ``prune``, ``restore``. Raises BackupError,
        HostError."""
        ...


async def drill_after_run(run: Run, drill: Awaitable[Proof], failures: list[str]) -> Proof | None:
    """Return what the drill of the new set has proven; what went wrong is added to ``failures``. None if it could not
    be run: the set is there all the same."""
    try:
        proof = await drill
    except LilFoxError as error:
        failures.append(str(tr("the drill could not be run: {error}", error=error)))
        run.say(failures[-1], "bad")
        return None
    failures += [proof.reason] if proof.level == "broken" else []
    return proof


def made_outcome(made: BackupSet, proof: Proof | None, failures: Sequence[str]) -> Outcome:
    """Return the outcome of a run that made a set: ``proof`` is what was proven of it, ``failures`` what is wrong."""
    status = made.status if proof is None else made.proven_as(proof.level)
    result: dict[str, Any] = {"set": made.id, "status": status.value}
    result["parts"] = [{"name": part.name, "size_bytes": part.size_bytes} for part in made.parts]
    if status in (Status.BROKEN, Status.PARTIAL) or failures:
        why = clauses(failures) or str(made.reason)
        text = tr("{set} was written, but: {failures}", set=made.id, failures=why)
        return Outcome("partly", str(text), "", 3, result)
    if proof is None:
        return Outcome("ok", str(tr("{set} was written; it was not verified", set=made.id)), result=result)
    return Outcome("ok", str(tr("{set} was written and verified", set=made.id)), result=result)
