from __future__ import annotations

import pytest

from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.sampler import Rates

RX = Series("network_receive_bytes_total", (("device", "eth0"),))
OTHER = Series("network_receive_bytes_total", (("device", "eth1"),))
IOWAIT = Series("cpu_seconds_total", (("mode", "iowait"),))
USER = Series("cpu_seconds_total", (("mode", "user"),))
IO_TIME = Series("disk_io_time_seconds_total", (("device", "sda"),))


def two(
    before: dict[Series, float],
    after: dict[Series, float],
    *,
    uptimes: tuple[float | None, float | None] = (100.0, 102.0),
    ours: tuple[float, float] = (10.0, 12.0),
    narrow: bool = False,
) -> tuple[float | None, dict[Series, float]]:
    rates = Rates()
    assert rates.update(before, uptimes[0], ours[0], 30, narrow=narrow) == (None, {})
    return rates.update(after, uptimes[1], ours[1], 30, narrow=narrow)


def test_the_hosts_own_clock_divides() -> None:
    assert two({RX: 100}, {RX: 500}, ours=(10, 13)) == (2.0, {RX: 200.0})
    assert two({RX: 100}, {RX: 500}, uptimes=(None, None), ours=(10, 14)) == (4.0, {RX: 100.0})


def test_a_reset_has_no_rate_and_leaves_the_others() -> None:
    assert two({RX: 500, OTHER: 1}, {RX: 100, OTHER: 3})[1] == {OTHER: 1.0}


@pytest.mark.parametrize("uptimes", [(100.0, 5.0), (100.0, 100.0)])
def test_a_reboot_has_no_rates(uptimes: tuple[float, float]) -> None:
    assert two({RX: 100}, {RX: 500}, uptimes=uptimes) == (None, {})


def test_a_suspend_has_no_rates_once() -> None:
    rates = Rates()
    rates.update({RX: 100}, 100.0, 10.0, 30, narrow=False)
    assert rates.update({RX: 500}, 4000.0, 12.0, 30, narrow=False) == (None, {})
    assert rates.update({RX: 700}, 4002.0, 14.0, 30, narrow=False) == (2.0, {RX: 100.0})


def test_a_reboot_that_looks_like_the_next_reading_is_told_by_our_clock() -> None:
    assert two({RX: 100}, {RX: 500}, uptimes=(100.0, 102.0), ours=(10.0, 3610.0)) == (None, {})


def test_a_narrow_counter_wraps_only_on_old_kernels_and_only_near_its_end() -> None:
    near = {RX: 2.0**32 - 100}
    assert two(near, {RX: 100}, narrow=True)[1] == {RX: 100.0}
    assert two(near, {RX: 100}, narrow=False)[1] == {}
    assert two({RX: 2.0**31}, {RX: 100}, narrow=True)[1] == {}


def test_io_time_wraps_at_32_bits_of_milliseconds() -> None:
    assert two({IO_TIME: 4294967.0}, {IO_TIME: 0.704})[1][IO_TIME] == pytest.approx(0.5)
    assert two({IO_TIME: 4294000.0}, {IO_TIME: 0.7})[1] == {}


def test_iowait_that_steps_back_a_little_is_no_reset() -> None:
    assert two({IOWAIT: 50.0, USER: 5.0}, {IOWAIT: 49.9, USER: 6.0})[1] == {IOWAIT: 0.0, USER: 0.5}
    assert two({IOWAIT: 50.0}, {IOWAIT: 0.0})[1] == {}


def test_a_device_that_appears_has_no_rate_the_first_time_and_one_that_goes_none() -> None:
    rates = Rates()
    rates.update({RX: 1}, 100.0, 10.0, 30, narrow=False)
    assert rates.update({RX: 3, OTHER: 1000}, 102.0, 12.0, 30, narrow=False)[1] == {RX: 1.0}
    assert rates.update({OTHER: 1002}, 104.0, 14.0, 30, narrow=False)[1] == {OTHER: 1.0}
    assert rates.update({RX: 9, OTHER: 1002}, 106.0, 16.0, 30, narrow=False)[1] == {OTHER: 0.0}
