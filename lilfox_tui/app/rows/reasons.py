"""Why something has no numbers or fails, in as many words as have room; what fails at once and alike; what is said of a
host's key that is not trusted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import HostKeyChanged, HostKeyUnknown
from lilfox_tui.core.i18n import Message, _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, human_age, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.levels import was_lost
from lilfox_tui.monitor.model import BackendView, HostView, Overview, View

Subject = tuple[str, str]

Key = TypeVar("Key")
_AT_ONCE = timedelta(seconds=3)
"""Within so long after the first of them things are taken to have begun at once."""


def began_together(since: Mapping[Key, datetime]) -> dict[Key, datetime]:
    """When each began; of those that began at once the time of the first, so that chance does not order them."""
    found: dict[Key, datetime] = {}
    first: datetime | None = None
    for key, at in sorted(since.items(), key=lambda item: item[1]):
        if first is None or at - first > _AT_ONCE:
            first = at
        found[key] = first
    return found


def never_reached(view: HostView) -> bool:
    """Whether a host cannot be reached, and was not since LilFox began."""
    return isinstance(view.link, Unavailable) and view.summary is None and not was_lost(view.link.error)


def why_no_numbers(view: HostView, now: datetime, room: int | None = None) -> str:
    """Since when there are no values, when the next try is, and why; in ``room`` cells as much of that as fits. Of a
    host that was never reached there is nothing to be missed: it says why it cannot be reached."""
    if not isinstance(view.link, Unavailable):
        return clauses(str(reason) for reason in view.reasons) or _("no sample yet")
    since = view.link.since if view.summary is None else min(view.link.since, view.summary.at)
    values = {"age": human_age(max(1.0, (now - since).total_seconds())), "why": view.link.error.message}
    forms = _never_reached_forms(view.link, now) if never_reached(view) else _lost_forms(view.link, values, now)
    forms.append(str(values["why"]))
    return next((each for each in forms if room is None or cell_width(clean(each)) <= room), forms[-1])


def _lost_forms(link: Unavailable, values: dict[str, object], now: datetime) -> list[str]:
    """From long to short; the times come first, since the reason may be cut."""
    if link.next_try is None:
        return [_("no sample for {age}, action required: {why}", **values)]
    wait_s = round((link.next_try - now).total_seconds())
    if wait_s <= 0:
        return [_("no sample for {age}, trying now: {why}", **values)]
    return [_("no sample for {age}, next try in {wait}: {why}", wait=human_duration(wait_s), **values)]


def _never_reached_forms(link: Unavailable, now: datetime) -> list[str]:
    """From long to short; the reason comes first, as nothing else is known of the host."""
    why = link.error.message
    whole = _("cannot be reached: {why}", why=why)
    if link.next_try is None:
        return [_("action required: {why}", why=why)]
    wait_s = round((link.next_try - now).total_seconds())
    again = _("trying now") if wait_s <= 0 else _("next try in {wait}", wait=human_duration(wait_s))
    return [clauses((whole, again)), whole]


def why_no_figures(view: BackendView, now: datetime) -> str:
    """When the last answer came, when the next try is, and why there was none since; the times come first, since the
    reason may be cut. What is counted from the first failure on would be less than the time that was waited."""
    if view.outage is None:
        return clauses(map(str, view.reasons)) or _("not checked yet")
    outage = view.outage
    answered = outage.last if view.reading is None else view.reading.at
    why = outage.error.message
    wait_s = None if outage.next_try is None else round((outage.next_try - now).total_seconds())
    wait = human_duration(wait_s)
    if answered is None:
        if wait_s is None:
            return _("never answered: {why}", why=why)
        if wait_s <= 0:
            return _("never answered, trying now: {why}", why=why)
        return _("never answered, next try in {wait}: {why}", wait=wait, why=why)
    age = human_age(max(1.0, (now - answered).total_seconds()))
    if wait_s is None:
        return _("last answer {age} ago: {why}", age=age, why=why)
    if wait_s <= 0:
        return _("last answer {age} ago, trying now: {why}", age=age, why=why)
    return _("last answer {age} ago, next try in {wait}: {why}", age=age, wait=wait, why=why)


# What fails for the reason that others fail for.


def of_kind(overview: Overview, kind: str) -> Mapping[str, View]:
    """Those of that kind, by their names."""
    views: dict[str, Mapping[str, View]] = {
        "host": overview.hosts,
        "service": overview.services,
        "backend": overview.backends,
    }
    return views.get(kind, {})


def causes(overview: Overview) -> dict[Subject, Subject]:
    """Each service that answers but does not work, and the first of what it depends on that fails. One that does not
    answer at all does so for a reason of its own."""
    found: dict[Subject, Subject] = {}
    for name, view in overview.services.items():
        if not view.config.depends_on or view.level not in (Level.DEGRADED, Level.FAILING):
            continue
        if view.state is None or view.state.last.status_code is None:
            continue
        for other in view.config.depends_on:
            subjects = ((kind, other) for kind in ("service", "backend", "host"))
            known = ((each, of_kind(overview, each[0]).get(other)) for each in subjects)
            if failing := [each for each, of in known if of is not None and of.level is Level.FAILING]:
                found["service", name] = failing[0]
                break
    return found


Rank = tuple[bool, int, int, bool, datetime]
"""What problems are sorted by: whether somebody has seen to it, the level, that of its alert (a critical one is worse
than a threshold), whether it is a backup plan, since when."""


def caused_last(first: Mapping[Subject, Rank], because: Mapping[Subject, Subject]) -> dict[Subject, tuple[Rank, int]]:
    """What groups of rows are sorted by: their first rank, for what makes others fail that of the first of these, and
    how many causes a group has one behind the other. A cause that somebody has seen to stays where it is."""
    order = {group: (rank, 0) for group, rank in first.items()}
    for group in first:
        chain = [group]
        while (cause := because.get(chain[-1])) is not None and cause not in chain:
            chain.append(cause)
        chain = [each for each in chain if each in order and not first[each][0]]
        for depth, each in enumerate(reversed(chain)):
            order[each] = min(order[each][0], order[group][0]), max(order[each][1], depth)
    return order


def histograms_of(overview: Overview | None) -> dict[str, tuple[float, ...]]:
    """The bounds of the buckets of the services' latency, by the name of the histogram; none where services have other
    buckets under one name, as an alert may be about any of them."""
    found: dict[str, tuple[float, ...]] = {}
    for view in () if overview is None else overview.services.values():
        traffic = view.traffic.value if isinstance(view.traffic, Ready) else None
        if traffic is not None and traffic.bounds and (name := traffic.taken.get("latency")):
            found[name] = traffic.bounds if found.get(name, traffic.bounds) == traffic.bounds else ()
    return found


GROUP = "hosts"
"""The kind of a row of several hosts."""
_GROUPED_FROM = 4
"""So many hosts that cannot be reached for the same reason are one row."""


class HostGroup(Struct, frozen=True):
    """Hosts that were never reached, all for one reason."""

    views: tuple[HostView, ...]
    why: str

    @property
    def level(self) -> Level:
        """Their worst level."""
        return max(view.level for view in self.views)

    @property
    def since(self) -> datetime:
        """Since when the first of them cannot be reached."""
        return min(view.since for view in self.views)

    @property
    def name(self) -> str:
        """How many they are."""
        return ngettext("{count} host", "{count} hosts", len(self.views))


def grouped(problems: Mapping[Subject, Any]) -> dict[Subject, Any]:
    """The problems, where many hosts cannot be reached for one reason with a row of all of them in place of the first
    one's."""
    alike: dict[str, list[HostView]] = {}
    for each in problems.values():
        if isinstance(each, HostView) and (why := _why_unreached(each)) is not None:
            alike.setdefault(str(_without_host(why)), []).append(each)
    found: dict[Subject, Any] = {}
    groups = {view.name: text for text, views in alike.items() if len(views) >= _GROUPED_FROM for view in views}
    for subject, each in problems.items():
        if isinstance(each, HostView) and each.name in groups:
            key = GROUP, groups[each.name]
            if key not in found:
                reasons = set(map(str, map(_why_unreached, alike[key[1]])))
                found[key] = HostGroup(tuple(alike[key[1]]), reasons.pop() if len(reasons) == 1 else key[1])
        else:
            found[subject] = each
    return found


def _why_unreached(view: HostView) -> Message | None:
    """Why a host cannot be reached of which nothing is known; of the past what its change says."""
    if isinstance(view.link, Unavailable):
        return view.link.error.message if never_reached(view) else None
    return view.reasons[0] if view.summary is None and view.level is Level.FAILING and view.reasons else None


_OF_HOST = frozenset(("host", "name", "place", "where"))
"""The values of an error that are the name or the address of a host."""


def _without_host(why: Message) -> Message:
    """The reason without the host that has it: errors that differ in anything else have reasons of their own."""
    values = {
        name: "…" if name in _OF_HOST else _without_host(value) if isinstance(value, Message) else value
        for name, value in why.values.items()
    }
    return replace(why, values=values)


def group_detail(group: HostGroup, now: datetime, glyphs: Glyphs, width: int) -> list[Row]:
    """Such a row as text: the names of the hosts, and what enter does."""
    mark = Piece(f" {glyphs.level(group.level)} ", "failing")
    age = human_age((now - group.since).total_seconds())
    names = Piece(listed(view.name for view in group.views))
    row = (mark, Piece(group.name, "strong"), Piece(f"  {age}  ", "muted"), names)
    return [cut_row(row, width), (Piece("   "), Piece(_("enter goes to the first of them in the list of hosts")))]


# What is said of a host's key that is not trusted: one that nobody knows yet, and one that has changed. Pure.


def unknown_key_rows(host: str, error: HostKeyUnknown) -> list[Row]:
    """What is shown before the user trusts an unknown key."""
    return [
        *_named(
            (_("host"), Piece(host, "strong")),
            (_("fingerprint"), Piece(f"{error.key_type} {error.fingerprint}", "accent")),
        ),
        (Piece("  " + _("Verify the fingerprint with the host's owner through a different channel.")),),
    ]


def changed_key_rows(host: str, error: HostKeyChanged) -> list[Row]:
    """Both fingerprints and what to do about a key that changed or is revoked. No key press accepts it here."""
    heading, steps = _("THE KEY OF {host} HAS CHANGED", host=host), _changed_steps()
    if error.revoked:
        heading, steps = _("THE KEY OF {host} IS REVOKED", host=host), _revoked_steps()
    return [
        (Piece(" " + heading, "failing"),),
        BLANK,
        *_named(
            (_("presented now"), Piece(error.fingerprint, "failing")),
            (_("known"), Piece(error.known or _("only revoked keys"), "strong")),
        ),
        BLANK,
        (Piece("  "), Piece(str(error.message))),
        (Piece("  "), Piece(str(error.hint))),
        BLANK,
        (Piece("  "), Piece(_("Until this is resolved, LilFox sends nothing to the host: no commands, no passwords."))),
        *((Piece("  "), Piece(step)) for step in steps),
    ]


def _changed_steps() -> list[str]:
    return [
        _("1. Ask the host's owner, through a different channel, whether its key was replaced."),
        _("2. Only if it was: remove the old line as shown above, then press R to retry."),
        _("3. The new key is then unknown: compare its fingerprint, and trust it with K."),
    ]


def _revoked_steps() -> list[str]:
    return [
        _("1. Ask the host's owner, through a different channel, why the key was revoked."),
        _("2. Keep the @revoked line in known_hosts. Have the owner generate a new host key, then press R to retry."),
        _("3. If the new key is unknown, compare its fingerprint, and trust it with K."),
    ]


def _named(*rows: tuple[str, Piece]) -> list[Row]:
    width = max(cell_width(name) for name, _value in rows)
    return [(Piece("  " + name + " " * (width - cell_width(name)), "muted"), Piece("  "), each) for name, each in rows]
