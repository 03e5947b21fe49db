"""Embedding models of instructions: WordLlama's static vectors (numpy) and sentence-transformers (torch, an extra)."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from lemur.instructions.unit_vectors import unit
from lemur.sources.fetched import Fetched


class WordLlama:
    """Mean of static token vectors (dleemiller/WordLlama). Its weights and tokenizer files are read directly: the
    package's own `load` looks for them on the hub."""

    def __init__(self, source: Fetched) -> None:
        weights = [file for file in source.files if file.name.endswith(".safetensors")]
        tokenizers = [file for file in source.files if file.name.endswith(".json")]
        if len(weights) != 1 or len(tokenizers) != 1:
            names = [file.name for file in source.files]
            raise ValueError(
                f"source {source.name}: one .safetensors and one tokenizer .json are needed; it has {names}"
            )
        tensors = load_file(weights[0].path)
        if len(tensors) != 1:
            raise ValueError(
                f"{weights[0].path}: one tensor [vocabulary, dimension] is needed; it has {sorted(tensors)}"
            )
        self._vectors = next(iter(tensors.values())).astype(np.float32)
        self._tokenizer = Tokenizer.from_str(json.dumps(json.loads(tokenizers[0].path.read_text(encoding="utf-8"))))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.dimension = int(self._vectors.shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension] of length 1."""
        means = np.zeros((len(texts), self.dimension), np.float64)
        for row, encoding in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            ids = np.array(encoding.ids, np.int64)
            if len(ids):
                ids = np.minimum(ids, len(self._vectors) - 1)
                means[row] = np.add.reduce(self._vectors[ids], axis=0, dtype=np.float64) / len(ids)
        return unit(means)


class SentenceTransformerModel:
    """A sentence-transformers model, INSTRUCTOR models among them: the prompt's tokens are not pooled, as INSTRUCTOR's
    own wrapper has it (measured: equal to 6e-8)."""

    def __init__(self, path: Path | str, *, revision: str | None, prompt: str, batch_size: int, dtype: str) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise RuntimeError(
                f"embed_instructions.kind sentence_transformers needs the `embed` extra ({error}); `make embed`"
            ) from None
        torch.manual_seed(0)
        self._model = SentenceTransformer(
            str(path), revision=revision, local_files_only=True, device="cpu", model_kwargs={"dtype": dtype}
        )
        self._prompt = prompt
        self._batch_size = batch_size
        if prompt:
            self._model.set_pooling_include_prompt(False)
        self.dimension = int(self.encode(["dimension"]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension] of length 1."""
        vectors = self._model.encode(
            list(texts), prompt=self._prompt or None, batch_size=self._batch_size, show_progress_bar=False
        )
        return unit(np.asarray(vectors, np.float32))
