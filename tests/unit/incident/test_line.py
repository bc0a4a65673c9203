from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.model import AlertChanged, Closed, Noted, StepEnded, TimelineEntry
from lilfox_tui.incident.timeline import MOST_BYTES, entry_of, line_of, stored
from tests.unit.incident.made import AT, all_events

SECRETS = [
    "postgresql://lilfox:S3CRET@db:5432/lilfox",
    "Authorization: Bearer S3CRETS3CRET",
    "curl -H 'bearer S3CRETS3CRET'",
    "PGPASSWORD=S3CRET psql",
    '{"api_key": "S3CRET two"}',
    "?token=S3CRET&page=2",
    "AKIA" + "S3CRETS3CRETS3CR",
    "eyJhbGciOi.eyJzdWIi.S3CRET-x",
    "-----BEGIN RSA PRIVATE KEY-----\nS3CRET\n-----END RSA PRIVATE KEY-----",
    "\x1b[01;31mpassword\x1b[m\x1b[K=S3CRET",
    "postgresql://lilfox:\x1b[1mS3CRET\x1b[0m@db/x",
]


@pytest.mark.fault("S21")
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_any_event_at_any_depth(secret: str) -> None:
    for what in all_events(f"before {secret} behind"):
        assert b"S3CRET" not in msgspec.json.encode(stored(what)), what


@pytest.mark.fault("S21")
def test_what_stands_under_the_name_of_a_secret_is_one(incidents: Path) -> None:
    what = stored(AlertChanged(name="x", labels={"password": "S3CRET", "job": "a"}, state="firing", since=AT))
    assert isinstance(what, AlertChanged)
    assert what.labels == {"password": "***", "job": "a"}


@pytest.mark.fault("S21")
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_any_file_of_an_incident(incidents: Path, secret: str) -> None:
    made = book.open_incident(secret, cause=secret, by=secret)
    for what in all_events(secret):
        book.append(made.id, what, by=secret, once=f"{type(what).__name__} {secret}")
    book.keep_evidence(made.id, "a", f"x {secret} y\n".encode(), secret, by=secret)
    book.keep_evidence(made.id, "b", b"\xff\0" + f"x {secret} y\n".encode(), secret)
    for file in incidents.rglob("*"):
        assert "S3CRET" not in file.name
        if file.is_file() and not (file.name == "b" and "\x1b" in secret):  # what is no text keeps its other bytes
            assert b"S3CRET" not in file.read_bytes(), file
    evidence = (incidents / "INC-1/evidence/b").read_bytes()
    assert evidence.startswith(b"\xff\0x ")


@pytest.mark.fault("S24")
@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_comes_back_on_one_line_and_stays_the_same(text: str) -> None:
    for what in all_events(text):
        kept = stored(what)
        line = line_of(TimelineEntry(number=1, at=AT, by="x", previous="0" * 64, what=kept))
        assert b"\n" not in line
        assert entry_of(line).what == kept
        assert stored(kept) == kept


def test_a_long_text_keeps_head_and_tail() -> None:
    what = stored(Noted(text="head" + "x" * 100_000 + "tail"))
    assert isinstance(what, Noted)
    assert what.text.startswith("headxxx")
    assert what.text.endswith("xxxtail")
    assert f"… {100_008 - 32_000} …" in what.text


@pytest.mark.parametrize("text", ["a", "\0", "日", "\ud800", '"'])
def test_no_line_is_longer_than_it_may_be(text: str) -> None:
    for what in (
        *all_events(text * 40_000),
        AlertChanged(name="x", labels={f"{n}": text * 500 for n in range(500)}, state="firing", since=AT),
        Closed(summary="x", in_force=tuple(text * 500 for _ in range(500))),
        StepEnded(run="r", state="done", message=text * 40_000, output=text * 400_000),
    ):
        line = line_of(
            TimelineEntry(number=1, at=AT, by="x" * 100, previous="0" * 64, once="x" * 100, what=stored(what))
        )
        assert len(line) < MOST_BYTES, what
