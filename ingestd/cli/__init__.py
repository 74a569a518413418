"""The command line: one module a verb, no logic; errors become exit codes here.

Start-up counts: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import sys

import typer

from ingestd.errors import IngestdError

from . import run as run_verb

app = typer.Typer(
    name="ingestd",
    help="Keeps a Chroma collection of the text in your folders up to date, for RAG.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 unexpected, 2 usage, 3 some documents failed, 4 configuration, "
    "5 folder missing, 6 already running, 7 port busy, 8 model missing, 9 model mismatch, "
    "10 Chroma, 11 state table, 12 not found, 13 foreign collection, 14 not running, 15 timeout.",
)
app.callback()(lambda: None)
app.command("run")(run_verb.run)


def main() -> None:
    """Run the command line; every error of ours ends in its exit code and a hint."""
    try:
        app()
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
