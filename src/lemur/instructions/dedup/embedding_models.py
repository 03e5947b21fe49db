"""Embedding models for instructions: WordLlama's static vectors (numpy) and sentence-transformers (torch, an extra)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from lemur.instructions.dedup.unit_vectors import unit
from lemur.sources.fetched import Fetched


class EmbeddingModel(Protocol):
    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class WordLlama:
    """Mean of static token vectors (dleemiller/WordLlama). Reads the weights and the tokenizer from files, because the
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
        self._tokenizer = Tokenizer.from_file(str(tokenizers[0].path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.dimension = int(self._vectors.shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension] of length 1."""
        means = np.zeros((len(texts), self.dimension), np.float64)
        for row, encoding in enumerate(self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)):
            ids = np.array(encoding.ids, np.int64)
            if len(ids):
                ids = np.minimum(ids, len(self._vectors) - 1)
                means[row] = np.add.reduce(self._vectors[ids], axis=0, dtype=np.float64) / len(ids)
        return unit(means)


class SentenceTransformerModel:
    """A sentence-transformers model, for example an INSTRUCTOR, on one processor thread or one GPU.

    The tokens of `prompt` are not pooled. The vectors equal those of INSTRUCTOR's own wrapper (measured: to 6e-8). With
    current libraries that wrapper fails, or silently pools the prompt's tokens too.
    """

    def __init__(self, folder: Path, *, prompt: str, batch_size: int, dtype: str, device: str) -> None:
        """Raises `RuntimeError` without the extra, and `ValueError` if the prompt's tokens would be pooled."""
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise RuntimeError(
                f"this embed_instructions.kind needs the `embed` extra ({error}); `make embed`"
            ) from None
        torch.set_num_threads(1)  # the bits of a sum may depend on it
        self._model = SentenceTransformer(
            str(folder), local_files_only=True, device=device, model_kwargs={"dtype": dtype}
        )
        self._prompt = prompt
        self._batch_size = batch_size
        if prompt:
            self._model.set_pooling_include_prompt(False)
            self._check_prompt_is_not_pooled(1e-5 if dtype == "float32" else 1e-2)
        self.dimension = int(self.encode(["dimension"]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension] of length 1."""
        vectors = self._model.encode(
            [text.strip() for text in texts],
            prompt=self._prompt,  # also if empty: None would select the default prompt of the model's folder
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        return unit(vectors.float().cpu().numpy())

    def _check_prompt_is_not_pooled(self, tolerance: float) -> None:
        """Compare one vector with the wrapper's rule: the mean over the tokens after the prompt."""
        import torch

        text = "How many legs has a spider?"
        transformer: Any
        transformer, *others = list(self._model)
        ids = transformer.tokenizer(self._prompt.strip())["input_ids"]
        prompt_length = len(ids) - 1  # without the closing token
        with torch.inference_mode():
            features = self._model.preprocess([self._prompt + text])
            for key in ("input_ids", "attention_mask"):
                features[key] = features[key].to(self._model.device)
            joint_ids = features["input_ids"][0].tolist()
            if joint_ids[:prompt_length] != ids[:prompt_length]:
                raise ValueError(
                    f"embed_instructions.prompt: the last token of {self._prompt!r} merges with the text, so the "
                    "prompt's tokens cannot be told from the text's; end the prompt with a blank"
                )
            features = transformer.forward(features)
            features["attention_mask"] = features["attention_mask"].clone()
            features["attention_mask"][:, :prompt_length] = 0
            for module in others:
                features = module.forward(features)
        expected = unit(features["sentence_embedding"].float().cpu().numpy())
        difference = float(np.abs(self.encode([text]) - expected).max())
        if difference > tolerance:
            raise ValueError(
                f"embed_instructions.prompt: sentence-transformers does not pool exactly the text's tokens (vectors "
                f"differ by {difference:.1e}); does this tokenizer count the prompt's trailing blank? "
                "INSTRUCTOR's (T5's) strips it"
            )
