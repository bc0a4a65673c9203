"""What of an archive can be made before all of its rows are there: indexes and keys of one table, as pg_restore's own
list of the archive tells them (``pg_restore -l -v``).

The list is read for speed alone. What is not recognized in it is made at the end, and an index whose table was taken
for another's is made too early, which costs time: it is filled as the rows come.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.clients import Programs

_ENTRY = re.compile(r"(\d+); (\d+) \d+ (.*)")
"""Its number in the archive, the catalog that it is of, its kind with its names."""
_NEEDS = re.compile(r";\tdepends on:((?: \d+)+)")
_TABLE = re.compile(r"TABLE ([a-z_][a-z0-9_]*) ([a-z_][a-z0-9_]*) \S+")
"""With names that need no quotes: of others nothing tells where one ends."""
_PG_CLASS, _PG_CONSTRAINT = "1259", "2606"
_MADE_OF_ROWS = {_PG_CLASS: "INDEX ", _PG_CONSTRAINT: "CONSTRAINT "}
"""Not ``INDEX ATTACH``, which is of no catalog, nor ``FK CONSTRAINT``, ``CHECK CONSTRAINT``."""


class Contents(Struct, frozen=True):
    """The numbers of an archive's entries."""

    numbers: tuple[int, ...] = ()
    """All of them, in their order; none where the list was too long to be read."""
    indexes: dict[str, tuple[int, ...]] = {}
    """Table, named as SQL does with its schema → its indexes and keys that need nothing but itself."""

    def without(self, made: Collection[int]) -> list[int]:
        """Those that are not ``made`` yet."""
        return [number for number in self.numbers if number not in made]


def read_contents(listed: str) -> Contents:
    """What a list says."""
    numbers: list[int] = []
    tables: dict[int, str] = {}
    made_of_rows: set[int] = set()
    needs: dict[int, set[int]] = {}
    for line in listed.splitlines():
        if (entry := _ENTRY.fullmatch(line)) is not None:
            numbers.append(int(entry[1]))
            if entry[2] == _PG_CLASS and (table := _TABLE.fullmatch(entry[3])) is not None:
                tables[numbers[-1]] = f"{table[1]}.{table[2]}"
            elif entry[3].startswith(_MADE_OF_ROWS.get(entry[2], "\n")):
                made_of_rows.add(numbers[-1])
        elif numbers and (said := _NEEDS.fullmatch(line)) is not None:
            needs[numbers[-1]] = {int(number) for number in said[1].split()}
    indexes: dict[str, tuple[int, ...]] = {}
    for number in numbers:
        of = needs.get(number, set())
        if number in made_of_rows and len(of) == 1 and (name := tables.get(max(of))) is not None:
            indexes[name] = (*indexes.get(name, ()), number)
    return Contents(tuple(numbers), indexes)


async def contents_of(access: Access, programs: Programs, path: str) -> Contents | None:
    """Of the beginning of an archive that lies there; None where not all of its list is in it. Raises HostError."""
    argv = access.argv(programs.path("pg_restore"), "-l", "-v", path)
    done = await access.host.run(argv, sudo=access.sudo)
    if done.truncated:
        return Contents()
    return read_contents(done.stdout.decode("utf-8", "replace")) if done.ok else None
