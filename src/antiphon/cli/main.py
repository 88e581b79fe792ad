"""The root command, and how every command ends."""

import os
import sys
from typing import Annotated

import typer

from antiphon import __version__
from antiphon.cli import cert, configuration, keys, models, serve, talk, usage
from antiphon.cli.output import COULD_NOT_RUN, fail, show
from antiphon.protocol.errors import AntiphonError

app = typer.Typer(
    name="antiphon",
    help="A server for spoken conversations that speaks the OpenAI Realtime API.",
    epilog="Begin with: antiphon serve",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("talk")(talk.talk)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(configuration.app, name="config")
app.command("cert")(cert.cert)
app.command("usage")(usage.usage)


def _print_version(asked: bool) -> None:
    if asked:
        show(f"antiphon {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Speak the OpenAI Realtime API, with engines of your own."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except AntiphonError as error:
        fail(str(error))
        sys.exit(COULD_NOT_RUN)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT_RUN)
