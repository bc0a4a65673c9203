"""Restores a backup into a new data directory and recovers it there with a server that nobody else can reach.

The server listens only on a socket in a folder of mode 0700. It archives nothing, runs no background worker of an
extension and no command of the recovery's end, waits for no standby, and follows no subscription: it must not act for
the server that it is a copy of, nor take its memory. What ALTER SYSTEM has set is restored with the data. A process on
the host owns what was made; it ends the server and removes a scratch directory also when LilFox or its connection is
gone.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import shlex
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.backup.sets.model import BackupSet, PhysicalBackup
from lilfox_tui.backup.sources.pgbackrest.command import PgBackRest
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError, UsageError
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.core.text import clean, human_bytes
from lilfox_tui.hosts.base import Loop
from lilfox_tui.jobs.model import Run

END = "end"
"""Said instead of a time: the end of the archived WAL."""
_ASK_S = 30.0
_REMOVE_S = 3600.0
_POLLS_S = (0.05, 1.0)
"""Between two looks at the recovery: at first, and at most."""
_CHECK_S = 24 * 3600.0
_CORRUPT = 2
"""Exit status of pg_amcheck where it found corruption (pg_amcheck(1))."""
_TELLS = re.compile(
    r"recovery stopping|last completed transaction|selected new timeline|consistent recovery state|FATAL"
)
_STOPPED = re.compile(r"recovery stopping (?:before|after) ")
_NOT_WRITTEN = "[FileWriteError] ", "No space left on device"
"""What pgbackrest archive-get and the server say where the filesystem is full; the first names no errno."""
_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
# $1 programs, $2 the scratch folder for a directory that is removed, or else the new data directory, $3 ``scratch`` or
# ``keep``. Of a scratch directory the lock tells that its owner lives: what nobody holds is swept away.
_OWNER = r"""
umask 077
programs=$1 place=$2 kind=$3 server= run= base=
say() { printf '%s\n' "$*"; }
down() {
    [ -n "$server" ] || return 0
    kill "-$1" "$server" 2>/dev/null
    wait "$server"
    status=$?
    server=
    return "$status"
}
remove() {
    down QUIT
    [ -z "$run" ] || rm -rf "$run"
    [ -z "$base" ] || rm -rf "$base" "${base}_tablespaces"
    run= base=
}
sweep() {
    find "$place" -maxdepth 1 -type d -name 'lilfox_drill_*' -user "$(id -u)" -mmin +1 | while IFS= read -r old; do
        flock -n "$old/lock" true || continue
        "$programs/pg_ctl" -D "$old/data" -m immediate -s stop >/dev/null 2>&1
        rm -rf "$old" && say "swept $old"
    done
}
trap remove EXIT
trap 'exit 1' HUP INT TERM
make() {
    if [ "$kind" = scratch ]; then
        sweep
        base=$(mktemp -d "$place/lilfox_drill_XXXXXXXX") || return 1
        exec 9>"$base/lock" && flock -n 9 || return 1
        data=$base/data
    else
        data=$place
        [ ! -e "${data}_tablespaces" ] || { say "${data}_tablespaces exists"; return 1; }
    fi
    mkdir -m 0700 "$data" || return 1
    [ "$kind" = scratch ] || base=$place
    run=$(mktemp -d /tmp/lilfox-pg-XXXXXXXX) || return 1
    say "data $data"
    say "run $run"
}
start() {
    prepared=$(LC_ALL=C "$programs/pg_controldata" -D "$data" | sed -n 's/^max_prepared_xacts setting: *//p')
    major=$(cat "$data/PG_VERSION")
    printf 'local all all trust\n' >"$run/pg_hba.conf"
    : >"$run/pg_ident.conf"
    : >"$run/postgresql.conf"
    set -- -c "config_file=$run/postgresql.conf" -c "hba_file=$run/pg_hba.conf" -c "ident_file=$run/pg_ident.conf" \
        -c listen_addresses= -c "unix_socket_directories=$run" -c port=5432 -c unix_socket_permissions=0700 \
        -c archive_cleanup_command= -c recovery_end_command= -c synchronous_standby_names= \
        -c shared_buffers=128MB -c huge_pages=off -c statement_timeout=0 -c default_transaction_read_only=off \
        -c archive_mode=off -c hot_standby=off -c primary_conninfo= -c ssl=off -c external_pid_file= \
        -c shared_preload_libraries= -c session_preload_libraries= -c local_preload_libraries= \
        -c max_logical_replication_workers=0 -c autovacuum=off -c "max_prepared_transactions=${prepared:-0}" \
        -c logging_collector=off -c log_destination=stderr -c log_line_prefix= -c lc_messages=C -c log_timezone=UTC \
        -c log_min_messages=warning -c log_min_error_statement=panic -c log_statement=none
    [ "$kind" = keep ] || set -- "$@" -c fsync=off
    [ "$major" -lt 17 ] || set -- "$@" -c event_triggers=off
    "$programs/postgres" -D "$data" "$@" >"$run/log" 2>&1 </dev/null 9>&- &
    server=$!
}
state() {
    if ! kill -0 "$server" 2>/dev/null; then
        say ended
    elif [ "$(PGCONNECT_TIMEOUT=5 "$programs/psql" -X -A -t -w -h "$run" -U "$1" -d postgres \
            -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; then
        say open
    else
        say recovering
    fi
    tail -c 60000 "$run/log"
}
while IFS= read -r line; do
    tick=${line%% *}
    words=${line#* }
    case $words in
        make) make 2>&1 || say failed ;;
        start) start 2>&1 ;;
        state\ *) state "${words#state }" ;;
        stop) down INT; say "stopped $?" ;;
        keep) rm -rf "$run"; run= base= ;;
        remove) remove ;;
        bye) exit 0 ;;
    esac
    printf '@@LILFOX-END@@ %s\n' "$tick"
done
"""
_FIND = r"""
for folder in "$1" "/usr/lib/postgresql/$2/bin" "/usr/pgsql-$2/bin" "/usr/libexec/postgresql$2" /usr/local/pgsql/bin; do
    [ -n "$folder" ] && [ -x "$folder/postgres" ] || continue
    case $("$folder/postgres" --version) in *" $2."* | *" $2"[a-z]*) ;; *) continue ;; esac
    printf '%s\n' "$folder"
    [ -x "$folder/pg_amcheck" ] && echo amcheck
    exit 0
done
"""
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
_HAS_AMCHECK = "SELECT 1 FROM pg_extension WHERE extname = 'amcheck'"
_TABLES = """
SELECT count(*), coalesce(sum((xpath('/row/c/text()', query_to_xml(
    format('SELECT count(*) AS c FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]::text::bigint), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
"""


class RecoveryGoal(Struct, frozen=True):
    """Which backup is recovered, and to when: ``at`` (aware UTC), :data:`END` of the archive, or None for the end of
    the backup itself, where it is consistent."""

    found: BackupSet
    backup: PhysicalBackup
    at: datetime | None = None
    to_end: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The options of ``pgbackrest restore``."""
        words = [f"--set={self.found.id}", f"--repo={self.backup.repo}"]
        if self.to_end:
            return (*words, "--type=default", "--target-timeline=current")
        words += ["--target-action=promote"]
        if self.at is None:
            return (*words, "--type=immediate")
        words += ["--type=time", "--target-timeline=current"]
        return (*words, f"--target={self.at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')}+00")

    @property
    def text(self) -> Message:
        """Where recovery ends, for people."""
        if self.to_end:
            return tr("the end of the archived WAL on timeline {timeline}", timeline=self.backup.timeline)
        if self.at is None:
            return tr("the end of the backup, {time}", time=self.backup.finished.isoformat(" ", "seconds"))
        return tr("{time} on timeline {timeline}", time=self.at.isoformat(" "), timeline=self.backup.timeline)


class ServerPrograms(Struct, frozen=True):
    """The folder of the server's programs on the host, and whether pg_amcheck is among them."""

    folder: str
    amcheck: bool


async def find_programs(program: PgBackRest, major: str) -> ServerPrograms:
    """Return the programs of a server of that version. Raises BackupError where there are none, HostError."""
    done = await program.host.run_script(_FIND, (program.config.binaries or "", major))
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if not lines:
        raise BackupError(
            tr("postgres of version {version} was not found on {host}", version=major, host=program.host.name),
            tr("install postgresql-{version} on that host, or set binaries: to its folder", version=major),
        )
    return ServerPrograms(lines[0], "amcheck" in lines[1:])


class RecoveredCluster:
    """A restored data directory and its server. Made by :func:`owned_directory`, which removes it unless
    :meth:`keep` was called."""

    def __init__(self, program: PgBackRest, programs: ServerPrograms, loop: Loop, data: str, run: str) -> None:
        self.program, self.programs, self.data = program, programs, data
        self._loop, self._run = loop, run

    async def restore(self, run: Run, goal: RecoveryGoal) -> None:
        """Copy the backup into the directory; pgbackrest checks the digest of each file. Raises PgBackRestError,
        HostError."""
        total = goal.backup.database_bytes

        def heard(level: str, text: str) -> None:
            if level == "WARN":
                run.say(clean(text), "warning")

        words = (
            f"--pg1-path={self.data}",
            f"--tablespace-map-all={self.data}_tablespaces",
            f"--recovery-option=restore_command={self._restore_command()}",
        )
        await self.program.follow(
            "restore", *goal.options, *words,
            heard=heard, share=lambda part: run.moved(goal.found.id, int(part * total), total),
        )  # fmt: skip

    def _restore_command(self) -> str:
        """As pgBackRest writes it, but without its asynchronous queue, which is the live server's as its lock is."""
        config = self.program.config
        words = ["pgbackrest", f"--stanza={config.stanza}", f"--pg1-path={self.data}", "--no-archive-async"]
        words += [] if config.config is None else [f"--config={config.config}"]
        return shlex.join([*words, "archive-get"]).replace("%", "%%") + ' %f "%p"'

    async def recover(self, run: Run, goal: RecoveryGoal) -> str:
        """Start the server, replay WAL up to the goal, and promote it; return what the server logged about the end of
        recovery. Raises BackupError if the goal was not reached, HostError."""
        await self._ask("start")
        said, wait_s = "", _POLLS_S[0]
        while True:
            state, log = (await self._ask(f"state {shlex.quote(self.program.config.role)}")).split("\n", 1)
            if (replayed := _RESTORED.findall(log)) and replayed[-1] != said:
                said = replayed[-1]
                run.say(str(tr("replayed WAL segment {segment}", segment=said)))
            if state == "ended":
                raise _not_recovered(log, goal)
            if state == "open":
                break
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _POLLS_S[1])
        return end_of_recovery(log, goal)

    async def stop(self) -> None:
        """Shut the server down cleanly. Raises BackupError."""
        answer = (await self._ask("stop", timeout_s=_REMOVE_S)).strip()
        if answer != "stopped 0":
            raise BackupError(tr("the restored server did not shut down cleanly: {why}", why=clean(answer)))

    async def keep(self) -> None:
        """Leave the directory as it is."""
        await self._ask("keep")

    async def remove(self) -> None:
        """End the server and remove everything. Raises HostError."""
        await self._ask("remove", timeout_s=_REMOVE_S)

    async def databases(self) -> list[str]:
        """Return the databases that can be connected to. Raises BackupError, HostError."""
        return (await self._sql("postgres", _DATABASES)).splitlines()

    async def amcheck(self, run: Run, databases: Sequence[str]) -> str:
        """Check tables and B-tree indexes of all databases; return what is corrupt, empty if nothing is. The extension
        that checks them stays only where the backup holds it. Raises BackupError if it could not be checked,
        HostError."""
        lacking = [name for name in databases if not await self._sql(name, _HAS_AMCHECK)]
        words = ("--all", "--install-missing", "-h", self._run, "-U", self.program.config.role, "-w", "-j", "2")
        argv = await self.program.as_account(f"{self.programs.folder}/pg_amcheck", *words)
        done = await self.program.host.run(argv, timeout_s=_CHECK_S, sudo=await self.program.by_sudo())
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        if done.ok:
            for name in lacking:
                await self._sql(name, "DROP EXTENSION IF EXISTS amcheck")
            return ""
        if done.exit_status == _CORRUPT:
            for line in said.splitlines()[:20]:
                run.say(clean(line), "bad")
            return clean(next((line for line in said.splitlines() if line.strip()), "pg_amcheck"))
        raise BackupError(tr("pg_amcheck failed: {why}", why=clean(said.strip()[-300:])))

    async def counts(self, databases: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the tables and their rows of each database. Raises BackupError, HostError."""
        found: dict[str, tuple[int, int]] = {}
        for name in databases:
            tables, _bar, rows = (await self._sql(name, _TABLES)).partition("|")
            found[name] = int(tables), int(rows)
        return found

    async def _sql(self, database: str, sql: str) -> str:
        words = ("-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-h", self._run, "-U", self.program.config.role)
        conninfo = "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
        argv = await self.program.as_account(f"{self.programs.folder}/psql", *words, "-c", sql, "-d", conninfo)
        done = await self.program.host.run(argv, timeout_s=_CHECK_S, sudo=await self.program.by_sudo())
        if not done.ok:
            why = done.stderr.decode("utf-8", "replace").strip()
            raise BackupError(tr("database {name} of the restored server: {why}",
                                 name=clean(database), why=clean(why[-300:])))  # fmt: skip
        return done.stdout.decode("utf-8", "replace").strip()

    async def _ask(self, words: str, timeout_s: float = _ASK_S) -> str:
        return (await self._loop.ask(words, timeout_s=timeout_s)).decode("utf-8", "replace")


@asynccontextmanager
async def owned_directory(
    run: Run, program: PgBackRest, backup: PhysicalBackup, *, into: str = ""
) -> AsyncIterator[RecoveredCluster]:
    """Yield a new, empty data directory: ``into``, which must not exist yet, or a scratch directory of the plan. It is
    removed on exit, with its server, unless it was kept. Raises BackupError, HostError."""
    programs = await find_programs(program, backup.postgresql)
    place, kind = (into, "keep") if into else (program.config.scratch, "scratch")
    words = await program.as_account("sh", "-c", _OWNER, "sh", programs.folder, place, kind)
    async with program.host.loop("exec " + shlex.join(words), sudo=await program.by_sudo()) as loop:
        answer = (await loop.ask("make", timeout_s=_REMOVE_S)).decode("utf-8", "replace").splitlines()
        facts = dict(line.partition(" ")[::2] for line in answer)
        for line in answer:
            if line.startswith("swept "):
                run.say(str(tr("removed what an earlier drill had left: {path}", path=clean(line[6:]))), "warning")
        if "run" not in facts:
            why = next((line for line in answer if line != "failed"), "")
            raise BackupError(
                tr("{path}: no new directory can be made: {why}", path=place, why=clean(why)),
                tr("name a directory that does not exist yet, whose parent the account of the plan can write"),
            )
        cluster = RecoveredCluster(program, programs, loop, facts["data"], facts["run"])
        try:
            yield cluster
        finally:
            with suppress(HostError):  # the process on the host removes it by itself then
                await cluster.remove()
                await loop.ask("bye", timeout_s=_ASK_S)  # it ends without an answer: told to, runuser takes 2 s


def end_of_recovery(log: str, goal: RecoveryGoal) -> str:
    """Return what the log of a server that has opened says about the end of its recovery. Raises BackupError if it does
    not say that it stopped at the goal's time: it may have opened for another reason."""
    if goal.at is not None and not _STOPPED.search(log):
        raise BackupError(
            tr("the server's log does not say that recovery reached {goal}", goal=goal.text),
            tr("nothing of it was kept; look into the log of this job"),
        )
    return clean("; ".join(line.removeprefix("LOG:  ") for line in log.splitlines() if _TELLS.search(line)))


def _not_recovered(log: str, goal: RecoveryGoal) -> BackupError:
    fatal = [line for line in log.splitlines() if line.startswith(("FATAL", "PANIC"))]
    why = clean(fatal[-1] if fatal else log.strip()[-300:])
    if "recovery ended before configured recovery target was reached" in log:
        return BackupError(
            tr("the archived WAL ends before {goal}", goal=goal.text),
            tr("Recovery to a time needs a transaction that was committed after it. Choose an earlier time, or "
               "--target {end} for everything that is archived.", end=END),
        )  # fmt: skip
    unwritten = next((line for line in log.splitlines() if any(words in line for words in _NOT_WRITTEN)), None)
    if unwritten is not None:
        return BackupError(
            tr("WAL could not be written into the new data directory: {why}", why=clean(unwritten)),
            tr("Is its filesystem full? Nothing of it was kept; free up space, or restore to another filesystem."),
        )
    return BackupError(tr("the restored server could not be recovered: {why}", why=why),
                       tr("nothing of it was kept; choose an earlier time or another set"))  # fmt: skip


# What can be checked before a restore writes anything.


_PLACE = r"""
path=$1
[ -e "$path" ] || [ -L "$path" ] && echo exists
parent=$(dirname "$path")
[ -d "$parent" ] && [ -w "$parent" ] && [ -x "$parent" ] || { echo parent; exit 0; }
real=$(cd -P "$parent" && pwd) || exit 1
while :; do
    [ -e "$real/PG_VERSION" ] && { printf 'inside %s\n' "$real"; break; }
    [ "$real" = / ] && break
    real=$(dirname "$real")
done
set -- $(df -Pk "$parent" | tail -n 1)
printf 'free %s\n' "$4"
"""


class PlaceFacts(Struct, frozen=True):
    """What was found about the place of a new data directory: ``trouble`` is empty if it can be made there."""

    trouble: Message | str
    free_bytes: int | None


async def look_at_place(program: PgBackRest, path: str) -> PlaceFacts:
    """Return whether a data directory can be made as ``path``, which must not exist. Raises UsageError, HostError."""
    if not path.startswith("/") or posixpath.normpath(path) != path or path == "/":
        raise UsageError(
            tr("--into {path}: not a plain absolute path", path=clean(path)),
            tr("for example: --into /var/lib/postgresql/17/restored"),
        )
    argv = await program.as_account("sh", "-c", _PLACE, "sh", path)
    done = await program.host.run(argv, sudo=await program.by_sudo())
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    facts = dict(line.partition(" ")[::2] for line in lines)
    free = int(facts["free"]) * 1024 if facts.get("free", "").isdecimal() else None
    if "exists" in facts:
        return PlaceFacts(tr("it exists already; a restore never writes into an existing directory"), free)
    if "parent" in facts:
        return PlaceFacts(tr("its parent does not exist, or the account of the plan cannot write it"), free)
    if "inside" in facts:
        return PlaceFacts(tr("it is inside the data directory {path}", path=clean(facts["inside"])), free)
    return PlaceFacts("", free)


def room_text(needed: int, free: int | None) -> Message:
    """Return what is free and needed, for a check."""
    free_text = tr("unknown") if free is None else human_bytes(free)
    return tr("{free} free; {needed} are needed, and more for the WAL that is replayed",
              free=free_text, needed=human_bytes(needed))  # fmt: skip


def counted_text(counts: dict[str, tuple[int, int]]) -> Message:
    """Return how many tables and rows were read, for people."""
    tables, rows = (sum(each[at] for each in counts.values()) for at in (0, 1))
    return ntr("{count} table with {rows} rows in {databases} databases read",
               "{count} tables with {rows} rows in {databases} databases read",
               tables, rows=f"{rows:,}", databases=len(counts))  # fmt: skip


Timer = Callable[[], float]


def stopwatch() -> Timer:
    """Return a function that gives the seconds since now."""
    started = time.monotonic()
    return lambda: time.monotonic() - started
