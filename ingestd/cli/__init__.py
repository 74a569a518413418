"""The command line: one module a verb, no logic; errors become exit codes here.

Start-up counts: of the verbs only the one that is asked for is loaded, and a verb imports what it
needs when it runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from ingestd.errors import IngestdError

from . import version as version_verb

VERBS = (
    "run",
    "status",
    "ls",
    "why",
    "query",
    "reindex",
    "reconcile",
    "retry",
    "check",
    "repair",
    "rebuild",
    "compact",
    "backup",
    "restore",
    "config",
    "model",
    "profile",
    "doctor",
    "service",
    "version",
)
"""In the order of the help; each is a module with a function of its name, or an ``app``."""

_EPILOG = (
    "Exit codes: 0 done, 1 unexpected, 2 usage, 3 some documents failed, 4 configuration, "
    "5 folder missing, 6 already running, 7 port busy, 8 model missing, 9 model mismatch, "
    "10 Chroma, 11 state table, 12 not found, 13 foreign collection, 14 not running, 15 timeout, "
    "16 watch limit, 17 disk full, 18 check found differences, 19 busy, 20 unavailable, "
    "21 not permitted."
)


def application(verb: str = "") -> typer.Typer:
    """The command line.

    Args:
        verb: the only one that is loaded; empty for all of them.
    """
    app = typer.Typer(
        name="ingestd",
        help="Keeps a Chroma collection of the text in your folders up to date, for RAG.",
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=_EPILOG,
    )
    app.callback(invoke_without_command=True)(_ingestd)
    for name in [verb] if verb else VERBS:
        module = import_module(f"ingestd.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _asked_for(words: list[str]) -> str:
    """The verb that a command line begins with; empty where it does not, or is to be completed."""
    if "_INGESTD_COMPLETE" in os.environ or not words or words[0] not in VERBS:
        return ""
    return words[0]


def _ingestd(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=version_verb.print_version,
            is_eager=True,
            help="Print the version, and end.",
        ),
    ] = False,
) -> None:
    """Keeps a Chroma collection of the text in your folders up to date, for RAG."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; every error of ours ends in its exit code and a hint."""
    try:
        application(_asked_for(sys.argv[1:]))(prog_name="ingestd")
    except IngestdError as error:
        fail(error.message, error.hint, error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; nothing is left to say
        sys.exit(0)
    except Exception as error:
        if type(error).__name__ in {"DatabaseError", "NewerSchemaError"}:  # of ingestd_state
            fail(str(error), "`ingestd doctor` checks the state directory.", 11)
        raise


def fail(message: str, hint: str, exit_code: int) -> None:
    """Say what went wrong and what to do next, and end."""
    for line in message.splitlines():
        typer.secho(f"error: {line}", fg=typer.colors.RED, err=True)
    if hint:
        typer.secho(f"hint: {hint}", err=True)
    sys.exit(exit_code)
