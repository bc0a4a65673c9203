"""Functions that turn each value of a vector into another."""

from __future__ import annotations

import numpy as np

from lilfox_tui.promql.function import Function

FUNCTIONS = (Function("abs", ("vector",), "vector", "each", np.abs),)
