"""`antiphon keys`: create, list and revoke API keys."""

from dataclasses import asdict
from typing import Annotated

import typer

from antiphon.cli.output import COULD_NOT_RUN, FINDINGS, fail, say, show, show_json
from antiphon.config.stored_keys import KeyStore

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for `list` and `revoke`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is stored as a hash and cannot be shown again."""
    store = KeyStore()
    taken = {each.name for each in store.stored()}
    chosen = name or next(each for n in range(1, 10_000) if (each := f"key-{n}") not in taken)
    try:
        key = store.create(chosen)
    except (ValueError, OSError) as error:
        fail(str(error))
        raise typer.Exit(COULD_NOT_RUN) from error
    if as_json:
        show_json({"name": chosen, "key": key})
        return
    show(key)
    say(f"This is the only time that the key '{chosen}' is shown; {store.path} keeps its hash.")
    say("A running server accepts it after its next start. From then on a key is required.")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, without what would open anything."""
    stored = KeyStore().stored()
    if as_json:
        show_json([asdict(each) for each in stored])
        return
    for each in stored:
        show(f"{each.name:24}  {each.created:10}  sha256:{each.sha256[:12]}…")
    if not stored:
        say("There are no keys: servers on loopback accept any, others do not start.")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="As `antiphon keys list` names it.")]) -> None:
    """Forget a key. A running server accepts it until its next start."""
    try:
        was_there = KeyStore().revoke(name)
    except OSError as error:
        fail(str(error))
        raise typer.Exit(COULD_NOT_RUN) from error
    if not was_there:
        fail(f"There is no key '{name}'. `antiphon keys list` shows all.")
        raise typer.Exit(FINDINGS)
    say(f"The key '{name}' is revoked. Restart running servers.")
