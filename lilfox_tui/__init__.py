"""LilFox TUI: the console that on-call engineers keep open."""

__version__ = "0.1.0"
