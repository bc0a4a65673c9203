"""The interface of notifiers (one file each in notifiers/), notifications as text and as JSON, and the HTTP client that
posts JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef, TextOrSecret
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, ngettext, tr
from lilfox_tui.core.text import clean, human_duration
from lilfox_tui.hosts.http import HttpFault, HttpResponse, HttpTransport, Tls, authorization, basic, revealed
from lilfox_tui.metrics.model import Labels
from lilfox_tui.redact import MASK, redacted_start
from lilfox_tui.scrape.labels import quoted

# What a notifier is told, and what a notifier is: one file each in ``notifiers/``.
#
# A module of a kind has ``Options`` (a :class:`NotifierConfig`) and ``open_notifier(name, options, setting)``.


Reason = Literal["firing", "reminder", "resolved", "test"]


class Notification(Struct, frozen=True):
    """One message to one receiver about alerts that belong together.

    ``id`` stays the same from try to try, so that a message that arrives twice is recognised. ``thread`` stays the
    same from the first firing of a group to its end. ``firing`` are all that fire now, ``resolved`` those that ended
    since the last message. All text in it is untrusted.
    """

    id: str
    thread: str
    at: datetime
    receiver: str
    reason: Reason
    group: Labels
    firing: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    valid_until: datetime | None = None
    """Without another message what fires counts as resolved then; only of notifiers that are told everything."""
    external_url: str = ""
    route: str = "{}"
    """Key of the route by which it came."""
    title: str = ""
    message: str = ""
    """Texts by the receiver's templates, instead of LilFox's own."""


class PartialDelivery(LilFoxError):
    """Raised when some recipients were not reached and a retry would notify the others twice."""


class TryLater(LilFoxError):
    """Raised when the receiver says that it takes nothing for ``wait_s`` seconds."""

    def __init__(self, message: Message | str, hint: Message | str, wait_s: float) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s


class Notifier(Protocol):
    """Sends notifications to one receiver. ``tells_all``: the receiver groups, silences and repeats by itself, so it
    gets all alerts repeatedly, each time with ``valid_until``."""

    tells_all: bool

    async def tell(self, notice: Notification) -> None:
        """Send the notification once. Raises LilFoxError, without secrets, if that failed and may be retried, and
        PartialDelivery if it must not be retried. May be cancelled at any time."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class NotifierSetup(Struct, frozen=True):
    """What a notifier gets besides its Options. ``ring`` rings the bell of the app's terminal, if there is one."""

    ring: Callable[[Notification], None] | None = None


# A notice in words, for people: a subject on one line and a text.


_SUBJECT_CHARS = 150
_MOST_ALERTS = 50
_MOST_LINES, _LINE_CHARS = 40, 1000


def summary(alert: Alert) -> str:
    """Return the alert's summary on one line. For a resolved alert it is marked as past, because the text is in the
    present tense."""
    text = alert.summary
    return _("was: {what}", what=text) if text and alert.state is AlertState.RESOLVED else text


def subject(notice: Notification) -> str:
    """Return the subject of a notification on one line, without characters that a terminal or a mail header
    interprets."""
    if notice.title.strip():
        return clean(" ".join(notice.title[:_LINE_CHARS].split()))[:_SUBJECT_CHARS].rstrip()
    names = sorted({alert.name for alert in (*notice.firing, *notice.resolved)})
    what = listed(dict(notice.group).values()) or listed(names)
    state = {
        "firing": _("FIRING {count}", count=len(notice.firing)),
        "reminder": _("STILL FIRING {count}", count=len(notice.firing)),
        "resolved": _("RESOLVED {count}", count=len(notice.resolved)),
        "test": _("TEST"),
    }[notice.reason]
    if notice.reason == "resolved" and notice.firing:
        state += ", " + _("STILL FIRING {count}", count=len(notice.firing))
    return clean(f"[{state}] {what}"[:_LINE_CHARS])[:_SUBJECT_CHARS].rstrip()


def body(notice: Notification) -> str:
    """Return the text of a notification: its alerts up to a limit, firing ones first; lines end with ``\\n``."""
    if notice.message.strip():
        return "\n".join(clean(_cut(line)) for line in notice.message.strip().splitlines()) + "\n"
    lines: list[str] = []
    if notice.reason == "test":
        lines += [_("This is a test notification. Nothing is wrong."), ""]
    shown = 0
    for alerts, resolved in ((notice.firing, False), (notice.resolved, True)):
        for alert in alerts[: _MOST_ALERTS - shown]:
            lines += [*_alert_lines(alert, notice, resolved=resolved), ""]
            shown += 1
    more = len(notice.firing) + len(notice.resolved) - shown
    if more:
        lines += [ngettext("and {count} more", "and {count} more", more), ""]
    if notice.external_url:
        lines.append(notice.external_url)
    return "\n".join(clean(_cut(line)) for line in lines).rstrip() + "\n"


def fitted(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Return ``text`` if its ``size`` is within ``limit``, else its start up to the end of a line, with an ellipsis.
    ``size`` must not decrease when text is added."""
    if size(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + "…") <= limit else (low, middle - 1)
    kept = text[:low]
    line = kept.rfind("\n") + 1
    return (kept[:line] if line > low // 2 else kept) + "…"


def utf8_size(text: str) -> int:
    """Return the number of bytes of ``text``."""
    return len(text.encode("utf-8", "surrogatepass"))


def json_size(value: object) -> int:
    """Return the number of bytes of ``value`` in a JSON document."""
    return len(msgspec.json.encode(value))


def worst_urgency(notice: Notification) -> int:
    """Return the highest ``urgency`` of the firing alerts, of the resolved ones if none fires."""
    return max((alert.urgency for alert in notice.firing or notice.resolved), default=0)


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else line[: _LINE_CHARS - 1] + "…"


def _alert_lines(alert: Alert, notice: Notification, *, resolved: bool) -> Iterator[str]:
    since = alert.fired_at or alert.active_at
    if resolved:
        ended = alert.resolved_at or notice.at
        lasted = human_duration(max(0.0, (ended - since).total_seconds()))
        yield _(
            "RESOLVED {name} at {at:%Y-%m-%d %H:%M:%S} UTC after {lasted}", name=alert.name, at=ended, lasted=lasted
        )
    else:
        yield _("FIRING {name} since {at:%Y-%m-%d %H:%M:%S} UTC, value {value:g}",
                name=alert.name, at=since, value=alert.value)  # fmt: skip
    for name, value in alert.annotations:
        first, *others = value.splitlines()[:_MOST_LINES] or [""]
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in others)
    yield "  " + ", ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")


# A notice as JSON: the document that Alertmanager sends to webhooks (its template.Data, version 4).


MOST_ALERTS = 500
"""More of one notice are counted in ``truncatedAlerts``."""
_NEVER = "0001-01-01T00:00:00Z"
_FNV_OFFSET, _FNV_PRIME, _WORD = 0xCBF29CE484222325, 0x100000001B3, 2**64 - 1


def webhook_payload(notice: Notification) -> dict[str, Any]:
    """Return the JSON document for a webhook. ``id`` and ``reason`` are LilFox's additions to Alertmanager's format; a
    retry has the same id."""
    alerts = (*notice.firing, *notice.resolved)
    return {
        "version": "4",
        "groupKey": group_key(notice.group, notice.route),
        "truncatedAlerts": max(0, len(alerts) - MOST_ALERTS),
        "status": "firing" if notice.firing else "resolved",
        "receiver": notice.receiver,
        "groupLabels": dict(notice.group),
        "commonLabels": _common(alert.labels for alert in alerts),
        "commonAnnotations": _common(alert.annotations for alert in alerts),
        "externalURL": notice.external_url,
        "alerts": [_alert(alert, notice) for alert in alerts[:MOST_ALERTS]],
        "id": notice.id,
        "reason": notice.reason,
    }


def group_key(group: Labels, route: str = "{}") -> str:
    """Return a group's key as Alertmanager writes it: ``{}:{alertname="X"}`` for its top-level route."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in group)
    return f"{route}:{{{inner}}}"


def fingerprint(labels: Labels) -> str:
    """Return Alertmanager's fingerprint of a label set: 64 bits of FNV-1a over sorted names and values
    (common/model)."""
    found = _FNV_OFFSET
    for byte in b"".join(f"{name}\0{value}\0".encode("utf-8", "surrogatepass") for name, value in labels):
        found = ((found ^ (byte or 0xFF)) * _FNV_PRIME) & _WORD
    return f"{found:016x}"


def rfc3339(at: datetime) -> str:
    """Format an aware time for Alertmanager: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(alert: Alert, notice: Notification) -> dict[str, Any]:
    firing = alert.state is AlertState.FIRING
    return {
        "status": "firing" if firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.fired_at or alert.active_at),
        "endsAt": _NEVER if firing else rfc3339(alert.resolved_at or notice.at),
        "generatorURL": notice.external_url,
        "fingerprint": fingerprint(alert.labels),
    }


def _common(every: Iterable[Labels]) -> dict[str, str]:
    first, *others = [dict(labels) for labels in every] or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


# JSON sent to a server by POST: bounded, never led to another address, nothing secret in its errors.


_REASON_BYTES = 16 * 1024
_JUDGED_BYTES = 256 * 1024
_REASON_CHARS = 300
_SHORTEST_SECRET, _LONG_WORD = 4, 8
_MOST_DIGITS = 9


class PostOptions(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of notifiers for servers that may want a login. The whole URL may be secret."""

    url: TextOrSecret
    headers: dict[str, TextOrSecret] = msgspec.field(default_factory=dict)
    user: str | None = None
    password: SecretRef | None = None
    ca: str | None = None
    """File with the certificates that the server's is checked with; the system's when not given."""
    verify_tls: bool = True


class HookOptions(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of notifiers for services that take whatever has their address, which is therefore a secret."""

    url: SecretRef
    ca: str | None = None
    """File with the certificates that the server's is checked with; the system's when not given."""
    verify_tls: bool = True


class Refusal(Struct, frozen=True):
    """What a response says against a notification; the receiver takes nothing for ``wait_s`` seconds."""

    reason: str
    wait_s: float = 0.0


Judge: TypeAlias = Callable[[bytes], Refusal | None]
"""Returns why the receiver did not take a notification, from the body of its response, None if it took it."""


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; empty if there is none."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def code_judge(codes: Sequence[str], message: str, too_fast: int, wait_s: float) -> Judge:
    """Return the judge of a service that answers with a code under the first of these keys that is there, 0 for taken,
    and says why under the key ``message``. With the code ``too_fast`` it takes nothing for ``wait_s`` seconds."""

    def judge(said: bytes) -> Refusal | None:
        found = json_object(said)
        key = next((each for each in codes if each in found), codes[0])
        code = found.get(key)
        if code == 0:
            return None
        reason = said.decode("utf-8", "replace") if code is None else f"{codes[0]} {code}: {found.get(message)}"
        return Refusal(reason, wait_s if code == too_fast else 0.0)

    return judge


class PostingNotifier:
    """The base of notifiers that are told each notification and post it with ``_post``."""

    tells_all = False
    _post: JsonPost

    async def close(self) -> None:
        """As :meth:`Notifier.close`."""
        await self._post.close()


class JsonPost:
    """Posts JSON to one server."""

    def __init__(self, options: PostOptions | HookOptions) -> None:
        self._options = options
        self._transport: HttpTransport | None = None

    async def send(
        self,
        path: str,
        document: Callable[[], Any],
        headers: Mapping[str, str],
        *,
        query: str = "",
        secrets: Iterable[str] = (),
        judge: Judge | None = None,
    ) -> None:
        """POST the result of ``document()`` (called in a thread) to ``path`` under the configured address, with
        ``query`` added to its query. Raises LilFoxError, without ``secrets``, unless the response is 2xx and ``judge``
        finds nothing against it."""
        url = await revealed_text(self._options.url)
        where = _where(url)
        own = self._options.headers if isinstance(self._options, PostOptions) else {}
        lines = await self._headers()
        hidden = [*secrets, *_parts(url), *(lines[name] for name in own)]
        lines = {**_login(url), **lines, **headers}
        _check_headers(lines)
        if self._transport is None:
            options = self._options
            tls = tls_of(options.ca, verify=options.verify_tls)
            self._transport = HttpTransport(where, None, timeout_s=options.timeout, tls=tls)
        target = urlsplit(url.rstrip("/") + path if path else url)
        words = "&".join(part for part in (target.query, query) if part)
        asked = (target.path or "/") + (f"?{words}" if words else "")
        body = await asyncio.to_thread(lambda: msgspec.json.encode(document()))
        try:
            async with self._transport.stream("POST", asked, headers=lines, content=body) as answer:
                taken = 200 <= answer.status < 300
                if taken and judge is None:
                    return
                said, _more = await answer.start(_REASON_BYTES if judge is None else _JUDGED_BYTES)
                refusal = None if judge is None else judge(said)
                if not taken or refusal is not None:
                    raise _refused(where, answer, refusal, said, hidden)
        except TimeoutError:
            raise LilFoxError(
                tr("{where} did not answer within {seconds:g} s", where=where, seconds=self._options.timeout),
                tr("Is it running, and is the address right?"),
            ) from None
        except (HttpFault, OSError, UnicodeError) as error:
            reason = _without(hidden, str(error)) or type(error).__name__
            raise LilFoxError(
                tr("the request to {where} failed: {reason}", where=where, reason=reason),
                tr("Is it running, and is the address right?"),
            ) from None

    async def close(self) -> None:
        """Close the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def _headers(self) -> dict[str, str]:
        lines = {"Content-Type": "application/json"}
        if isinstance(self._options, PostOptions):
            lines |= await authorization(self._options.user, self._options.password or "")
            lines |= await revealed(self._options.headers)
        return lines


def _check_headers(lines: Mapping[str, str]) -> None:
    for name, value in lines.items():
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise LilFoxError(
                tr("header {name} has leading or trailing spaces, or characters that HTTP does not allow", name=name)
            )


def _where(url: str) -> str:
    """Return scheme, host and port of an address, for errors: the path may be secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise LilFoxError(tr("the address cannot be parsed; write https://HOST/…")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LilFoxError(tr("the address cannot be parsed; write https://HOST/…"))
    return f"{parts.scheme}://{parts.hostname}{port}"


def tls_of(ca: str | None, *, verify: bool = True) -> Tls:
    """Return TLS settings that verify certificates with the file ``ca``, or with the system's CA certificates if it is
    None."""
    return Tls(verify=verify, ca_file="" if ca is None else str(Path(ca).expanduser()))


def _login(url: str) -> dict[str, str]:
    """Return the authorization header for a user and password in the URL; empty without a user."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    return basic(unquote(parts.username), unquote(parts.password or ""))


def _parts(url: str) -> tuple[str, ...]:
    """Return the path, the query, its values and the long path components of a URL, which may be secret."""
    parts = urlsplit(url)
    values = (pair.partition("=")[2] for pair in parts.query.split("&"))
    words = [word for word in (*values, *parts.path.split("/")) if len(word) >= _LONG_WORD]
    return parts.query, parts.path, *words, *map(unquote, words)


def _without(secrets: Iterable[str], said: str) -> str:
    """Return the server's error message with the secrets masked, because many servers repeat the request in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            said = said.replace(secret, MASK)
    return redacted_start(said.strip(), _REASON_CHARS)


def _refused(
    where: str, answer: HttpResponse, refusal: Refusal | None, said: bytes, secrets: Iterable[str]
) -> LilFoxError:
    status = answer.status
    hint: Message | str = ""
    if status in (404, 405, 410):
        hint = tr("Check the address.")
    elif status in (401, 403):
        hint = tr("Check headers, user and password of this notifier.")
    elif 300 <= status < 400:
        hint = tr("The server redirects, but LilFox does not follow redirects; set url to the final address.")
    elif refusal is not None:
        hint = tr("Check the address and the secrets of this notifier.")
    reason = said.decode("utf-8", "replace") if refusal is None else refusal.reason
    text = tr("{where} returns {status}: {reason}", where=where, status=status, reason=_without(secrets, reason))
    wait_s = 0.0 if refusal is None else refusal.wait_s
    if status in (429, 503):
        wait_s = max(wait_s, _retry_after_s(answer.headers.get("retry-after", "")))
    return TryLater(text, hint, wait_s) if wait_s > 0 else LilFoxError(text, hint)


def _retry_after_s(written: str) -> float:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3); 0 if it is none."""
    if written.isascii() and written.isdigit():
        return float(written[:_MOST_DIGITS])
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
