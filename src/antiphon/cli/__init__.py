"""The command line: one module per command, and nothing heavy imported before it is needed."""

from antiphon.cli.main import main

__all__ = ["main"]
