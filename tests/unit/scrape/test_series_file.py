"""Series on the disk: what is read is what was stored, whatever happened to the files in between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.core.i18n import Message
from lilfox_tui.scrape.labels import LabelList, LabelSet, Matcher
from lilfox_tui.scrape.series_file import ENDED_MS, SeriesJournal
from lilfox_tui.scrape.store import ABSENT, STALE_BITS, SeriesStore

NOW = 1_800_000_000_000
HOUR = 3_600_000
LIMIT = 4 * 1024 * 1024
ALL = (Matcher("__name__", "!=", ""),)
Samples = dict[tuple[str, str], list[tuple[int, int]]]


class Kept:
    """A journal over two stores in ``folder``."""

    def __init__(self, folder: Path, now_ms: int = NOW, limit: int = LIMIT, keep_ms: int = HOUR) -> None:
        self.stores = {name: SeriesStore(keep_s=36_000, limit_bytes=1 << 30) for name in ("scraped", "recorded")}
        self.said: list[str] = []
        self.journal = SeriesJournal(folder / "series", self.stores, limit_bytes=limit, warn=self.warn)
        self.began = self.journal.begin(now_ms, keep_ms)

    def warn(self, text: Message) -> None:
        self.said.append(str(text))

    def row(self, at_ms: int, values: Mapping[str, float], key: str = "t", store: str = "scraped") -> None:
        labels = LabelList([LabelSet.of({"__name__": name, "key": key}) for name in values])
        array = np.array([*values.values()], float)
        self.stores[store].target(key).append(at_ms, labels, array)

    def samples(self, store: str = "scraped") -> Samples:
        """The bits of all samples."""
        found: Samples = {}
        for one in self.stores[store].select(ALL, 0, 1 << 62):
            bits = np.ascontiguousarray(one.values).view(np.uint64)
            for column, labels in enumerate(one.labels):
                line = [(int(at), int(bits[row, column])) for row, at in enumerate(one.times)]
                found.setdefault((labels.get("key"), labels.get("__name__")), []).extend(line)
        return found

    def kill(self) -> None:
        """What kill -9 leaves: the lock is free, nothing else is done."""
        for store in self.stores.values():
            store.record(None)
        assert self.journal._lock is not None
        os.close(self.journal._lock)
        if self.journal._segment is not None:
            os.close(self.journal._segment._file)


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "series").iterdir() if path.name.isdigit())


def filled(folder: Path, rows: int = 20) -> Kept:
    one = Kept(folder)
    for number in range(rows):
        at_ms = NOW - 100_000 + number * 1000
        one.row(at_ms, {"a": number, "b": -0.0, "c": ABSENT if number % 3 else 1.5})
        one.row(at_ms, {"up": 1.0}, key="other")
        one.row(at_ms, {"sum": number / 3}, key="rule", store="recorded")
        if number % 5 == 4:
            one.journal.flush(at_ms)
    return one


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    one = filled(tmp_path)
    one.row(NOW - 5000, {"a": float("inf")})  # b and c end
    before = one.samples(), one.samples("recorded")
    assert before[0]["t", "b"][-1] == (NOW - 5000, STALE_BITS)
    one.journal.close(NOW)
    other = Kept(tmp_path)
    assert (other.samples(), other.samples("recorded")) == before
    other.row(NOW, {"a": 1.0})
    other.journal.close(NOW)
    third = Kept(tmp_path)
    assert third.samples()["t", "a"] == [*before[0]["t", "a"], (NOW, int(np.float64(1).view(np.uint64)))]
    assert not third.said + other.said
    third.journal.close(NOW)


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    one = filled(tmp_path)
    other = Kept(tmp_path)
    assert (one.began, other.began) == (True, False)
    other.row(NOW, {"a": 1.0})
    other.journal.close(NOW)
    one.journal.close(NOW)


def test_a_killed_one_loses_what_was_not_written_alone(tmp_path: Path) -> None:
    one = filled(tmp_path)
    written = one.samples()
    one.row(NOW, {"a": 77.0})
    one.kill()
    other = Kept(tmp_path)
    assert other.samples() == written
    assert not other.said
    other.journal.close(NOW)


def test_a_torn_end_is_no_damage_at_the_starts_after(tmp_path: Path) -> None:
    one = filled(tmp_path)
    one.journal.close(NOW)
    (path,) = segments(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    for number in range(3):
        other = Kept(tmp_path)
        assert other.samples()["t", "a"]
        assert not other.said
        other.row(NOW + number, {"a": 1.0})
        other.journal.close(NOW)


@pytest.mark.parametrize("seed", range(3))
def test_a_torn_or_changed_file_never_gives_another_value(tmp_path: Path, seed: int) -> None:
    one = filled(tmp_path, 40)
    whole = one.samples()
    one.journal.close(NOW)
    (path,) = segments(tmp_path)
    content = path.read_bytes()
    choose = random.Random(seed)
    for number in range(120):
        torn = bytearray(content)
        at = choose.randrange(len(torn))
        kind = number % 4
        if kind == 0:
            torn = torn[:at]
        elif kind == 1:
            torn[at] ^= 1 << choose.randrange(8)
        elif kind == 2:  # blocks that were never written
            torn[at : at + 512] = bytes(len(torn[at : at + 512]))
        else:
            torn[at : at + 64] = choose.randbytes(len(torn[at : at + 64]))
        for old in (tmp_path / "series").iterdir():
            old.unlink()
        path.write_bytes(torn)
        found = Kept(tmp_path)
        for name, line in found.samples().items():
            kept = line[:-1] if line and line[-1][1] == STALE_BITS else line
            assert kept == whole[name][: len(kept)]
        found.kill()


def test_a_damaged_or_foreign_segment_is_put_aside_and_named(tmp_path: Path) -> None:
    one = filled(tmp_path)
    one.journal.close(NOW)
    two = Kept(tmp_path)
    two.row(NOW, {"a": 5.0})
    two.journal.close(NOW)
    first, second = segments(tmp_path)
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    three = Kept(tmp_path)
    assert three.said == [f"{first} is damaged; the part before that was used, and it was renamed"]
    assert first.with_name(f"{first.name}.aside").exists()
    assert three.samples()["t", "a"][-1][0] == NOW, "the next segment is used"
    three.journal.close(NOW)
    second.write_bytes(b"LFSERIES\x09" + second.read_bytes()[9:])
    four = Kept(tmp_path)
    assert four.said == [f"{second} is not of this version of LilFox; it was renamed"]
    assert [path.name for path in (tmp_path / "series").glob("*.aside")] == [f"{second.name}.aside"]
    four.journal.close(NOW)


def test_it_never_takes_more_than_its_limit(tmp_path: Path) -> None:
    limit = 200_000
    one = Kept(tmp_path, limit=limit)
    choose = np.random.default_rng(1)
    for number in range(400):
        one.row(NOW - 500_000 + number * 1000, dict(zip(map(str, range(200)), choose.random(200), strict=True)))
        one.journal.flush(NOW)
        assert sum(path.stat().st_size for path in (tmp_path / "series").iterdir()) <= limit
    newest = one.samples()["t", "7"][-20:]
    one.journal.close(NOW)
    other = Kept(tmp_path, limit=limit)
    assert other.samples()["t", "7"][-20:] == newest
    assert len(segments(tmp_path)) <= 4
    other.row(NOW, {str(number): number + 0.1 for number in range(10_000)}, key="huge")
    other.row(NOW, {"a": 1.0}, key="small")
    other.journal.flush(NOW)
    assert other.said == ["the series of huge are not stored: they need more than 0 MiB; raise monitor.series_mb"]
    other.journal.close(NOW)
    third = Kept(tmp_path, limit=limit)
    assert ("small", "a") in third.samples()
    assert ("huge", "5") not in third.samples()
    third.journal.close(NOW)


def test_old_rows_and_those_of_a_clock_that_was_set_back_are_left_out(tmp_path: Path) -> None:
    one = filled(tmp_path)
    one.journal.close(NOW)
    other = Kept(tmp_path, now_ms=NOW - 95_000, keep_ms=3000)
    assert [at for at, _bits in other.samples()["t", "a"]] == [
        NOW - 98_000 + each * 1000 for each in range(18)
    ]  # the last ones are a minute ahead
    other.journal.close(NOW)
    late = Kept(tmp_path, now_ms=NOW + 10 * HOUR)
    assert not late.samples()
    late.journal.close(NOW)


def test_a_dropped_target_stays_dropped_and_a_gone_one_ends(tmp_path: Path) -> None:
    one = filled(tmp_path)
    one.stores["scraped"].drop("other")
    one.row(NOW - 50_000, {"up": 0.0}, key="other")
    one.journal.close(NOW)
    other = Kept(tmp_path)
    assert [at for at, _bits in other.samples()["other", "up"]] == [NOW - 50_000]
    other.row(NOW, {"a": 1.0})
    other.journal.flush(NOW + ENDED_MS - 1)
    assert other.stores["scraped"].target("other").series_count == 1
    other.journal.flush(NOW + ENDED_MS)
    assert other.stores["scraped"].target("other").series_count == 0
    assert other.stores["scraped"].target("t").series_count == 1
    other.journal.close(NOW)


def test_a_full_disk_is_told_once_and_costs_only_what_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = filled(tmp_path)
    written = one.samples()
    real, left = os.write, [100]

    def write(file: int, block: memoryview) -> int:
        part = block[: left[0]]
        if not part:
            raise OSError(28, "No space left on device")
        left[0] -= len(part)
        return real(file, part)

    monkeypatch.setattr("lilfox_tui.scrape.series_file.os.write", write)
    for number in range(3):
        one.row(NOW + number, {"new": 1.0, "a": number})
        one.journal.flush(NOW)
    assert one.said == [f"series cannot be stored in {tmp_path / 'series'}: No space left on device"]
    left[0] = 1 << 30
    one.row(NOW + 10, {"a": 9.0})
    one.journal.flush(NOW)
    assert one.said[1:] == [f"series are stored again in {tmp_path / 'series'}"]
    one.journal.close(NOW)
    other = Kept(tmp_path)
    assert other.samples()["t", "a"] == [*written["t", "a"], (NOW + 10, int(np.float64(9).view(np.uint64)))]
    assert not other.said
    other.journal.close(NOW)


NAME = st.sampled_from(["a", "b", "c", "é\n"])
VALUES = st.dictionaries(NAME, st.floats(allow_nan=True), max_size=4)
STEP: st.SearchStrategy[tuple[str, str, dict[str, float]]] = st.one_of(
    st.tuples(st.just("row"), st.sampled_from(["t", "u"]), VALUES),
    st.tuples(st.just("flush"), st.just(""), st.just({})),
    st.tuples(st.just("drop"), st.sampled_from(["t", "u"]), st.just({})),
    st.tuples(st.just("restart"), st.just(""), st.just({})),
)


@given(steps=st.lists(STEP, max_size=25))
@settings(max_examples=80, deadline=None)
def test_whatever_happens_is_there_again(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, dict[str, float]]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    one = Kept(folder)
    for number, (what, key, values) in enumerate(steps):
        if what == "row":
            one.row(NOW - 60_000 + number * 1000, values, key)
        elif what == "flush":
            one.journal.flush(NOW)
        elif what == "drop":
            one.stores["scraped"].drop(key)
        else:
            before = one.samples()
            one.journal.close(NOW)
            one = Kept(folder)
            assert lines(one.samples()) == lines(before)
    one.journal.close(NOW)


def lines(samples: Samples) -> Samples:
    """Without the rows in which a series has no sample: a store may leave out what has none."""
    absent = int(np.float64(ABSENT).view(np.uint64))
    found = {name: [each for each in line if each[1] not in (absent, STALE_BITS)] for name, line in samples.items()}
    return {name: line for name, line in found.items() if line}


WRITER = """
import sys
from pathlib import Path
import time
sys.path.insert(0, sys.argv[2])
from tests.unit.scrape.test_series_file import Kept
one = Kept(Path(sys.argv[1]), limit=400_000)
number = 0
while True:
    number += 1
    at = int(time.time() * 1000)
    one.row(at, {str(each): at + each for each in range(50)})
    one.journal.flush(at)
    if number == 20:
        print("writes", flush=True)
"""


def test_kill_9_at_any_moment_leaves_only_true_values(tmp_path: Path) -> None:
    """Each value tells its time and its series, so that a wrong one is seen."""
    choose = random.Random(7)
    root = Path(__file__).parents[3]
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(root)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "writes\n"
        signal.sigtimedwait((), choose.random() / 5)
        process.kill()
        process.wait()
        process.stdout.close()
        found = Kept(tmp_path, now_ms=int(time.time() * 1000), limit=400_000)
        samples = found.samples()
        assert len(samples) == 50
        for (_key, name), line in samples.items():
            assert len(line) >= 15
            for at, bits in line:
                assert bits == STALE_BITS or np.uint64(bits).view(np.float64) == at + int(name)
        assert not found.said
        found.kill()
