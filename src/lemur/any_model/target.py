"""What `lemur eval` is asked to evaluate: a model folder, or a server with the folder of its tokenizer."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lemur.core.params import StageParams
from lemur.core.tokenizer_json import tokenizer_json
from lemur.inference.token_model import longest_context
from lemur.model.config import read_config
from lemur.serving.opening import checked

JAX, SERVER, TRANSFORMERS = "jax", "server", "transformers"


@dataclass(frozen=True)
class Target:
    """`given`: as the user named it; `name`: of its results' folder; `folder`: weights, or only config and tokenizer if
    a server at `url` answers."""

    given: str
    name: str
    folder: Path
    url: str | None = None

    def backend(self, wanted: str | None) -> str | None:
        """The back end to use; None leaves it to params.yaml. Raises `SystemExit` if it is not installed or not for
        servers."""
        if self.url is not None:
            if wanted not in (None, SERVER):
                raise SystemExit(f"--backend {wanted}: {self.url} is a server; leave --backend out")
            return SERVER
        if wanted == TRANSFORMERS and importlib.util.find_spec("torch") is None:
            raise SystemExit("--backend transformers: torch is not installed; install it: make parity")
        return wanted

    def check(self, benchmark: str, params: StageParams, wanted: str | None) -> None:
        """Raises `SystemExit` if the back end that `params` choose cannot answer for this model. `wanted`: the one that
        was asked for."""
        backend = getattr(params, "backend", None)
        if backend is None and (self.url is not None or wanted not in (None, JAX)):
            raise SystemExit(f"{benchmark}: only --backend {JAX} on a folder computes it; leave it out of --tasks")
        if getattr(params, "context", None) is None and longest_context(self.folder) is None:
            raise SystemExit(f"{self.folder / 'config.json'} does not state the model's context: --context NUMBER")
        if backend in (None, JAX):
            try:
                read_config(self.folder / "config.json")
            except ValueError as error:
                raise SystemExit(f"{error}\nAnother architecture needs: --backend {TRANSFORMERS}") from None


def target(model: str, tokenizer: Path | None) -> Target:
    """The model that a command line names. Raises `SystemExit` if its folder lacks what every back end reads."""
    if not model.startswith(("http://", "https://")):
        folder = Path(model)
        _check(folder)
        return Target(model, folder.resolve().name, folder)
    if tokenizer is None:
        raise SystemExit(
            f"{model}: prompts are built and tokenized here, so a server needs --tokenizer FOLDER, the model's folder "
            "(its config.json and tokenizer suffice)"
        )
    _check(tokenizer)
    address = urlsplit(model)
    name = f"{tokenizer.resolve().name}-at-{address.hostname}-{address.port or address.scheme}"
    return Target(model, name, tokenizer, model)


def _check(folder: Path) -> None:
    try:
        checked(folder)
        tokenizer_json(folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{error}\nA model folder, or http://HOST:PORT/v1 of a server is allowed") from None
