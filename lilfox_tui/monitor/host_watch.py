"""One host that is watched: the numbers as they come, what they mean, and since when they have meant it."""

from __future__ import annotations

from datetime import UTC, datetime

from lilfox_tui.config.model import HostConfig, Thresholds
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed, Pending, State, Unavailable
from lilfox_tui.hosts.base import Host, Link
from lilfox_tui.metrics.model import HostSummary, Level, Snapshot
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize
from lilfox_tui.monitor.levels import Judgement, Streaks, judge, streaks
from lilfox_tui.monitor.model import HostView


class HostWatch:
    """What is known of one host. ``host`` and ``sampler`` are None until the host is opened (SSH: later).

    ``hold`` is how many samples in a row above a limit count.
    """

    def __init__(self, name: str, config: HostConfig, thresholds: Thresholds, *, period_s: float) -> None:
        self.name = name
        self.config = config
        self.hold = thresholds.hold
        self.host: Host | None = None
        self.sampler: Sampler | None = None
        self.snapshots: Feed[Snapshot] = Feed()
        self._thresholds = thresholds
        self._period_s = period_s
        self._summary: HostSummary | None = None
        self._held: Streaks = {}
        self._samples = 0
        self._judgement = Judgement(Level.UNKNOWN)
        self._since = datetime.now(UTC)
        self._failure: Unavailable | None = None

    @property
    def level(self) -> Level:
        """The level when it was last judged."""
        return self._judgement.level

    @property
    def settled(self) -> bool:
        """Whether there were samples enough for the level to mean something."""
        return self._samples >= self.hold

    def once(self, within_s: float) -> None:
        """One sample is enough for a level, and is none too old in a round of ``within_s`` seconds."""
        self.hold = 1
        self._period_s = max(self._period_s, within_s)

    def take(self, snapshot: Snapshot) -> HostSummary:
        """Takes a new reading in."""
        self._summary = summarize(snapshot)
        self._held = streaks(self._summary, self._thresholds, self._held)
        self._samples += 1
        self._failure = None
        self.snapshots.publish(snapshot, snapshot.at)
        return self._summary

    def fail(self, error: LilFoxError, now: datetime, next_try: datetime | None = None) -> None:
        """There is no new reading, for that reason; ``next_try`` is when one is asked for again, if by itself."""
        self.snapshots.fail(error, next_try=next_try)
        since = self._failure.since if self._failure is not None else now
        self._failure = Unavailable(error, since, next_try)

    def judge(self, now: datetime) -> bool:
        """Judges anew at ``now`` (aware UTC) and tells whether the level is another than before."""
        judgement = judge(
            self._summary,
            self._link(),
            self._thresholds,
            self._held,
            now=now,
            period_s=self._period_s,
            hold=self.hold,
            why="" if self._failure is None else self._failure.error.message,
        )
        changed = judgement.level is not self._judgement.level
        if changed:
            self._since = now
        self._judgement = judgement
        return changed

    def view(self, now: datetime) -> HostView:
        """The host's row at ``now`` (aware UTC)."""
        self.judge(now)
        return HostView(
            name=self.name,
            config=self.config,
            level=self._judgement.level,
            since=self._since,
            reasons=self._judgement.reasons,
            summary=self._summary,
            link=self._link(),
            lost=() if self.host is None else tuple(self.host.lost),
        )

    def _link(self) -> State[Link]:
        """The link's state; where it is up and yet no reading was ever got since, why not."""
        link: State[Link] = Pending() if self.host is None else self.host.link.state
        if self._summary is not None or self._failure is None or isinstance(link, Unavailable):
            return link
        newer = isinstance(link, Pending) or link.value.since < self._failure.since
        return self._failure if newer else link
