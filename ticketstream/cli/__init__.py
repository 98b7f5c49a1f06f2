"""The command line: one Typer app, one module a group of commands.

A command module has ``register(app: typer.Typer) -> None``, which adds its commands, and imports
anything slow (settings, Faust, the Weaviate and Gemini clients) inside the commands, so that
``ticketstream --help`` answers at once. Errors for people are raised as UserError; ``main`` prints
them as one line.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Final

import typer

from schemas.errors import TicketstreamError
from ticketstream.terminal.output import print_error

CTRL_C: Final = 130

COMMAND_MODULES: Final = (
    "ticketstream.cli.demo",
    "ticketstream.cli.stack",
    "ticketstream.cli.login",
    "ticketstream.cli.doctor",
    "ticketstream.cli.worker",
    "ticketstream.cli.serve",
    "ticketstream.cli.imports.commands",
    "ticketstream.cli.imports.replay",
    "ticketstream.cli.dead_letters.commands",
    "ticketstream.cli.reconcile",
    "ticketstream.cli.scale",
    "ticketstream.cli.search",
)
"""Where the commands are, in the order in which ``--help`` lists them."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ticketstream {version('ticketstream')}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """Return the app with every command registered."""
    app = typer.Typer(
        name="ticketstream",
        help="Keeps a searchable knowledge base in step with a Zendesk account.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
        ] = False,
    ) -> None:
        """Keeps a searchable knowledge base in step with a Zendesk account."""

    for name in COMMAND_MODULES:
        importlib.import_module(name).register(app)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process.

    Exit status: 0 all done, 1 an error (one ``error: …`` line on stderr), 2 wrong usage,
    130 stopped with Ctrl-C, 141 nobody reads the output any more.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status; see ``main``."""
    try:
        result = build_app()(args=arguments, prog_name="ticketstream", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        result = CTRL_C
    except typer.TyperException as error:
        return _wrong_usage(error)
    except BrokenPipeError:
        # Python flushes stdout at exit: point it elsewhere, or that flush fails too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except TicketstreamError as error:
        print_error(str(error))
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print_error(f"{error.strerror or error}{where}")
        return 1
    except KeyboardInterrupt:
        result = CTRL_C
    if result == CTRL_C:
        print_error("stopped by Ctrl-C")
    return result if isinstance(result, int) else 0


def _wrong_usage(error: typer.TyperException) -> int:
    """Print what is wrong with the command line; Typer's usage errors carry their context and status."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        typer.echo(context.get_help())
    else:
        words = getattr(error, "format_message", lambda: str(error))()
        print_error(words.rstrip(".") + (f" (see `{context.command_path} --help`)" if context else ""))
    return int(getattr(error, "exit_code", 2))
