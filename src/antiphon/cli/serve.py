"""`antiphon serve`: run the server."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from antiphon.app import Addresses
    from antiphon.config import Loaded


def serve(  # noqa: PLR0913, PLR0917 - each option of the command is an argument
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file; without: antiphon.toml here, then the user's own."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Embedded engines: test, small or default.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port for http and ws; 0: a free one.")] = None,
    tls_port: Annotated[
        int | None, typer.Option(help="Port for https and wss; 0: a free one.")
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="Whether to listen for https and wss.")
    ] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Use only weights that are here.")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record each session in this directory, audio included."),
    ] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    When sessions can begin, one line `ready <url>` appears on standard output, and after it the
    environment for the official quickstarts. Everything else goes to standard error.
    """
    # Matrix products here are small; starting threads for each costs more than it gains. Read
    # when numpy is imported, so it stands before anything that does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from antiphon import config as settings
    from antiphon.cli import logs

    given: dict[settings.KeyPath, tuple[str, object]] = {
        ("server", "profile"): ("--profile", profile),
        ("server", "host"): ("--host", host),
        ("server", "port"): ("--port", port),
        ("server", "tls_port"): ("--tls-port", tls_port),
        ("server", "tls"): ("--tls" if tls else "--no-tls", tls),
        ("server", "offline"): ("--offline", offline),
        ("server", "trace_dir"): ("--trace", str(trace) if trace else None),
    }
    options = {path: each for path, each in given.items() if each[1] is not None}
    loaded = settings.load(config, options)
    logs.set_up(loaded.settings.server.log_level)

    from antiphon.app import Server
    from antiphon.weights.progress import shown

    Server(loaded).run(lambda addresses: _announce(addresses, loaded), shown)


def _announce(addresses: "Addresses", loaded: "Loaded") -> None:
    from antiphon import config as settings

    base = addresses.https or addresses.http
    key = "<your key>" if loaded.keys else "any-key-works"
    values = {
        "AZURE_OPENAI_ENDPOINT": base,
        "AZURE_OPENAI_API_KEY": key,
        "AZURE_OPENAI_DEPLOYMENT_NAME": settings.plan(loaded.settings)[0].name,
        "OPENAI_BASE_URL": f"{base}/v1",
        "OPENAI_API_KEY": key,
    }
    if addresses.authority is not None:
        values["NODE_EXTRA_CA_CERTS"] = str(addresses.authority.certificate)
        values["SSL_CERT_FILE"] = str(addresses.authority.bundle)
    lines = [
        f"ready {addresses.http}",
        "",
        "# For the official SDKs and quickstarts, in the shell that runs them:",
        *(_assignment(name, value) for name, value in values.items()),
    ]
    # One write: whoever waits for the first line may close the pipe right after it.
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _assignment(name: str, value: str) -> str:
    if sys.platform == "win32":
        return f'$env:{name} = "{value}"'
    return f"export {name}={shlex.quote(value)}"
