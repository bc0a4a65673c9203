"""One host that is watched: the numbers as they come, what they mean, and since when they have meant it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig, Thresholds
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed, Pending, State, Unavailable
from lilfox_tui.hosts.base import Host, Link
from lilfox_tui.metrics.model import HostSnapshot, HostSummary, Level, late_after_s, silent_after_s
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
        self.snapshots: Feed[HostSnapshot] = Feed()
        self._thresholds = thresholds
        self._period_s = period_s
        self._summary: HostSummary | None = None
        self._held: Streaks = {}
        self._samples = 0
        self._judgement = Judgement(Level.UNKNOWN)
        self._since = datetime.now(UTC)
        self._failure: Unavailable | None = None
        self._failed_at = self._since
        """When it failed last; ``_failure`` has since when."""

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

    def take(self, snapshot: HostSnapshot) -> HostSummary:
        """Takes a new reading in."""
        self._summary = summarize(snapshot)
        self._held = streaks(self._summary, self._thresholds, self._held)
        self._samples += 1
        self._failure = None
        self.snapshots.publish(snapshot, snapshot.at)
        return self._summary

    def fail(
        self, error: LilFoxError, now: datetime, next_try: datetime | None = None, since: datetime | None = None
    ) -> None:
        """There is no new reading, for that reason and ``since`` then (now when not given); ``next_try`` is when one is
        asked for again, if by itself."""
        since = self._failure.since if self._failure is not None else since or now
        self.snapshots.fail(error, since=since, next_try=next_try)
        self._failure, self._failed_at = Unavailable(error, since, next_try), now

    def judge(self, now: datetime) -> bool:
        """Judges anew at ``now`` (aware UTC) and tells whether the level is another than before."""
        judgement = judge(
            self._summary,
            self._link(now),
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
            link=self._link(now),
            lost=() if self.host is None else tuple(self.host.lost),
        )

    def turns_in_s(self, now: datetime) -> float:
        """Seconds until the age of its last sample alone changes the level; endless where it does not."""
        if self._summary is None:
            return math.inf
        age_s = (now - self._summary.at).total_seconds()
        turns = (late_after_s(self._period_s), silent_after_s(self._period_s))
        return min((at - age_s for at in turns if at > age_s), default=math.inf)

    def _link(self, now: datetime) -> State[Link]:
        """The link's state. Where it is up and yet nothing answers over it, or no reading was ever got since: why not,
        and since when."""
        link: State[Link] = Pending() if self.host is None else self.host.link.state
        if self._failure is None:
            return link
        if isinstance(link, Unavailable):
            return replace(link, since=min(link.since, self._failure.since))
        answered = self._summary is not None
        if self._summary is not None:
            answered = (now - self._summary.at).total_seconds() <= silent_after_s(self._period_s)
        newer = isinstance(link, Pending) or link.value.since < self._failed_at
        return self._failure if newer and not answered else link
