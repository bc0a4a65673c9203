"""How the fields of an index pattern are mapped, as the server tells it: what of a filter can be asked for there."""

from __future__ import annotations

import time
from typing import Any

from lilfox_tui.errors import LilFoxError
from lilfox_tui.logs.filter.elasticsearch import Mapping
from lilfox_tui.logs.http_source import Server

KEEP_S = 60.0
"""New documents may bring new fields: so old may the answer be."""


class FieldMapping:
    """Asks when it is needed. ``plain``: see :class:`Mapping`."""

    def __init__(self, server: Server, index: str, *, plain: bool) -> None:
        self._server, self._index, self._plain = server, index, plain
        self._known = Mapping(plain=plain)
        self._asked_at = float("-inf")

    async def now(self) -> Mapping:
        """The mapping, at most a minute old. Nothing is known of it where this user may not ask."""
        if time.monotonic() - self._asked_at > KEEP_S:
            self._known = await self._ask()
            self._asked_at = time.monotonic()
        return self._known

    async def _ask(self) -> Mapping:
        try:
            caps = await self._server.ask("GET", f"/{self._index}/_field_caps", params={"fields": "*"})
            types = _types(caps)
        except (LilFoxError, LookupError, TypeError, AttributeError):
            return Mapping(plain=self._plain)
        return Mapping(types=types, whole=await self._is_whole(), plain=self._plain)

    async def _is_whole(self) -> bool:
        """Whether every text of a document is indexed, by the standard analyzer."""
        try:
            mappings = await self._server.ask("GET", f"/{self._index}/_mapping")
            settings = await self._server.ask("GET", f"/{self._index}/_settings/index.analysis.*")
            return all(_all_indexed(index["mappings"]) for index in mappings.values()) and not any(
                "default" in str(index.get("settings", {})) for index in settings.values()
            )
        except (LilFoxError, LookupError, TypeError, AttributeError):
            return False


def _types(caps: Any) -> dict[str, str]:
    """See :class:`Mapping`: the server's own fields are not among them."""
    return {name: _type(list(kinds.values())) for name, kinds in caps["fields"].items() if not name.startswith("_")}


def _type(kinds: list[Any]) -> str:
    """The type of a field that has it in all indices and can be searched in all, or has fields itself; else ``""``."""
    one = kinds[0]
    sure = (one.get("searchable") and "non_searchable_indices" not in one) or one["type"] == "object"
    return str(one["type"]) if len(kinds) == 1 and sure else ""


def _all_indexed(part: dict[str, Any]) -> bool:
    """Of a mapping or a field of it (Elasticsearch's "Mapping parameters")."""
    if str(part.get("dynamic", "true")).lower() != "true" or str(part.get("enabled", "true")).lower() != "true":
        return False
    if str(part.get("index", "true")).lower() != "true" or {"analyzer", "normalizer", "runtime"} & part.keys():
        return False
    return all(_all_indexed(field) for field in part.get("properties", {}).values())
