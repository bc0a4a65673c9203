"""Watches backups: the sets of each plan, whether it is late, and the jobs of this machine.

Nothing of backup/ and of jobs/ is imported before the first frame, and of backup/ only where there is a plan or a
store."""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lilfox_tui.config.foreign import foreign_places
from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Feed, Pending, Ready, Unavailable
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.paths import all_folders, config_file
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups, EarlierSet, PlanView
from lilfox_tui.monitor.watchers import scrape

if TYPE_CHECKING:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.backup.store import BackupStore
    from lilfox_tui.jobs.model import Job


EVERY_S = 60.0
"""Between two looks at a store."""
FIRST_WAIT_S = 5.0
"""Before a store that could not be read is tried again; twice as long after each failure, up to LONGEST_WAIT_S."""
LONGEST_WAIT_S = 300.0
JUDGE_EVERY_S = 15.0
"""Between two looks at the clock: a plan becomes late without anything else happening."""
AFTER_FAULT_S = 10.0
HALF_DONE_EVERY_S = 15.0
"""Between two looks for restores that were interrupted; a job that ends has one made at once."""
FOUND = ("/backup",)
"""Where the manual's scripts put their sets: shown where the configuration has no backups."""
EARLIER_KEPT = 500
"""Sets of each store that were seen to be gone or in another state."""
_PARTS = ("sets.catalogue", "context", "plan")


class _StoreWatch:
    """One store: its sets at the last successful read, and why there are no newer ones."""

    def __init__(self, name: str, options: Any) -> None:
        self.name, self.options = name, options
        self.where = ""
        self.feed: Feed[tuple[BackupSet, ...]] = Feed()
        self.sets: tuple[BackupSet, ...] | None = None
        self.read_at: datetime | None = None
        self.free_bytes: int | None = None
        """On its disk at the last look; None where that is not known."""
        self.earlier: deque[EarlierSet] = deque(maxlen=EARLIER_KEPT)
        self.failures = 0
        self.wake = asyncio.Event()

    async def look(self, context: BackupContext) -> None:
        """Read once. Never raises an error caused by the store or its host."""
        self.wake.clear()
        begun = datetime.now(UTC)  # what is written later, this look may miss
        try:
            store = context.store(self.name, self.options)
            self.where = store.where
            found = tuple(await context.sets_in(store))
            self.free_bytes = await _free_bytes(store)
        except LilFoxError as error:
            self.fail(error)
        except Exception as error:
            self.fail(LilFoxError(fault_of(error)))
        else:
            self.failures, self.read_at = 0, begun
            self._remember(found, datetime.now(UTC))
            self.sets = found
            self.feed.publish(self.sets, self.read_at)

    def _remember(self, found: tuple[BackupSet, ...], now: datetime) -> None:
        """Keep what was there at the last look and is not, or not so, ``now``."""
        newer = {each.id: each for each in found}
        for before in self.sets or ():
            after = newer.get(before.id)
            if after is None or (after.status, after.proof) != (before.status, before.proof):
                self.earlier.append(EarlierSet(self.name, before, now))

    def fail(self, error: LilFoxError) -> None:
        """Record why the store could not be read."""
        self.failures += 1
        self.feed.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=self.wait_s))

    @property
    def wait_s(self) -> float:
        """The seconds until the next read."""
        if not self.failures:
            return float(getattr(self.options, "every", EVERY_S))
        return float(min(FIRST_WAIT_S * 2 ** min(self.failures - 1, 10), LONGEST_WAIT_S))

    async def rest(self) -> None:
        """Wait until the next read is due or requested."""
        try:
            async with asyncio.timeout(self.wait_s):
                await self.wake.wait()
        except TimeoutError:
            return


async def _free_bytes(store: BackupStore) -> int | None:
    """Return the free room on a store's disk; None where it is not told: its sets can be read all the same."""
    try:
        return await store.free_bytes()
    except LilFoxError:
        return None


class BackupWatch:
    """The plans, stores and jobs. ``file`` is the file of ``config``, None for the usual place. ``host_of`` returns
    hosts that are already monitored; ``changed`` is called when a level changes."""

    def __init__(
        self,
        config: Config,
        file: Path | None,
        host_of: Callable[[str | None], Host | None],
        changed: Callable[[], None],
    ) -> None:
        self.feed: Feed[Backups] = Feed()
        self._config_file = file
        self._known_since = _unchanged_since(file or config_file())
        self._config, self._host_of, self._changed = config, host_of, changed
        self._stores: dict[str, _StoreWatch] = {}
        self._jobs: tuple[Job, ...] | None = None
        self._unsettled: tuple[str, ...] = ()
        self._interrupted: tuple[InterruptedRestore, ...] = ()
        self._ended = asyncio.Event()
        """A job has ended: it may have interrupted a restore, or settled one."""
        self._shown = asyncio.Event()
        self._began: dict[tuple[str, str], tuple[Level, datetime]] = {}

    @property
    def configured(self) -> bool:
        """Whether the configuration has plans or stores."""
        return bool(self._config.backup.plans or self._config.backup.stores)

    @property
    def config_path(self) -> str | None:
        """The configuration file that jobs read; None without one."""
        file = self._config_file or config_file()
        return str(file.absolute()) if file.exists() else None

    @property
    def backups(self) -> Backups | None:
        """The newest state; None before the first read."""
        return self.feed.value

    def backups_at(self, at: datetime) -> Backups | None:
        """Return the state at ``at`` (aware UTC) as far as it is known; None before the first read."""
        from lilfox_tui.monitor.backup_levels import backups_at

        return None if self.backups is None else backups_at(self.backups, at)

    def look_again(self) -> None:
        """End the wait before the next read of every store."""
        for watch in self._stores.values():
            watch.wake.set()

    def show(self) -> None:
        """Record that the backups are being viewed: if nothing is configured, discovered stores are read too."""
        self._shown.set()

    async def run(self) -> None:
        """Watch until cancelled. Problems are published on ``feed``."""
        await asyncio.sleep(scrape.AFTER_FIRST_FRAME_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kept_up(self._follow_jobs))
            group.create_task(self._kept_up(self._watch_stores))
            group.create_task(self._kept_up(self._watch_interrupted))

    async def look_once(self) -> None:
        """Read the stores of the plans and unfinished restores once, for ``check``."""
        await self._look_for_interrupted()
        if not self._config.backup.plans:
            if self._interrupted:
                self._publish()
            return
        await self._import()
        from lilfox_tui.jobs.listing import list_jobs

        self._jobs = tuple(await asyncio.to_thread(list_jobs))
        async with self._context() as context:
            self._stores = {name: _StoreWatch(name, options) for name, options in self._places().items()}
            try:
                await asyncio.gather(*(watch.look(context) for watch in self._stores.values()))
            finally:
                self._publish()

    def give_up(self, timeout_s: float) -> None:
        """Mark stores that did not answer in time as failed."""
        for watch in self._stores.values():
            if isinstance(watch.feed.state, Pending):
                watch.fail(LilFoxError(tr("no answer within {timeout_s:g} s", timeout_s=timeout_s)))
        if self._stores:
            self._publish()

    async def _kept_up(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work``. An internal error stops nothing else; then the work restarts."""
        while True:
            try:
                return await work()
            except Exception as error:
                self.feed.fail(error if isinstance(error, LilFoxError) else LilFoxError(fault_of(error)))
            await asyncio.sleep(AFTER_FAULT_S)

    async def _follow_jobs(self) -> None:
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.jobs.listing")
        from lilfox_tui.jobs.listing import Jobs, unsettled

        jobs = Jobs()
        async with asyncio.TaskGroup() as group:
            group.create_task(jobs.run())
            async with aclosing(jobs.feed.watch()) as states:
                async for state in states:
                    if isinstance(state, Ready):
                        before = self._jobs
                        over = {job.id for job in before or () if job.state != "running"}
                        ended = any(job.state != "running" and job.id not in over for job in state.value)
                        self._jobs = state.value
                        self._unsettled = tuple(job.id for job in unsettled(state.value))
                        self._publish(judge=before is None or ended)
                        if ended:
                            self._ended.set()
                            self.look_again()

    async def _watch_interrupted(self) -> None:
        while True:
            self._ended.clear()
            before = self._interrupted
            await self._look_for_interrupted()
            if self._interrupted != before:
                self._publish(judge=False)
                self._changed()
            with suppress(TimeoutError):
                async with asyncio.timeout(HALF_DONE_EVERY_S):
                    await self._ended.wait()

    async def _look_for_interrupted(self) -> None:
        """Look for interrupted restores; nothing is imported if nothing was ever restored on this machine."""
        if not await asyncio.to_thread(_was_restored):
            self._interrupted = ()
            return
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.backup.restores.interrupted")
        from lilfox_tui.backup.restores.interrupted import interrupted_restores

        async with self._context() as context:
            self._interrupted = tuple(await interrupted_restores(context))

    async def _watch_stores(self) -> None:
        if not self.configured:
            await self._shown.wait()
        await self._import()
        async with self._context() as context:
            self._stores = {name: _StoreWatch(name, options) for name, options in self._places().items()}
            self._publish()
            async with asyncio.TaskGroup() as group:
                for watch in self._stores.values():
                    group.create_task(self._look_at(watch, context))
                group.create_task(self._judge_by_the_clock())

    async def _look_at(self, watch: _StoreWatch, context: BackupContext) -> None:
        while True:
            await watch.look(context)
            self._publish()
            await watch.rest()

    async def _judge_by_the_clock(self) -> None:
        while True:
            await asyncio.sleep(JUDGE_EVERY_S)
            self._publish()

    async def _import(self) -> None:
        for name in _PARTS:
            await asyncio.to_thread(importlib.import_module, f"lilfox_tui.backup.{name}")
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.backup_levels")

    def _context(self) -> BackupContext:
        from lilfox_tui.backup.context import BackupContext

        return BackupContext(self._config, lent=self._lent)

    def _lent(self, name: str | None) -> Host | None:
        """Return a host that is already monitored; None for others and for this machine, which costs nothing to open
        anew."""
        return None if name is None or name not in self._config.hosts else self._host_of(name)

    def _places(self) -> Mapping[str, Any]:
        """Return the Options of the stores to read, by name."""
        if self.configured:
            return {**self._config.backup.stores, **foreign_places(self._config.backup)}
        from lilfox_tui.backup.plan import store_options

        return {folder: store_options(folder) for folder in FOUND if Path(folder).is_dir()}

    def _publish(self, *, judge: bool = True) -> None:
        """Publish the newest state. Without ``judge`` the plans stay as they were: only a job has progressed."""
        before = self.feed.value
        if judge or before is None:
            plans: Mapping[tuple[str, str], PlanView] = {view.key: view for view in self._views(datetime.now(UTC))}
        else:
            plans = before.plans
        earlier = tuple(each for watch in self._stores.values() for each in watch.earlier)
        self.feed.publish(Backups(plans, self._jobs, self._unsettled, self._interrupted, earlier))
        old = {} if before is None else before.plans
        if any(key not in old or old[key].level is not view.level for key, view in plans.items()):
            self._changed()

    def _views(self, now: datetime) -> Iterator[PlanView]:
        named: set[str] = set()
        for name, plan in self._config.backup.plans.items():
            for store in (plan.store, *getattr(plan, "copies", ())):
                named.add(store)
                if store in self._stores:
                    yield self._view(name, store, now)
        for store in self._stores:
            if store not in named:
                yield self._view("", store, now)

    def _view(self, plan: str, store: str, now: datetime) -> PlanView:
        from lilfox_tui.backup.sets.names import local_zone
        from lilfox_tui.monitor.backup_levels import plan_view

        watch = self._stores[store]
        config = self._config.backup.plans.get(plan)
        main = None if config is None else self._stores.get(config.store)
        made = () if main is None else main.sets or ()
        view = plan_view(
            plan or store,
            store,
            where=watch.where,
            config=config,
            copy=config is not None and store != config.store,
            sets=watch.sets,
            read_at=watch.read_at,
            outage=watch.feed.state if isinstance(watch.feed.state, Unavailable) else None,
            failures=watch.failures,
            made=[found for found in made if found.plan == plan],
            jobs=self._jobs or (),
            now=now,
            zone=local_zone(),
            known_since=self._known_since,
        )
        level, since = self._began.get(view.key, (None, now))
        if level is not view.level or since > view.since:
            since = view.since
        self._began[view.key] = (view.level, since)
        return replace(view, since=since, free_bytes=None if view.outage is not None else watch.free_bytes)


def _unchanged_since(file: Path) -> datetime | None:
    """Return since when the file has had its content at the latest; None if it cannot be asked. That is when its inode
    last changed: unlike the time of its content, no copy or archive keeps it."""
    try:
        return datetime.fromtimestamp(file.stat().st_ctime, UTC)
    except OSError:
        return None


def _was_restored() -> bool:
    """Whether any restore is recorded on this machine. Blocks."""
    for folder in all_folders("restores"):
        with suppress(OSError):
            if any(folder.glob("*.json")):
                return True
    return False
