"""Bash: analyzes its text without running it (syntax, values, variables, placeholders), and launches it on a host."""
