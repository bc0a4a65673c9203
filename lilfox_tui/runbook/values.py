"""Values of a run: of all of it, and of single hosts what their own output held.

What is captured on several hosts is each one's own: what runs on a host has the value of that host, and where it has
none, none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


class Values:
    """By name. What comes later holds: a value for the whole run takes the place of those of its hosts."""

    def __init__(self) -> None:
        self.run: dict[str, str] = {}
        self._own: dict[str, dict[str, str]] = {}

    def take(self, values: Mapping[str, str], host: str = "") -> None:
        """Values of the whole run, or of a host."""
        if host:
            self._own.setdefault(host, {}).update(values)
        else:
            self.drop(values)
            self.run |= values

    def drop(self, names: Collection[str], host: str = "") -> None:
        """Forgets them: everywhere, or on a host."""
        for values in [self._own.get(host, {})] if host else [self.run, *self._own.values()]:
            for name in names:
                values.pop(name, None)

    def take_all(self, other: Values) -> None:
        """All that ``other`` has."""
        self.take(other.run)
        for host, values in other._own.items():
            self.take(values, host)

    def on(self, host: str) -> dict[str, str]:
        """What holds on a host."""
        return self.run | self._own.get(host, {})

    def has(self, values: Mapping[str, str], host: str = "") -> bool:
        """Whether these hold there, and for the whole run: nowhere other ones."""
        places = [self.on(host)] if host else [self.on(each) for each in ("", *self._own)]
        return all(place.get(name) == value for place in places for name, value in values.items())

    def names(self) -> set[str]:
        """Of those that are known anywhere."""
        return set(self.run).union(*self._own.values())

    def shown(self, hosts: Sequence[str]) -> dict[str, str]:
        """For people: one that is not the same on all of these hosts with each host's name."""
        found = {host: self.on(host) for host in hosts}
        shown = dict(self.run)
        for name in self.names():
            values = {host: each[name] for host, each in found.items() if name in each}
            if len(values) == len(found) and len(set(values.values())) == 1:
                shown[name] = next(iter(values.values()))
            elif values:
                shown[name] = ", ".join(f"{host}: {value}" for host, value in values.items())
        return shown
