"""Runbooks are Markdown: they are read (``document.py``), checked (``lint/``) and walked on real hosts, as jobs."""
