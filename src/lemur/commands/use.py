"""Commands under the heading Use."""

from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[
    Path | None, typer.Argument(metavar="MODEL", help="A model folder; without, models/lemur_chat.", show_default=False)
]
Temperature = Annotated[float, typer.Option(metavar="NUMBER", min=0, max=2, help="0 always takes the likeliest token.")]
Seed = Annotated[int, typer.Option(metavar="NUMBER", help="Decides the samples of a temperature above 0.")]
MaxTokens = Annotated[
    int | None, typer.Option(metavar="NUMBER", min=1, help="Tokens of an answer, at most; without, what fits.")
]
Context = Annotated[
    int | None, typer.Option(metavar="TOKENS", min=64, help="Prompt plus answer; without, the model's.")
]


def chat(
    model: Model = None,
    system: Annotated[str, typer.Option(metavar="TEXT", help="What the model shall know or be.")] = "",
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    max_tokens: MaxTokens = None,
    context: Context = None,
) -> None:
    """Talk to a model in the terminal.

    Ctrl-C stops an answer; /reset, /seed NUMBER and /exit do what they say. Reads one question a line if the input is a
    pipe. A model without a chat template continues each line.

    Example: lemur chat models/lemur_chat --temperature 0.7 --seed 3
    """
    import sys

    engine = _open(model, tile=1, rows=1, waiting=1, context=context)
    from lemur.serving.terminal import HELP, Chat, note

    if not engine.chat:
        note(f"{engine.codec.folder} has no chat template: it continues each line, and does not see earlier ones.")

    def line() -> str:
        if sys.stdin.isatty():
            return input("> ")
        if text := sys.stdin.readline():
            return text
        raise EOFError

    if sys.stdin.isatty():
        import readline  # noqa: F401 - gives `input` arrow keys and history

        note(f"{engine.codec.folder.name}: {HELP}")
    Chat(engine, system, temperature, seed, max_tokens).run(line)
    engine.close()


def generate(
    model: Model = None,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Without, all of standard input.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt into the model's chat template.")] = False,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="End before this text; repeatable.")] = None,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    max_tokens: MaxTokens = 256,
    context: Context = None,
) -> None:
    """Print what a model writes after a prompt.

    Example: lemur generate models/lemur --prompt "def add(a, b):"
    """
    import sys

    text = sys.stdin.read() if prompt is None else prompt
    engine = _open(model, tile=1, rows=1, waiting=1, context=context)
    from lemur.serving.terminal import say, stream

    try:
        if chat:
            text = engine.chat_prompt([{"role": "user", "content": text}])
        request = engine.request(
            text,
            max_tokens=max_tokens or engine.context_length,
            stop=stop or (),
            temperature=temperature,
            seed=seed,
        )
    except ValueError as error:
        raise SystemExit(str(error)) from None
    _, stopped = stream(engine, request)
    if sys.stdout.isatty():
        say("\n")
    engine.close()
    if stopped:
        raise SystemExit(130)


def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Another one opens it to other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="0 takes any free one.")] = 8000,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The model's; without, its folder's.")] = None,
    tile: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Answers computed together.")] = 16,
    rows: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Answers in the making, at most.")] = 32,
    waiting: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Further requests that may wait.")] = 256,
    context: Context = None,
) -> None:
    """Serve a model to OpenAI clients, and a chat page, on 127.0.0.1:8000.

    Answers requests together; each answer is the one that it would get alone.
    Does not start if the caches may not fit into the memory.

    Example: lemur serve models/lemur_chat --port 8001
    """
    engine = _open(model, tile=tile, rows=rows, waiting=waiting, context=context)
    from lemur.serving.api.listening import listen

    listen(engine, name or engine.codec.folder.resolve().name, host, port)


def _open(model: Path | None, **settings: Any) -> Any:
    """The engine of a model, with the numerics of environment.yaml, which JAX must find when it is imported."""
    from lemur.core.files import ROOT
    from lemur.core.numerics import apply_profile

    apply_profile()
    from lemur.serving.opening import open_engine

    return open_engine(model or ROOT / "models/lemur_chat", **settings)
