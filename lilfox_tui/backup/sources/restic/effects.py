"""The jobs of a plan of restic: back up, verify, drill, prune, and restore into a new folder."""

from __future__ import annotations

import platform
import posixpath
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec.structs import replace

from lilfox_tui.backup.checks import Check, duration_check, labelled, status_text
from lilfox_tui.backup.foreign import EngineRestore, drill_after_run, made_outcome
from lilfox_tui.backup.plan import BackupRequest
from lilfox_tui.backup.selection import choose
from lilfox_tui.backup.sets.model import BackupSet, Proof, outcome_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.backup.sets.retention import RetentionVerdict, judge
from lilfox_tui.backup.sources.restic.command import UNREAD, ResticError, error_text, read_message
from lilfox_tui.backup.sources.restic.repository import INCOMPLETE, ResticRepository, snapshot_of
from lilfox_tui.backup.store import BackupError, BrokenSet, NotReady
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes
from lilfox_tui.jobs.model import Outcome, Run

_READ_S = 7 * 24 * 3600.0
_PRUNE_S = 24 * 3600.0
_TOLD_FILES = 20
"""So many files that could not be read are named in the log of the job."""
_MEASURED = 5
"""Earlier sets whose durations count for an estimate."""
# $1 the password file, then the paths. A line for the file, and one for each path in their order.
_PATHS = r"""
printf 'mode %s\n' "$(stat -Lc %a "$1" 2>/dev/null)"
shift
for path; do
    if [ -L "$path" ] || [ -r "$path" ]; then echo readable
    elif [ -e "$path" ]; then echo unreadable
    else echo missing; fi
done
"""
_PLACE = r"""
[ -e "$1" ] || [ -L "$1" ] && echo exists
parent=$(dirname "$1")
[ -d "$parent" ] && [ -w "$parent" ] && [ -x "$parent" ] || { echo parent; exit 0; }
set -- $(df -Pk "$parent" | tail -n 1)
printf 'free %s\n' "$4"
"""
# $1 the folder, $2 ``scratch`` for one below it that is removed at the end, ``keep`` for the folder itself, which is
# removed unless restic ends well; then restic's command line. What a killed script has left, nobody holds: the next one
# sweeps it away.
_RESTORE = r"""
umask 077
place=$1 kind=$2
shift 2
base= child=
remove() {
    [ -z "$child" ] || { kill "$child" 2>/dev/null; wait "$child"; }
    [ -z "$base" ] || { chmod -R u+rwX "$base" 2>/dev/null; rm -rf "$base"; }
}
trap remove EXIT
trap 'exit 1' HUP INT TERM
if [ "$kind" = scratch ]; then
    find "$place" -maxdepth 1 -type d -name 'lilfox_drill_*' -user "$(id -u)" -mmin +1 | while IFS= read -r old; do
        [ -f "$old/lock" ] && flock -n "$old/lock" true && chmod -R u+rwX "$old" && rm -rf "$old"
    done
    base=$(mktemp -d "$place/lilfox_drill_XXXXXXXX") || exit 70
    exec 9>"$base/lock" && flock -n 9 || exit 70
    data=$base/data
else
    mkdir -m 0700 "$place" || exit 70
    base=$place data=$place
fi
"$@" --target "$data" &
child=$!
wait "$child"
status=$?
child=
[ "$kind" = scratch ] || [ "$status" != 0 ] || base=
exit "$status"
"""
_QUIET = 'exec "$@" >/dev/null'


async def preflight(repository: ResticRepository, request: BackupRequest) -> list[Check]:
    """Check the repository and the paths, and estimate how long a run takes. Raises HostError."""
    del request  # a run of restic has no types
    program, config = repository.program, repository.program.config
    about = tr("repository {place}", place=str(config.repository or config.repository_file))
    try:
        sets = await repository.sets()
    except BackupError as error:
        return [Check(str(about), "bad", error.message, error.hint)]
    checks = [Check(str(about), "good", ntr("{count} set", "{count} sets", len(sets)))]
    done = await program.host.run_script(_PATHS, (config.password_file, *config.paths), sudo=config.sudo)
    mode, *found = (*done.stdout.decode("utf-8", "replace").splitlines(), *("" for _path in config.paths))
    bad = {"missing": tr("it does not exist"), "unreadable": tr("the account cannot read it; set sudo: true")}
    for path, state in zip(config.paths, found, strict=False):
        good = state == "readable"
        told = tr("it can be read") if good else bad.get(state, tr("unknown"))
        checks.append(Check(clean(path), "good" if good else "bad", told))
    if mode[-1:] in ("4", "5", "6", "7"):
        checks.append(Check(str(tr("password file")), "warning", tr("every user of the host can read it"),
                            tr("chmod 600 {path}", path=config.password_file)))  # fmt: skip
    took = [(max((each.finished - each.created).total_seconds(), 1.0), each.id) for each in sets[:_MEASURED]]
    if took:
        hint = tr("exclude files that need no backup, or split the plan")
        checks.append(duration_check(*max(took), config.window, hint))
    return checks


async def back_up(run: Run, repository: ResticRepository, request: BackupRequest) -> Outcome:
    """Make one snapshot, read it back, drill it if the plan says so, and apply retention. Raises BackupError,
    HostError."""
    del request
    phase("connect")
    config = repository.program.config
    run.intent(str(tr("restic backs up {paths}", paths=listed([clean(path) for path in config.paths]))))
    phase("dump")
    name, unread = await _snapshot(run, repository)
    sets = await repository.sets()
    made = next((each for each in sets if each.snapshot is not None and each.snapshot.id == name), None)
    if made is None:
        raise BackupError(tr("restic ended without an error, but lists no new snapshot of the plan"),
                          tr("look into the repository: restic snapshots"))  # fmt: skip
    snapshot = snapshot_of(made)
    run.done(
        str(tr("{set} was written: {files} files, {bytes}; {added} of it new", set=made.id, files=snapshot.files or 0,
               bytes=human_bytes(snapshot.total_bytes or 0), added=human_bytes(snapshot.added_bytes)))
    )  # fmt: skip
    failures = [str(made.reason)] if made.missing else []
    if unread:
        failures = [str(ntr("{count} file could not be read", "{count} files could not be read", unread))]
    proof = made.proof
    if config.verify:
        proof = await _verify(run, repository, made)
        if proof.level == "broken":
            raise BrokenSet(
                tr("{set} was written, but the data read back differs: {reason}", set=made.id, reason=proof.reason),
                tr("earlier sets may need the same data: verify them, and check the disk of the repository"),
            )
    if config.drill:
        proof = await drill_after_run(run, _drill(run, repository, made), failures) or proof
    if failures:  # nothing is removed after a run that did not make a good set
        return made_outcome(made, proof, failures)
    if proof is not None:
        proven = replace(made, proof=proof, status=made.proven_as(proof.level))
        sets = [proven if each is made else each for each in sets]
    await _forget(run, repository, sets, just_made=made.id)
    return made_outcome(made, proof, failures)


async def _snapshot(run: Run, repository: ResticRepository) -> tuple[str, int]:
    """Make one snapshot; return its id, and how many files could not be read."""
    program, config = repository.program, repository.program.config
    unread: list[str] = []
    made = ""

    def heard(message: dict[str, Any]) -> None:
        nonlocal made
        kind = message.get("message_type")
        if kind == "status":
            run.moved(
                repository.plan, int(message.get("bytes_done") or 0), int(message.get("total_bytes") or 0) or None
            )
        elif kind == "error":
            unread.append(error_text(message))
            if len(unread) <= _TOLD_FILES:
                run.say(unread[-1], "warning")
        elif kind == "summary":
            made = str(message.get("snapshot_id", ""))

    words = [f"--tag={tag}" for tag in (repository.tag, INCOMPLETE)]
    words += [f"--exclude={pattern}" for pattern in config.exclude]
    words += ["--one-file-system"] if config.one_file_system else []
    argv = program.argv("backup", *words, "--", *config.paths)
    status = await program.follow("backup", argv, heard, accepts=UNREAD)
    if status == 0 and not unread and made:
        words = ["--retry-lock=10m", f"--remove={INCOMPLETE}", made]
        said = (await program.run("tag", *words, timeout_s=_PRUNE_S)).stdout
        changed = (read_message(line).get("new_snapshot_id") for line in said.splitlines())
        made = next((str(each) for each in changed if each), made)  # another description, another id
    return made, len(unread)


async def verify(run: Run, repository: ResticRepository, request: BackupRequest) -> Outcome:
    """Read all files of a set from the repository; restic checks the digest of each part of each."""
    found = _chosen(await repository.sets(), request)
    proof = await _verify(run, repository, found)
    return outcome_of(found, proof, str(tr("{set}: checksums verified", set=found.id)))


async def _verify(run: Run, repository: ResticRepository, found: BackupSet) -> Proof:
    phase("verify")
    program, snapshot = repository.program, snapshot_of(found)
    run.say(str(tr("restic reads all files of {set}", set=found.id)))
    folders = program.argv("ls", snapshot.id, proves=True)
    content = program.argv("dump", "--archive=tar", snapshot.id, "/", proves=True)
    try:
        for command, argv in (("ls", folders), ("dump", content)):  # dump alone passes over some damaged folders
            await program.run_words(command, ["sh", "-c", _QUIET, "sh", *argv], timeout_s=_READ_S)
    except ResticError as error:
        if not error.damaged:
            raise
        run.say(str(error.message), "bad")
        return await repository.put_proof(found, "broken", reason=str(error.message))
    told = tr("{set}: {files} files, {bytes} read; each part has the digest that restic recorded", set=found.id,
              files=snapshot.files or 0, bytes=human_bytes(snapshot.total_bytes or 0))  # fmt: skip
    run.say(str(told), "good")
    return await repository.put_proof(found, "intact")


async def drill(run: Run, repository: ResticRepository, request: BackupRequest) -> Outcome:
    """Restore a set into a scratch folder, have restic compare it, and remove it."""
    found = _chosen(await repository.sets(), request)
    proof = await _drill(run, repository, found)
    good = tr("{set} was restored and matches the backup; took {seconds} s", set=found.id, seconds=proof.took_s)
    return outcome_of(found, proof, str(good))


async def _drill(run: Run, repository: ResticRepository, found: BackupSet) -> Proof:
    program, config = repository.program, repository.program.config
    about = tr("scratch folder {path}", path=config.scratch)
    check = await _room(repository, str(about), f"{config.scratch.rstrip('/')}/lilfox_drill_new", found)
    if check.state == "bad":
        raise NotReady(tr("{about}: {found}; nothing was written", about=about, found=check.found),
                       tr("set scratch: of the plan to a folder with enough room"))  # fmt: skip
    began = time.monotonic()
    try:
        await _restored(run, repository, found, config.scratch, "scratch")
    except ResticError as error:
        if not error.damaged:
            raise
        return await repository.put_proof(found, "broken", reason=str(error.message))
    return await repository.put_proof(
        found, "restored", tested=datetime.now(UTC), took_s=round(time.monotonic() - began, 3), host=platform.node(),
        where=f"{program.host.name}:{config.scratch}",
    )  # fmt: skip


async def _restored(run: Run, repository: ResticRepository, found: BackupSet, place: str, kind: str) -> None:
    """Restore into a new folder at or below ``place`` and have restic read it back. Raises ResticError, HostError;
    then nothing of it is left."""
    phase("stage")
    program, snapshot = repository.program, snapshot_of(found)

    def heard(message: dict[str, Any]) -> None:
        if message.get("message_type") == "status":
            run.moved(found.id, int(message.get("bytes_restored") or 0), int(message.get("total_bytes") or 0) or None)
        elif text := error_text(message):
            run.say(text, "bad")

    run.intent(str(tr("restoring {set} below {path}", set=found.id, path=place)))
    restic = program.argv("restore", snapshot.id, "--verify", "--sparse", proves=True)
    await program.follow("restore", ["sh", "-c", _RESTORE, "sh", place, kind, *restic], heard)
    run.done(str(tr("{set} was restored below {path}; its files were read back and match", set=found.id, path=place)))


async def would_remove(repository: ResticRepository) -> list[str]:
    """Return the ids of the sets that retention no longer keeps. Raises ResticError, HostError."""
    return [verdict.set.id for verdict in _verdicts(repository, await repository.sets()) if verdict.goes]


def _verdicts(
    repository: ResticRepository, sets: Sequence[BackupSet], just_made: str = ""
) -> Sequence[RetentionVerdict]:
    keep = repository.program.config.keep
    sets = [each for each in sets if each.snapshot is not None]  # what cannot be read may be another plan's
    return judge(sets, keep, now=datetime.now(UTC), zone=local_zone(), just_made=just_made)


async def prune(run: Run, repository: ResticRepository, request: BackupRequest) -> Outcome:
    """Have restic remove the sets that retention no longer keeps, and the data that no snapshot needs any more."""
    del request
    gone = await _forget(run, repository, await repository.sets())
    return Outcome("ok", str(ntr("{count} set removed", "{count} sets removed", len(gone))), result={"removed": gone})


async def _forget(
    run: Run, repository: ResticRepository, sets: Sequence[BackupSet], *, just_made: str = ""
) -> list[str]:
    phase("prune")
    going = [each.set for each in _verdicts(repository, sets, just_made) if each.goes]
    if not going:
        return []
    run.intent(str(tr("removing {sets}", sets=listed([each.id for each in going]))))
    words = ("--prune", "--retry-lock=10m", *(snapshot_of(each).id for each in going))
    await repository.program.run("forget", *words, timeout_s=_PRUNE_S)
    run.done(str(ntr("{count} set removed", "{count} sets removed", len(going))))
    return [each.id for each in going]


# Restore into a new folder.


class ResticRestore(EngineRestore, frozen=True, kw_only=True):
    """A restore of a set into a new folder."""

    found: BackupSet


async def look(repository: ResticRepository, request: BackupRequest) -> ResticRestore:
    """Return what a restore would do. Raises UsageError if no folder was named, or several sets are meant;
    BackupError, HostError."""
    into = request.restore.into
    if request.restore.target:
        raise UsageError(tr("--target is for a plan of kind pgbackrest"), tr("name the set to restore"))
    if not into:
        raise UsageError(
            tr("a restore of a restic plan needs a new folder"),
            tr("for example: --into /srv/restored; existing files are never touched"),
        )
    if not into.startswith("/") or posixpath.normpath(into) != into or into == "/":
        raise UsageError(tr("--into {path}: not a plain absolute path", path=clean(into)),
                         tr("for example: --into {path}", path="/srv/restored"))  # fmt: skip
    found = _chosen(await repository.sets(), request)
    snapshot = snapshot_of(found)
    state: Literal["bad", "good", "warning"] = "bad" if found.refused else "good" if found.good else "warning"
    about = str(tr("set {set}", set=found.id))
    told: Message | str = tr("finished {time}; {files} files of {paths}", files=snapshot.files or 0,
                             time=snapshot.finished.isoformat(" ", "seconds"),
                             paths=listed([clean(path) for path in snapshot.paths]))  # fmt: skip
    hint: Message | str = "" if found.good else tr("verify it first: lilfox backup verify {set}", set=found.id)
    if found.reason:
        told, hint = labelled(status_text(found.status), found.reason), ""
    checks = [Check(about, state, told, hint)]
    checks.append(await _room(repository, str(tr("folder {path}", path=into)), into, found))
    return ResticRestore(found=found, into=into, checks=checks)


async def _room(repository: ResticRepository, about: str, path: str, found: BackupSet) -> Check:
    """Whether ``path`` can be made, with room for the set."""
    config = repository.program.config
    done = await repository.program.host.run(["sh", "-c", _PLACE, "sh", path], sudo=config.sudo)
    facts = dict(line.partition(" ")[::2] for line in done.stdout.decode("utf-8", "replace").splitlines())
    if "exists" in facts:
        return Check(about, "bad", tr("it exists already; a restore never writes into an existing folder"),
                     tr("name a folder that does not exist yet"))  # fmt: skip
    if "parent" in facts:
        return Check(about, "bad", tr("its parent does not exist, or the account of the plan cannot write it"),
                     tr("name a folder whose parent can be written"))  # fmt: skip
    needed = snapshot_of(found).total_bytes
    free = int(facts["free"]) * 1024 if facts.get("free", "").isdecimal() else None
    told = tr("{free} free; {needed} are needed", free=tr("unknown") if free is None else human_bytes(free),
              needed=tr("unknown") if needed is None else human_bytes(needed))  # fmt: skip
    if free is not None and needed is not None and free < needed:
        return Check(about, "bad", told, tr("Free up space, or restore to another filesystem."))
    return Check(about, "good", told)


async def restore(run: Run, repository: ResticRepository, request: BackupRequest) -> Outcome:
    """Restore into a new folder and have restic read it back."""
    looked = await look(repository, request)
    looked.begin(run)
    found, began = looked.found, time.monotonic()
    try:
        await _restored(run, repository, found, looked.into, "keep")
    except ResticError as error:
        if error.damaged:
            await repository.put_proof(found, "broken", reason=str(error.message))
        raise
    seconds = round(time.monotonic() - began)
    done = tr("{set} is restored in {path} and was read back; took {seconds} s",
              set=found.id, path=looked.into, seconds=seconds)  # fmt: skip
    hint = tr("Its files are below it under their full paths; nothing else was changed.")
    result = {"set": found.id, "kept": [], "into": looked.into}
    return Outcome("ok", str(done), str(hint), 0, result)


def _chosen(sets: Sequence[BackupSet], request: BackupRequest) -> BackupSet:
    return choose(request.set or "latest", sets, now=datetime.now(UTC), zone=local_zone(), plan=request.plan,
                  partial=request.partial)  # fmt: skip


_Effect = Callable[[Run, ResticRepository, BackupRequest], Awaitable[Outcome]]
_EFFECTS: dict[str, _Effect] = {
    "backup": back_up, "verify": verify, "drill": drill, "prune": prune, "restore": restore,
}  # fmt: skip
"""By the kind of the request."""


class ResticEngine:
    """restic as :class:`lilfox_tui.backup.foreign.BackupEngine`."""

    def __init__(self, repository: ResticRepository) -> None:
        self.repository = repository

    async def preflight(self, request: BackupRequest) -> list[Check]:
        """See :func:`preflight`."""
        return await preflight(self.repository, request)

    async def look(self, request: BackupRequest) -> ResticRestore:
        """See :func:`look`."""
        return await look(self.repository, request)

    async def would_remove(self, _request: BackupRequest) -> list[str]:
        """See :func:`would_remove`."""
        return await would_remove(self.repository)

    async def act(self, kind: str, run: Run, request: BackupRequest) -> Outcome:
        """Run the effect of that kind."""
        return await _EFFECTS[kind](run, self.repository, request)
