"""The alerts and silences of an Alertmanager, by its API v2 (api/v2/openapi.yaml of prometheus/alertmanager)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.alerts.model import Alert, AlertState, Silence, SilenceMatcher
from lilfox_tui.alerts.silences import check_silence
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.json_body import decoded
from lilfox_tui.i18n import tr
from lilfox_tui.promql.http_api import HttpApi, Moment, NotAnswered, Reply
from lilfox_tui.redact import redacted_start

T = TypeVar("T")
_REASON_CHARS, _REASON_BYTES = 500, 16 * 1024


class _Status(Struct, frozen=True):
    state: str = ""
    silencedBy: tuple[str, ...] = ()  # noqa: N815  # the API's names
    inhibitedBy: tuple[str, ...] = ()  # noqa: N815


class _Alert(Struct, frozen=True):
    labels: dict[str, str]
    startsAt: Moment  # noqa: N815
    annotations: dict[str, str] = {}
    status: _Status = _Status()


class _Matcher(Struct, frozen=True):
    name: str
    value: str
    isRegex: bool  # noqa: N815
    isEqual: bool = True  # noqa: N815


class _Silence(Struct, frozen=True):
    id: str
    matchers: tuple[_Matcher, ...]
    startsAt: Moment  # noqa: N815
    endsAt: Moment  # noqa: N815
    createdBy: str = ""  # noqa: N815
    comment: str = ""


class _Made(Struct, frozen=True):
    silenceID: str  # noqa: N815


class AlertmanagerApi:
    """The Alertmanager behind ``config.url``; ``host`` is the one that asks, None for this machine. Everything raises
    LilFoxError, with the server's own words where it refuses."""

    def __init__(self, config: ApiConfig, host: Host | None = None) -> None:
        self._api = HttpApi(config, host)

    @property
    def where(self) -> str:
        """The server as errors name it."""
        return self._api.where

    async def alerts(self) -> tuple[Alert, ...]:
        """What it was told and has not ended, silenced ones too. ``silenced_by`` are ids of silences, and fingerprints
        of alerts that inhibit; their value is not known (NaN)."""
        found = await self._items("/api/v2/alerts", _Alert)
        return tuple(self._alert(one) for one in found)

    async def silences(self) -> tuple[Silence, ...]:
        """Those that are active or will be."""
        found = await self._items("/api/v2/silences", _Silence)
        now = datetime.now(UTC)
        return tuple(_silence(one) for one in found if one.endsAt > now)

    async def create(
        self, matchers: Sequence[SilenceMatcher], starts_at: datetime, ends_at: datetime, by: str, comment: str = ""
    ) -> Silence:
        """Silences what all ``matchers`` take (times are aware). Raises UsageError where they take everything."""
        check_silence(matchers)
        document = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
                for one in matchers
            ],
            "startsAt": starts_at,
            "endsAt": ends_at,
            "createdBy": by,
            "comment": comment,
        }
        reply = await self._api.send("POST", "/api/v2/silences", document)
        made = await self._read(reply, _Made)
        return Silence(made.silenceID, tuple(matchers), starts_at, ends_at, by, comment)

    async def expire(self, silence_id: str) -> None:
        """Ends a silence now."""
        if not silence_id or not all(char.isascii() and (char.isalnum() or char == "-") for char in silence_id):
            raise LilFoxError(tr("{id} is no silence's id", id=silence_id))
        reply = await self._api.send("DELETE", f"/api/v2/silence/{silence_id}")
        if reply.status >= 300:
            raise self._refused(reply)

    async def close(self) -> None:
        """Ends the connections."""
        await self._api.close()

    async def _items(self, path: str, kind: type[T]) -> list[T]:
        return await self._read(await self._api.get(path), list[kind])  # type: ignore[valid-type]

    async def _read(self, reply: Reply, kind: type[T]) -> T:
        if reply.status >= 300:
            raise self._refused(reply)
        try:
            read: T = await asyncio.to_thread(decoded, reply.body, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise NotAnswered(
                tr("{where} answers something that is not Alertmanager's API v2", where=self.where),
                tr("Is that the right address? Alertmanager's own is often port 9093."),
            ) from None
        return read

    def _refused(self, reply: Reply) -> LilFoxError:
        said = reply.body[:_REASON_BYTES].decode("utf-8", "replace")
        try:
            document = msgspec.json.decode(reply.body[:_REASON_BYTES])
            said = document["message"] if isinstance(document, dict) else str(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            pass  # not in the form of its errors: as it is
        reason = redacted_start(str(said), _REASON_CHARS)
        return LilFoxError(
            tr("{where} answers {status}: {reason}", where=self.where, status=reply.status, reason=reason)
        )

    def _alert(self, one: _Alert) -> Alert:
        return Alert(
            labels=tuple(sorted(one.labels.items())),
            annotations=tuple(sorted(one.annotations.items())),
            state=AlertState.FIRING,
            active_at=one.startsAt,
            value=float("nan"),
            fired_at=one.startsAt,
            rule=self.where,
            silenced_by=(*one.status.silencedBy, *one.status.inhibitedBy),
        )


def _silence(one: _Silence) -> Silence:
    matchers = tuple(SilenceMatcher(each.name, each.value, each.isRegex, each.isEqual) for each in one.matchers)
    return Silence(one.id, matchers, one.startsAt, one.endsAt, one.createdBy, one.comment)
