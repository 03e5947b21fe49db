"""Stage `instruction_tuning`: Lemur-Chat, which is Lemur tuned on the instructions' assistant turns (paper, A.2.2)."""

import math
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lemur.training.params import TrainingParams

DISTRIBUTED = True


class Params(TrainingParams):
    epochs: float = Field(ge=0, description="passes over the instructions")


def instruction_tuning(
    params: Params, lemur: Path, shards: Path, heldout: Path, *, model: Path, curve: Path, report: Path
) -> None:
    """Train for `epochs` epochs and write the model folder. The tokenizer beside the shards gives the vocabulary, the
    chat template and the tokens that end an answer."""
    from lemur.core.records import write_json
    from lemur.model import checksums, folder
    from lemur.tokens.chatml import END, PAD
    from lemur.tokens.shards import open_shards
    from lemur.training.devices import make_mesh
    from lemur.training.loop import train
    from lemur.training.monitoring.heldout import Heldout
    from lemur.training.resize import resize_vocabulary

    packed = open_shards(shards)
    tokenizer = shards / "tokenizer"
    mesh = make_mesh(params.mesh)
    config, start = folder.load(lemur, dtype=params.compute_dtype, remat=params.remat, mesh=mesh)
    # An imported model may have more rows than its tokenizer has tokens.
    start = resize_vocabulary(start, max(config.vocab_size, folder.tokenizer_size(tokenizer)))
    start.config = replace(
        start.config, eos_token_id=folder.token_id(tokenizer, END), pad_token_id=folder.token_id(tokenizer, PAD)
    )
    documents = Heldout(
        heldout,
        tokenizer,
        bos=config.bos_token_id,
        length=packed.sequence_length,
        bytes_per_group=params.heldout_bytes,
    )
    trained = train(
        start,
        packed,
        params,
        steps=math.ceil(params.epochs * len(packed) / params.batch_size),
        origin=checksums.sha256(lemur),
        curve=curve,
        mesh=mesh,
        heldout=documents,
    )
    folder.save(model, trained.model, tokenizer, dtype=params.export_dtype)
    added = trained.model.config.vocab_size - config.vocab_size
    write_json(
        report,
        {
            "stage": "instruction_tuning",
            "weights": checksums.sha256(model),
            "added_tokens": added,
            **trained.summary,
        },
    )
    trained.remove_checkpoints()
