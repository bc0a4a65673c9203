"""LilFox TUI: the console that on-call engineers keep open."""

__version__ = "0.2.0"
