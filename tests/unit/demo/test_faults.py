from __future__ import annotations

import pytest

from lilfox_tui.core.errors import UsageError
from lilfox_tui.demo.control_socket import parse_fault


def test_a_fault_is_service_and_kind() -> None:
    assert parse_fault("backend:5xx") == ("backend", "5xx")


@pytest.mark.parametrize("text", ["", "backend", "backend:", "backend:fire", "nobody:5xx", "backend:none"])
def test_what_does_not_exist_is_refused_with_what_does(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert "gateway" in str(caught.value.hint)
    assert "unhealthy" in str(caught.value.hint)
