"""The same pages and the same prometheus.yml here and in a real Prometheus: the same series with the same values."""

from __future__ import annotations

import gzip
import http.server
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.scrape.discovery import Discovery
from lilfox_tui.scrape.exposition import Exposition
from lilfox_tui.scrape.labels import LabelSet, Matcher
from lilfox_tui.scrape.prometheus_config import read_prometheus
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SeriesStore
from tests.services.prometheus_server import prometheus
from tests.waiting import wait_for

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PAGES: dict[str, tuple[str, bytes]] = {
    "plain": (TEXT, b"# HELP a A.\n# TYPE a counter\na{x=\"1\"} 5\na { x = \"2\" , }\t1e3 \nb NaN\nc +Inf\nd -.5\n"),
    "escapes": (TEXT, rb'a{x="\\ \" \n \t \x",y="' + "größe {}, # 1".encode() + b'"} 1'),
    "no_newline": (TEXT, b"a 1\nb 2"),
    "joined": (TEXT, b'a{x="1"}5\nb-5\nc{}6\nd{,} 1\n'),
    "commas": (TEXT, b'a{x="1" y="2"} 1\na{,x="1"} 2\n'),
    "newline_in_value": (TEXT, b'a 1\na{x="one\ntwo"} 2\nb{y="\n\n",z="3"} 3\nc 4\n'),
    "newline_and_comment": (TEXT, b'a{x="one\n# TYPE b counter\nb 7\ntwo"} 1\nb 2\n'),
    "newline_escaped": (TEXT, b'a{x="one\\\\\ntwo \\" \\n three",y="\n"} 1 \nb 2\n'),
    "newline_twice": (TEXT, b'a{x="one\ntwo",y="three\nfour"} 1\na{x="5"} 6\n'),
    "newline_value_behind": (TEXT, b'a{x="one"}\n1\nb 2\n'),
    "newline_between": (TEXT, b'a{x="one",\ny="two"} 1\nb 2\n'),
    "newline_no_end": (TEXT, b'b 2\na{x="one\ntwo'),
    "newline_bad_end": (TEXT, b'b 2\na{x="one\ntwo"} x\nc 3\n'),
    "newline_carriage": (TEXT, b'a{x="one\r\ntwo"} 1\nb 2\n'),
    "newline_typo": (TEXT, b'a{x="one} 1\nb 2\nc{y="2"} 3\n'),
    "openmetrics_newline": (OPENMETRICS, b'a{x="one\ntwo"} 1\nb 2\n# EOF\n'),
    "zero": (TEXT, b""),
    "comments": (TEXT, b"#\n# \n#x\n# TYPE\n# HELP a\n# TYPES b\na 1\n"),
    "half": (TEXT, b"a 1\nb{x=\"1\"} 2\nc{x=\"1"),
    "no_value": (TEXT, b"a 1\nb\n"),
    "cr": (TEXT, b"a 1\r\n"),
    "html": (TEXT, b"<html><body>metrics</body></html>"),
    "json": (TEXT, b'{"a": 1}'),
    "underscore": (TEXT, b"a 1_000\n"),
    "hexadecimal": (TEXT, b"a 0x10p1\n"),
    "too_large": (TEXT, b"a 1e999\n"),
    "words": (TEXT, b"a inf\nb Infinity\nc -INF\nd nan\n"),
    "signed_nan": (TEXT, b"a -nan\n"),
    "bad_type": (TEXT, b"# TYPE a speed\na 1\n"),
    "not_utf8": (TEXT, b'a{x="\xff"} 1\n'),
    "label_twice": (TEXT, b'a{x="1",x="2"} 1\n'),
    "no_name": (TEXT, b'{x="1"} 1\n'),
    "exemplar_in_text": (TEXT, b'a 1 # {x="1"} 1\n'),
    "negative_time": (TEXT, b"a 1 -5\n"),
    "duplicates": (TEXT, b'a{x="1",y="2"} 1\na{x="1",y="2"} 2\nb 3\na{y="2",x="1"} 4\n'),
    "times": (TEXT, b"a 1 BEFORE_MS\nb 2 BEFORE_MS\nc 3\nold 4 1000\nahead 5 9BEFORE_MS\n"),
    "own_up": (TEXT, b"up 7\na 1\n"),
    "own_job": (TEXT, b'a{job="x",exported_job="y",instance=""} 1\n'),
    "honoured": (TEXT, b'a{job="x",instance=""} 1\nb 2\n'),
    "relabelled": (TEXT, b'keep_me{id="1",z="A b"} 1\nkeep_me{id="2"} 2\ndrop_me 3\n'),
    "collapsed": (TEXT, b'a{id="1"} 1\na{id="2"} 2\nb 3\n'),
    "nameless": (TEXT, b"a 1\nb 2\n"),
    "samples": (TEXT, b"a 1\nb 2\nc 3\n"),
    "label_count": (TEXT, b'a{x="1",y="2"} 1\n'),
    "label_value": (TEXT, b'a{x="' + b"y" * 80 + b'"} 1\n'),
    "body": (TEXT, b"# " + b"x" * 5000 + b"\na 1\n"),
    "packed": (TEXT, gzip.compress(b"a 1\nb 2\n")),
    "openmetrics": (OPENMETRICS, b'# TYPE a counter\n# HELP a A \\" \\\\ b.\na_total 5 # {x="1 # {"} 1 1.5\n# EOF\n'),
    "openmetrics_histogram": (OPENMETRICS, b'# TYPE h histogram\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\n# EOF\n'),
    "openmetrics_times": (OPENMETRICS, b"a 1 BEFORE_S\nb 2\n# EOF\n"),
    "openmetrics_no_end": (OPENMETRICS, b"a 1\n"),
    "openmetrics_more": (OPENMETRICS, b"a 1\n# EOF\nb 1\n"),
    "openmetrics_blank": (OPENMETRICS, b"a 1\n\n# EOF\n"),
    "openmetrics_spaces": (OPENMETRICS, b"a  1\n# EOF\n"),
    "openmetrics_comment": (OPENMETRICS, b"# x\na 1\n# EOF\n"),
    "openmetrics_bad_unit": (OPENMETRICS, b"# UNIT a_seconds bytes\na_seconds 1\n# EOF\n"),
    "openmetrics_types": (OPENMETRICS, b'# TYPE a unknown\na 1\n# TYPE b info\nb_info{x="1"} 1\n# EOF'),
    "openmetrics_sets": (OPENMETRICS, b'# TYPE c stateset\nc{c="x"} 1\n# UNIT d_s s\nd_s 1\nd_created 1e9\n# EOF\n'),
}  # fmt: skip
EXTRA = {
    "honoured": "honor_labels: true",
    "relabelled": "metric_relabel_configs: ["
    "{source_labels: [__name__], regex: 'drop_.*', action: drop}, {regex: id, action: labeldrop},"
    "{source_labels: [z], target_label: low, action: lowercase},"
    "{source_labels: [__name__, job], separator: '/', regex: '(.+)/(.+)', target_label: both, replacement: '${2}-$1'},"
    "{source_labels: [z], modulus: 1000, target_label: mod, action: hashmod}]",
    "collapsed": "metric_relabel_configs: [{regex: id, action: labeldrop}]",
    "nameless": "metric_relabel_configs: "
    "[{source_labels: [__name__], regex: b, target_label: __name__, replacement: ''}]",
    "samples": "sample_limit: 2",
    "label_count": "label_limit: 4",
    "label_value": "label_value_length_limit: 70",
    "body": "body_size_limit: 4KB",
    "plain": "params: {a: [b c], d: [e, f]}\n  relabel_configs: [{source_labels: [__param_a, __metrics_path__],"
    " target_label: asked}, {regex: '__(sch.+)__', action: labelmap}]",
}


class _Pages(http.server.BaseHTTPRequestHandler):
    before_ms: int
    """Two seconds before the server was started: what the pages' own times are."""

    def do_GET(self) -> None:
        kind, body = PAGES[self.path.partition("?")[0].strip("/")]
        body = body.replace(b"BEFORE_MS", b"%d" % self.before_ms).replace(b"BEFORE_S", b"%d" % (self.before_ms // 1000))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if body[:2] == b"\x1f\x8b":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_what: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    _Pages.before_ms = time.time_ns() // 1_000_000 - 2000
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(address: str) -> str:
    jobs = "".join(
        f"- job_name: {name}\n  metrics_path: /{name}\n  static_configs: [{{targets: ['{address}']}}]\n"
        + (f"  {EXTRA[name]}\n" if name in EXTRA else "")
        for name in PAGES
    )
    return f"global: {{scrape_interval: 500ms}}\nscrape_configs:\n{jobs}"


async def scraped_here(path: Path) -> dict[str, float]:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    found = Discovery(read_prometheus(path).jobs).targets()
    assert (len(found.targets), found.problems) == (len(PAGES), ())
    for target in found.targets:
        scraper = Scraper(target, store, None)
        await scraper.scrape_once()
        wait_for(lambda scraper=scraper: time.time_ns() // 10**6 > (scraper._series.newest_ms or 0))  # type: ignore[misc]
        await scraper.scrape_once()
        await scraper._request.close()
    shown = {}
    for one in store.select((Matcher("__name__", "=~", ".+"),), 0, 1 << 60):
        for column, labels in enumerate(one.labels):
            values = np.ascontiguousarray(one.values[:, column])
            values = values[values.view(np.int64) != ABSENT_BITS]
            if values.view(np.int64)[-1] != STALE_BITS:
                shown[str(labels)] = float(values[-1])
    return shown


def scraped_there(folder: Path, text: str) -> dict[str, float]:
    with prometheus(folder, settings=text) as server:

        def scrapes() -> int:
            data = server.instant("min(count_over_time(up[1h]))", time.time_ns() // 1_000_000)
            rows = data["result"]
            count = server.instant("count(up)", time.time_ns() // 1_000_000)["result"]
            return int(rows[0]["value"][1]) if rows and int(count[0]["value"][1]) >= len(PAGES) - 1 else 0

        wait_for(lambda: scrapes() >= 3, what="every target was scraped three times")
        rows = server.instant('{__name__=~".+"}', time.time_ns() // 1_000_000)["result"]
    return {str(LabelSet.of(row["metric"])): float(row["value"][1]) for row in rows}


@pytest.mark.fault("4.68")
async def test_gives_the_series_and_values_of_prometheus(tmp_path: Path) -> None:
    with served() as address:
        text = settings(address)
        there = scraped_there(tmp_path, text)
        here = await scraped_here(tmp_path / "prometheus.yml")
    for one in (here, there):
        for name in [name for name in one if name.startswith("scrape_duration_seconds")]:
            assert 0 < one.pop(name) < 10
        # Prometheus counts a sample whose label stands twice before it finds that
        one.pop(f'scrape_samples_scraped{{instance="{address}", job="label_twice"}}')
    assert {name: str(value) for name, value in here.items()} == {name: str(value) for name, value in there.items()}
    assert sum(name.startswith("up{") and value == 1 for name, value in here.items()) > 15


@pytest.fixture(scope="module")
def node_exporter() -> Iterator[bytes]:
    """A page of the real exporter."""
    command = ["prometheus-node-exporter", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = None
            for line in process.stderr:
                if found := re.search(r"address=127\.0\.0\.1:(\d+)", line):
                    break
            assert found
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/metrics", timeout=60) as answer:
                yield answer.read()
        finally:
            process.kill()


def test_reads_a_real_exporter_as_prometheus_client_does(node_exporter: bytes) -> None:
    parser = Exposition(LabelSet.of)
    expected = {
        str(LabelSet.of({"__name__": sample.name, **sample.labels})): str(float(sample.value))
        for family in text_string_to_metric_families(node_exporter.decode())
        for sample in family.samples
    }
    for _time in range(2):
        page = parser.read(node_exporter, openmetrics=False)
        shown = {str(labels): str(float(value)) for labels, value in zip(page.labels, page.values, strict=True)}
        assert len(shown) > 300
        assert {name: value for name, value in shown.items() if "quantile" not in name} == {
            name: value for name, value in expected.items() if "quantile" not in name
        }
