"""The commands under their headings, as `lemur --help` lists them."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from lemur.commands import build, data, episodes, evaluate, look_inside, plan, share, use

HEADINGS: dict[str, tuple[Callable[..., None], ...]] = {
    "Build": (build.scale, build.check, build.dependencies, build.run, build.verify),
    "Use": (use.chat, use.generate, use.serve),
    "Look inside": (look_inside.open, look_inside.why, look_inside.answers, look_inside.lineage),
    "Evaluate": (evaluate.eval,),
    "Episodes": (episodes.rescore, episodes.replay, episodes.export),
    "Data": (data.pin, data.inspect, data.validate),
    "Plan": (plan.plan, plan.plan_data),
    "Share": (share.remote, share.pull, share.publish, share.track, share.ui),
}


class Command(TyperCommand):
    """Parses its arguments and returns the work, which then runs outside the parser: that would turn Ctrl-C, EOFError
    and broken pipes of a stage into short messages in place of their tracebacks."""

    def invoke(self, ctx: Any) -> Callable[[], None]:
        assert self.callback
        return partial(self.callback, **ctx.params)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Without the braces that typer puts around what is required."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """Help in plain text under the same headings that a terminal shows, each command's sentence in full."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for heading, functions in HEADINGS.items():
            names = [function.__name__.replace("_", "-") for function in functions]
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), (self.commands[name].help or "").partition("\n\n")[0]) for name in names]
                )


app = typer.Typer(
    cls=Group,
    help="Lemur, rebuilt as a DAG of versioned artifacts. `lemur COMMAND --help` explains a command.",
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)
for heading, functions in HEADINGS.items():
    for function in functions:
        app.command(cls=Command, rich_help_panel=heading)(function)


def parse(arguments: list[str]) -> Callable[[], None]:
    """The work that a command line asks for. Exits after help and completions, and with status 2 for wrong usage."""
    app.rich_markup_mode = "markdown" if sys.stdout.isatty() else None
    try:
        work = typer.main.get_command(app).main(arguments, prog_name="lemur", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "lemur"
        usage = f"{context.get_usage()}\n" if context else ""
        print(f"{usage}{command}: {error.format_message()}\n`{command} --help` explains it.", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    if not callable(work):
        raise SystemExit(work)
    return work
