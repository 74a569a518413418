"""The command line: one module a verb, no logic; errors become exit codes here.

Start-up counts: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ingestd.errors import IngestdError

from . import check as check_verb
from . import compact as compact_verb
from . import config as config_verb
from . import doctor as doctor_verb
from . import ls as ls_verb
from . import model as model_verb
from . import profile as profile_verb
from . import query as query_verb
from . import rebuild as rebuild_verb
from . import reconcile as reconcile_verb
from . import reindex as reindex_verb
from . import repair as repair_verb
from . import retry as retry_verb
from . import run as run_verb
from . import status as status_verb
from . import version as version_verb
from . import why as why_verb

app = typer.Typer(
    name="ingestd",
    help="Keeps a Chroma collection of the text in your folders up to date, for RAG.",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 unexpected, 2 usage, 3 some documents failed, 4 configuration, "
    "5 folder missing, 6 already running, 7 port busy, 8 model missing, 9 model mismatch, "
    "10 Chroma, 11 state table, 12 not found, 13 foreign collection, 14 not running, 15 timeout, "
    "16 watch limit, 17 disk full, 18 check found differences, 19 busy, 20 unavailable.",
)


@app.callback(invoke_without_command=True)
def ingestd(
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


app.command("run")(run_verb.run)
app.command("status")(status_verb.status)
app.command("ls")(ls_verb.ls)
app.command("why")(why_verb.why)
app.command("query")(query_verb.query)
app.command("reindex")(reindex_verb.reindex)
app.command("reconcile")(reconcile_verb.reconcile)
app.command("retry")(retry_verb.retry)
app.command("check")(check_verb.check)
app.command("repair")(repair_verb.repair)
app.command("rebuild")(rebuild_verb.rebuild)
app.command("compact")(compact_verb.compact)
app.add_typer(config_verb.app, name="config")
app.add_typer(model_verb.app, name="model")
app.command("profile")(profile_verb.profile)
app.command("doctor")(doctor_verb.doctor)
app.command("version")(version_verb.version)


def main() -> None:
    """Run the command line; every error of ours ends in its exit code and a hint."""
    try:
        app(prog_name="ingestd")
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
