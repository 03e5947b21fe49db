"""A model folder whose weights are loaded for the first request: prompts are built and counted without them."""

from collections.abc import Callable, Sequence
from functools import cached_property

from lemur.core.records import Record
from lemur.inference.interface import Generation, Model, Score
from lemur.inference.text import TextCodec
from lemur.inference.token_model import PromptBuilder, identity


class OnDemand(PromptBuilder):
    """The model that `load` returns; it is called once, before the first answer."""

    def __init__(self, backend: str, codec: TextCodec, context_length: int, load: Callable[[], Model]) -> None:
        super().__init__(codec, context_length)
        self._backend, self._load = backend, load

    @cached_property
    def _model(self) -> Model:
        return self._load()

    def identity(self) -> Record:
        return identity(self._backend, self._codec)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        return self._model.generate(
            prompts, max_new_tokens=max_new_tokens, stop=stop, temperature=temperature, seed=seed
        )

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        return self._model.loglikelihood(requests)

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        return self._model.rolling_loglikelihood(texts, overlap=overlap)
