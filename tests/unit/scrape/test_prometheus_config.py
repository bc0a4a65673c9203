"""What a job of a prometheus.yml says: times, limits, numbers as YAML has them, who asks; and which files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.prometheus_config import ScrapeJob, from_text, read_prometheus
from lilfox_tui.scrape.target import BODY_LIMIT, SAMPLE_LIMIT


def job(text: str, given: str = "") -> ScrapeJob:
    (made,) = from_text(f"{given}\nscrape_configs:\n- job_name: j\n{text}", Path("/etc/prometheus/prometheus.yml")).jobs
    return made


@pytest.mark.parametrize(
    ("text", "given", "times"),
    [
        ("", "", (60, 10)),
        ("  scrape_interval: 1s\n", "", (1, 1)),
        ("  scrape_interval: 2s\n", "global: {scrape_timeout: 3s}", (2, 2)),
        ("  scrape_interval: 5s\n", "global: {scrape_timeout: 3s}", (5, 3)),
        ("  scrape_timeout: 500ms\n", "global: {scrape_interval: 15s}", (15, 0.5)),
    ],
)
def test_no_timeout_is_longer_than_its_interval(text: str, given: str, times: tuple[float, float]) -> None:
    made = job(text, given)
    assert (made.interval_s, made.timeout_s) == times


@pytest.mark.parametrize(
    ("size", "limit"),
    [("10MB", 10 * 1024**2), ("1.5KiB", 1536), ("7B", 7), ("0", BODY_LIMIT), ("''", BODY_LIMIT)],
)
def test_sizes_are_in_powers_of_1024(size: str, limit: int) -> None:
    assert job(f"  body_size_limit: {size}\n").limits.body_bytes == limit


@pytest.mark.parametrize(
    ("text", "given", "samples"),
    [
        ("", "", SAMPLE_LIMIT),
        ("", "global: {sample_limit: 5}", 5),
        ("  sample_limit: 7\n", "global: {sample_limit: 5}", 7),
        ("  sample_limit: 017\n", "", 15),
        ("  sample_limit: 0x10\n", "", 16),
        ("  sample_limit: 1_000\n", "", 1000),
        ("  sample_limit: 089\n", "", 89),
        ("  sample_limit: 1.9\n", "", 1),
    ],
)
def test_a_limit_is_the_jobs_or_that_of_all_as_go_reads_numbers(text: str, given: str, samples: int) -> None:
    assert job(text, given).limits.samples == samples


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("target_limit: 5", "target_limit"),
        ("keep_dropped_targets: 5", "keep_dropped_targets"),
        ("follow_redirects: false", "follow_redirects"),
        ("basic_auth: {username: a, password_ref: b}", "basic_auth.password_ref"),
        ("basic_auth: {username_file: a, password: b}", "basic_auth.username_file"),
        ("authorization: {credentials_ref: b}", "authorization.credentials_ref"),
        ("tls_config: {min_version: TLS13}", "tls_config.min_version"),
        ("tls_config: {ca_ref: a}", "tls_config.ca_ref"),
    ],
)
def test_what_has_no_effect_is_reported(text: str, key: str) -> None:
    read = from_text(f"scrape_configs:\n- job_name: j\n  {text}\n", Path("p.yml"))
    assert read.unsupported == (f"p.yml:3: scrape_configs.j.{key} is not supported; it is ignored",)


def test_what_is_as_it_is_here_is_not_reported() -> None:
    text = "  follow_redirects: true\n  target_limit: 0\n  tls_config: {server_name: a}\n"
    assert from_text(f"scrape_configs:\n- job_name: j\n{text}", Path("p.yml")).unsupported == ()
    read = from_text("global: {target_limit: 5}\n", Path("p.yml"))
    assert read.unsupported == ("p.yml:1: global.target_limit is not supported; it is ignored",)


def test_what_stands_in_a_mapping_goes_before_what_is_merged_into_it() -> None:
    made = job("  <<: {metrics_path: /merged, honor_labels: true}\n  metrics_path: /own\n")
    assert (made.metrics_path, made.honor_labels) == ("/own", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  tls_config: {cert_file: c.pem}\n", "must be set together"),
        ("  tls_config: {key_file: k.pem}\n", "must be set together"),
        ("  bearer_token: t\n  basic_auth: {username: u}\n", "only one of bearer_token, basic_auth"),
        ("  basic_auth: {username: u, password: p, password_file: f}\n", "only one of password, password_file"),
        ("  authorization: {type: basic, credentials: t}\n", "basic_auth"),
    ],
)
def test_what_does_not_go_together_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        job(text)


def test_only_a_file_of_a_sensible_size_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yml"
    large.write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 8 MiB"):
        read_prometheus(large)
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="not a regular file"):
            read_prometheus(path)
