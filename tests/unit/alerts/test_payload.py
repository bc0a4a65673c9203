"""The document that webhooks get: Alertmanager's names for alerts, and no more of them than anybody reads."""

from __future__ import annotations

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.notifier import MOST_ALERTS, fingerprint, group_key, webhook_payload
from tests.unit.alerts.made import alert, notice


def test_a_fingerprint_is_fnv_1a_over_names_and_values_with_a_byte_that_no_text_has_behind_each() -> None:
    assert fingerprint(()) == "cbf29ce484222325"
    found = 0xCBF29CE484222325
    for byte in b"alertname\xffDown\xffinstance\xffa:1\xff":
        found = (found ^ byte) * 0x100000001B3 % 2**64
    assert fingerprint((("alertname", "Down"), ("instance", "a:1"))) == f"{found:016x}"


def test_of_very_many_alerts_the_first_are_sent_and_the_others_counted() -> None:
    firing = tuple(alert("Down", instance=f"i{number}") for number in range(MOST_ALERTS + 3))
    made = webhook_payload(notice(firing=firing, resolved=(alert("Old", AlertState.RESOLVED),)))
    assert (len(made["alerts"]), made["truncatedAlerts"]) == (MOST_ALERTS, 4)
    assert made["alerts"][-1]["labels"]["instance"] == f"i{MOST_ALERTS - 1}"


def test_a_group_is_named_as_alertmanager_does() -> None:
    assert group_key((("alertname", 'a"b\\c\n'), ("job", "j"))) == r'{}:{alertname="a\"b\\c\n", job="j"}'
