"""Back end `transformers`: a model folder in torch, one sequence at a time (`make parity` installs the extra)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lemur.core.records import Record
from lemur.inference.interface import Generation
from lemur.inference.text import TextCodec, first_stop
from lemur.inference.token_model import Part, TokenModel, Window, identity, key


class TransformersModel(TokenModel):
    """Runs in float32 on the CPU in one thread, without grouping, so that grouping cannot matter."""

    def __init__(self, codec: TextCodec, context_length: int) -> None:
        super().__init__(codec, context_length)
        try:
            import torch
            from transformers import AutoModelForCausalLM
        except ImportError as error:
            raise RuntimeError(f"{error}; install torch with `make parity`, or choose another backend") from error
        torch.set_num_threads(1)
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            codec.folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
        ).eval()

    def identity(self) -> Record:
        return identity("transformers", self._codec)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        return [self._answer(prompt, max_new_tokens, stop, temperature, seed) for prompt in prompts]

    def _answer(
        self, prompt: str, max_new_tokens: int, stop: Sequence[str], temperature: float, seed: int
    ) -> Generation:
        import torch

        tokens, room = self.prompt(prompt, max_new_tokens)
        random = torch.Generator().manual_seed(int.from_bytes(key(prompt, seed), "little") >> 1)
        answer: list[int] = []
        new, cache = tokens, None
        with torch.inference_mode():
            while len(answer) < room:
                output = self._model(torch.tensor([new]), past_key_values=cache, use_cache=True)
                logits, cache = output.logits[0, -1], output.past_key_values
                if temperature:
                    token = int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=random))
                else:
                    token = int(logits.argmax())
                if token in self._codec.eos_ids:
                    return Generation(self._codec.decode_answer(tokens, answer), len(answer) + 1, "stop")
                answer.append(token)
                new = [token]
                text = self._codec.decode_answer(tokens, answer)
                if (cut := first_stop(text, stop)) is not None:
                    return Generation(text[:cut], len(answer), "stop")
        return Generation(self._codec.decode_answer(tokens, answer), len(answer), "length")

    def each_token(self, windows: Sequence[Window]) -> list[Part]:
        import torch

        parts: list[Part] = []
        with torch.inference_mode():
            for window in windows:
                logits = self._model(torch.tensor([window.tokens])).logits[0, -window.scored - 1 : -1]
                targets = torch.tensor(window.tokens[len(window.tokens) - window.scored :])
                logprobs = torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0]
                parts.append((np.asarray(logprobs), np.asarray(logits.argmax(-1) == targets)))
        return parts
