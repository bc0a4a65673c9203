"""Runbooks are Markdown: they are read (``document.py``), checked (``lint.py``) and walked on real hosts, as jobs."""
