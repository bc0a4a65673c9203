"""Runbooks are Markdown files: parsed (``parse/``), classified, checked (``lint/``) and run as jobs (``run/``)."""
