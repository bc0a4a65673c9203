"""How the configuration defines a format (``log_formats:``), one file for each way; ``logs/own_formats.py`` is their
contract: ``definitions(name, setting)``."""
