"""The stand-in services' logs: the manual's JSON lines, with its rotation by size and by day."""

from __future__ import annotations

import json
import logging
import logging.handlers
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_EXTRAS = ("request_id", "user_id", "response_time")


class JSONFormatter(logging.Formatter):
    """One JSON object a record, key by key as the manual's formatter writes it, and ``response_time`` in seconds.

    ``timestamp`` is UTC without an offset, as the manual's ``utcnow().isoformat()`` gives it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, Any] = {
            "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        fields.update((name, getattr(record, name)) for name in _EXTRAS if hasattr(record, name))
        return json.dumps(fields)


def setup_logging(
    app_name: str, log_dir: Path, *, max_bytes: int = 100 * 1024 * 1024, backup_count: int = 10
) -> logging.Logger:
    """A logger that writes ``APP.log`` (rotated by size) and ``APP-daily.log`` (at midnight) in ``log_dir``."""
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    by_size = logging.handlers.RotatingFileHandler(
        log_dir / f"{app_name}.log", maxBytes=max_bytes, backupCount=backup_count, encoding="utf-8"
    )
    by_day = logging.handlers.TimedRotatingFileHandler(
        log_dir / f"{app_name}-daily.log", when="midnight", backupCount=30, encoding="utf-8"
    )
    logger = logging.getLogger(app_name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for writer in (by_size, by_day):
        writer.setFormatter(JSONFormatter())
        logger.addHandler(writer)
    return logger
