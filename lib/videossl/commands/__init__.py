"""The command `videossl`: each module named in NAMES holds one subcommand, a click command called `command`.

A module is loaded when its subcommand is asked for, and loads torch and its like when it runs: `videossl --help` is there at once. `presets` is what
`run` and `cost` share.
"""

from __future__ import annotations

import importlib
import sys

import click

from videossl import registry, script
from videossl.errors import InputError

NAMES = (
    "run",
    "doctor",
    "datasets",
    "verify",
    "cost",
    "runs",
    "report",
    "embed",
    "search",
    "export",
    "verify-cache",
    "unlock",
    "record",
    "dvc-yaml",
    "params",
)
"""The subcommands, in the order of help: a run first, then the looking after it."""


class _Commands(click.Group):
    """Finds a subcommand by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in NAMES:
            raise InputError(f"there is no command {args[0]!r}; {registry.nearest(args[0], NAMES)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="videossl", message="videossl %(version)s")
def cli() -> None:
    """Self-supervised learning from video, from raw files to a table of results.

    The numbers of a run stand in its params.yaml; these commands say where it lies and how it runs.

    \b
    First steps:
      videossl doctor                       what is missing on this machine
      videossl run toy --out runs/toy       the whole pipeline on made-up videos, some ten minutes
      videossl run folder path/to/videos    the same on your own videos

    \b
    Completion of commands and options, here for bash:
      eval "$(_VIDEOSSL_COMPLETE=bash_source videossl)"
    """


def main() -> None:
    """Run the command line. A mistake ends in one line and exit status 2, as in the scripts."""
    script.begin()
    script.run(_call)


def _call() -> None:
    try:
        sys.exit(cli.main(standalone_mode=False, prog_name="videossl"))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        said = error.format_message().rstrip(".")
        raise InputError(f"{said}; {error.ctx.command_path if error.ctx else 'videossl'} --help says what there is") from error
    except click.ClickException as error:
        raise InputError(error.format_message()) from error
    except ModuleNotFoundError as error:
        if (error.name or "videossl").partition(".")[0] == "videossl":
            raise
        raise InputError(f"the package {error.name} is missing; `videossl doctor` says how to get it") from error
    except click.Abort:
        sys.exit(130)  # as of a program that SIGINT ends
