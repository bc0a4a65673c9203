"""Where nothing may be changed, nothing that a fence says, and no value, makes a change happen."""

from __future__ import annotations

import os
import sys

import pytest

from tests.services.protected_box import boxed

SEED = 20_261_128
ATTEMPTS = 1000


@pytest.mark.fault("4.10")
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_a_thousand_attempts_change_nothing() -> None:
    """Commands, attributes and values, by all three protections, against real programs; the seed says which."""
    found = boxed(SEED, ATTEMPTS)
    sys.stdout.write(f"seed {SEED}: {found['attempts']} attempts, {found['ran']} ran\n")
    assert found["attempts"] == ATTEMPTS
    assert found["wrong"] == [], "these change something and were run, or only read and were not"
    assert found["differences"] == []
