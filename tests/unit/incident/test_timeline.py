"""Whatever is done to a timeline's bytes is found, and where."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import IntegrityReport, verify
from lilfox_tui.incident.model import AlertChanged, Closed, EvidenceKept, Noted, StepEnded, TimelineEntry
from lilfox_tui.incident.timeline import MOST_BYTES, entry_of, line_of, stored
from tests.unit.incident.made import AT, all_events

LINES = 25
texts = st.text(st.characters(exclude_categories=()), max_size=40)
once = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Chain:
    """An incident of ``LINES`` lines and a piece of evidence, whose timeline is written anew for each example."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "timeline.jsonl"
        self.folder = folder
        self.whole = self._file.read_bytes()
        self.lines = self.whole.splitlines(keepends=True)
        assert len(self.lines) == LINES

    def verdict(self, content: bytes) -> IntegrityReport:
        self._file.write_bytes(content)
        try:
            return verify(self.folder.name)
        finally:
            self._file.write_bytes(self.whole)

    def first(self, content: bytes) -> int | None:
        problems = self.verdict(content).problems
        return problems[0].line if problems else None

    def line_at(self, place: int) -> int:
        return self.whole.count(b"\n", 0, place) + 1


@pytest.fixture
def chain(incidents: Path) -> Iterator[Chain]:
    made = book.open_incident("x")
    for what in all_events('a text, 文本 \\ " \n'):
        if type(what).__name__ != "EvidenceKept":
            book.append(made.id, what)
    book.keep_evidence(made.id, "a.log", b"text", "")
    yield Chain(incidents / made.id)
    shutil.rmtree(incidents)


def test_as_it_was_written_it_is_intact(chain: Chain) -> None:
    verdict = verify("INC-1")
    assert (verdict.problems, verdict.notes, verdict.entries) == ((), (), LINES)


@pytest.mark.fault("S23")
@once
@given(data=st.data(), flip=st.integers(1, 255))
def test_a_byte_that_changed_is_found_in_its_line(chain: Chain, data: st.DataObject, flip: int) -> None:
    place = data.draw(st.integers(0, len(chain.whole) - 1))
    altered = bytearray(chain.whole)
    altered[place] ^= flip
    assert chain.first(bytes(altered)) == chain.line_at(place)


@pytest.mark.fault("S23")
@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_a_text_that_changed_is_found_in_any_line(chain: Chain, number: int) -> None:
    line = chain.lines[number - 1]
    place = line.index(b'"by":"') + 6
    lines = [*chain.lines[: number - 1], line[:place] + b"X" + line[place + 1 :], *chain.lines[number:]]
    assert chain.first(b"".join(lines)) == number


@pytest.mark.fault("S23")
@once
@given(first=st.integers(0, LINES - 1), count=st.integers(1, LINES))
def test_lines_that_are_gone_are_missed_where_they_were(chain: Chain, first: int, count: int) -> None:
    assert chain.first(b"".join(chain.lines[:first] + chain.lines[first + count :])) == first + 1


@pytest.mark.fault("S23")
@once
@given(places=st.lists(st.integers(0, LINES - 1), min_size=2, max_size=2, unique=True))
def test_lines_that_changed_places_are_found(chain: Chain, places: list[int]) -> None:
    one, other = sorted(places)
    lines = list(chain.lines)
    lines[one], lines[other] = lines[other], lines[one]
    assert chain.first(b"".join(lines)) == one + 1


@pytest.mark.fault("S23")
@once
@given(place=st.integers(0, LINES - 1))
def test_a_line_that_stands_twice_is_found(chain: Chain, place: int) -> None:
    lines = [*chain.lines[: place + 1], *chain.lines[place:]]
    assert chain.first(b"".join(lines)) == (place + 2 if place < LINES - 1 else LINES + 1)


@pytest.mark.fault("S23")
@once
@given(data=st.data())
def test_an_end_that_is_cut_off_anywhere_is_missed(chain: Chain, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(chain.whole) - 1))
    assert chain.first(chain.whole[:cut]) == chain.line_at(cut)


@pytest.mark.fault("S23")
@once
@given(junk=st.binary(min_size=1, max_size=200))
def test_what_was_added_behind_the_end_is_no_entry(chain: Chain, junk: bytes) -> None:
    verdict = chain.verdict(chain.whole + junk.replace(b"\n", b"") + b"\n")
    assert verdict.problems[0].line == LINES + 1


@pytest.mark.fault("S23")
def test_an_end_that_was_rewritten_with_its_head_is_found_by_a_hash_that_was_kept_elsewhere(chain: Chain) -> None:
    kept = verify("INC-1")
    shorter = b"".join(chain.lines[:-1])
    (chain.folder / "timeline.jsonl").write_bytes(shorter)
    before = (chain.folder / "head").read_text().split()
    sha256 = verify("INC-1").sha256
    (chain.folder / "head").write_text(f"{LINES - 1:012d} {len(shorter):015d} {sha256} {before[3]}\n")
    assert verify("INC-1").problems == ()  # nothing here tells of it: said in the documentation
    (problem,) = verify("INC-1", known={kept.entries: kept.sha256}).problems
    assert (problem.line, str(problem.text)) == (LINES, f"entries {LINES} to {LINES} are missing at the end")
    book.append("INC-1", all_events()[1])
    (problem,) = verify("INC-1", known={kept.entries: kept.sha256}).problems
    assert problem.line == LINES


@pytest.mark.parametrize("content", [None, b"", b"\0" * 99, b"x"])
def test_a_head_that_is_gone_or_is_none_is_told_and_the_next_entry_makes_it_anew(
    chain: Chain, content: bytes | None
) -> None:
    (chain.folder / "head").unlink()
    if content is not None:
        (chain.folder / "head").write_bytes(content)
    (problem,) = verify("INC-1").problems
    assert "cannot confirm that this is the last entry" in str(problem.text)
    assert book.current() is not None
    book.append("INC-1", all_events()[1])
    assert verify("INC-1").problems == ()


def test_a_head_that_is_behind_after_a_loss_of_power_is_no_alteration(chain: Chain) -> None:
    head = (chain.folder / "head").read_bytes()
    book.close(chain.folder, "")
    (chain.folder / "head").write_bytes(head)
    assert verify("INC-1").problems == ()
    assert book.current() is None
    book.append("INC-1", all_events()[1])
    assert book.current() is None


@pytest.mark.fault("S23")
def test_behind_a_loss_of_power_too_the_line_that_was_altered_is_named(chain: Chain) -> None:
    head = (chain.folder / "head").read_bytes()
    book.append("INC-1", all_events()[1])
    (chain.folder / "head").write_bytes(head)
    altered = [*chain.lines[:-1], chain.lines[-1].replace(b'"by":"', b'"by":"X')]
    behind = (chain.folder / "timeline.jsonl").read_bytes()[len(chain.whole) :]
    (chain.folder / "timeline.jsonl").write_bytes(b"".join(altered) + behind)
    (problem,) = verify("INC-1").problems
    assert problem.line == LINES


@pytest.mark.fault("S23")
def test_a_chain_that_begins_with_something_else_is_altered_from_its_first_line_on(incidents: Path) -> None:
    made = book.open_incident("x")
    timeline = incidents / made.id / "timeline.jsonl"
    timeline.write_bytes(timeline.read_bytes().replace(b"0" * 64, b"1" * 64))
    (incidents / made.id / "head").unlink()
    (problem,) = verify(made.id).problems
    assert (problem.line, "changed since it was written" in str(problem.text)) == (1, True)


@pytest.mark.fault("S23")
@pytest.mark.parametrize("name", ["../head", "a/b", "..", ".", ""])
def test_evidence_lies_in_its_folder_whatever_the_timeline_says(incidents: Path, name: str) -> None:
    made = book.open_incident("x")
    book.append(made.id, EvidenceKept(file=name, sha256="0" * 64, size_bytes=0, text=""))
    (problem,) = verify(made.id).problems
    assert (problem.file, str(problem.text)) == (f"evidence/{name}", "this is not a valid evidence file name")


@pytest.mark.fault("S23")
@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda file: file.unlink(), "the file is missing"),
        (
            lambda file: file.write_bytes(b"texT"),
            "the file has changed since it was stored; its SHA-256 does not match",
        ),
        (lambda file: (file.unlink(), file.symlink_to("/etc/passwd")), "cannot be read"),
    ],
)
def test_evidence_that_is_altered_or_gone_is_named(chain: Chain, do: object, said: str) -> None:
    assert callable(do)
    do(chain.folder / "evidence/a.log")
    (problem,) = verify("INC-1").problems
    assert (problem.file, problem.line) == ("evidence/a.log", None)
    assert said in str(problem.text)


def test_a_file_beside_of_which_the_timeline_does_not_tell_is_noted(chain: Chain) -> None:
    (chain.folder / "evidence/foreign").write_bytes(b"")
    verdict = verify("INC-1")
    assert verdict.problems == ()
    assert [str(note) for note in verdict.notes] == ["evidence/foreign: not mentioned in the timeline"]


def _append_elsewhere(incident: str, *keys: str) -> None:
    """Appends a note with each of these keys, in another process."""
    code = (
        "import sys; from lilfox_tui.incident import incidents, model\n"
        "for key in sys.argv[2:]: incidents.append(sys.argv[1], model.Noted(text=key), once=key)"
    )
    subprocess.run([sys.executable, "-c", code, incident, *keys], check=True)


def test_what_another_process_wrote_once_is_not_written_again(incidents: Path) -> None:
    made = book.open_incident("x")
    book.append(made.id, Noted(text="a"), once="a")
    _append_elsewhere(made.id, "a", "b", "c")
    assert book.append(made.id, Noted(text="again"), once="c").what == Noted(text="c")
    book.append(made.id, Noted(text="d"), once="d")
    _append_elsewhere(made.id, "d", "e")
    assert [each.once for each in book.entries(made.id)] == ["", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize("more", ["", "x" * 1000])
def test_another_timeline_in_the_same_file_is_read_anew(incidents: Path, more: str) -> None:
    """As where the inode of one that was removed is used again."""
    made, other = book.open_incident("x"), book.open_incident("y")
    for key in ("a", "b"):
        book.append(made.id, Noted(text="text" * 20), once=key)
    book.append(other.id, Noted(text="other"), once="c")
    book.append(other.id, Noted(text=more))
    (incidents / made.id / "timeline.jsonl").write_bytes((incidents / other.id / "timeline.jsonl").read_bytes())
    assert book.append(made.id, Noted(text="again"), once="c").what == Noted(text="other")
    assert book.append(made.id, Noted(text="b"), once="b").what == Noted(text="b")


def test_a_line_that_was_altered_in_its_place_is_not_taken_for_another(incidents: Path) -> None:
    made = book.open_incident("x")
    for key in ("a", "b"):
        book.append(made.id, Noted(text="text"), once=key)
    timeline = incidents / made.id / "timeline.jsonl"
    timeline.write_bytes(timeline.read_bytes().replace(b'"once":"a"', b'"once":"z"'))
    book.append(made.id, Noted(text="text"), once="a")
    assert [each.once for each in book.entries(made.id)] == ["", "z", "b", "a"]


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
