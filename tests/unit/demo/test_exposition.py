from __future__ import annotations

import subprocess

from lilfox_tui.demo.service import RequestCount, resident_bytes


def test_buckets_add_up_and_the_last_holds_all() -> None:
    count = RequestCount()
    for seconds in (0.001, 0.005, 0.3, 99.0):
        count.took("GET", "/api", 200, seconds)
    lines = count.text().splitlines()
    labels = 'method="GET",route="/api"'
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.005"}} 2' in lines
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.5"}} 3' in lines
    assert f'http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 4' in lines
    assert f"http_request_duration_seconds_count{{{labels}}} 4" in lines
    assert f"http_request_duration_seconds_sum{{{labels}}} 99.306000" in lines
    assert f'http_requests_total{{{labels},status="200"}} 4' in lines


def test_promtool_has_nothing_to_say() -> None:
    count = RequestCount()
    count.took("GET", "/api", 500, 0.1)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=count.text().encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_resident_memory_is_this_process() -> None:
    resident = resident_bytes()
    assert resident is not None
    assert 5_000_000 < resident < 2_000_000_000
