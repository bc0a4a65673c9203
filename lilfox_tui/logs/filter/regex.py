"""Regular expressions that cannot hang: RE2, whose time grows with the length of the text and nothing else.

Its syntax: https://github.com/google/re2/wiki/Syntax. It knows no look-around and no backreferences. ``^`` and ``$``
are the ends of each line of a record; ``.`` is no newline.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, cast

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr

Search: TypeAlias = Callable[[bytes], object | None]


@lru_cache(maxsize=64)
def search(pattern: str) -> Search:
    """Looks for ``pattern`` in UTF-8 bytes: something where it is found, None where not. Raises UsageError that says
    what RE2 does not take."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return cast("Search", re2.compile(b"(?m)" + pattern.encode(), options).search)
    except UnicodeEncodeError:
        raise UsageError(tr("regular expression: half a character (a lone surrogate)")) from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(
            tr("regular expression {pattern}: {reason}", pattern=pattern, reason=reason),
            hint=tr("RE2 syntax; without look-around and backreferences, so that no pattern can hang"),
        ) from None
