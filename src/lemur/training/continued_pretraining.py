"""Stage `continued_pretraining`: Lemur, the base model trained further on the code-heavy mixture (paper, A.1.2)."""

from pathlib import Path

from lemur.training.params import SteppedParams

DISTRIBUTED = True


class Params(SteppedParams):
    pass


def continued_pretraining(
    params: Params, base: Path, shards: Path, heldout: Path, *, model: Path, curve: Path, report: Path
) -> None:
    """Train the model in the folder `base` for `steps` steps and write it with the same config and tokenizer."""
    from lemur.core.records import write_json
    from lemur.model import checksums, folder
    from lemur.tokens.shards import open_shards
    from lemur.training.devices import make_mesh
    from lemur.training.loop import train
    from lemur.training.monitoring.heldout import Heldout

    packed = open_shards(shards)
    mesh = make_mesh(params.mesh)
    config, start = folder.load(base, dtype=params.compute_dtype, remat=params.remat, mesh=mesh)
    documents = Heldout(
        heldout,
        base,
        bos=config.bos_token_id,
        length=packed.sequence_length,
        bytes_per_group=params.heldout_bytes,
    )
    trained = train(
        start,
        packed,
        params,
        steps=params.steps,
        origin=checksums.sha256(base),
        curve=curve,
        mesh=mesh,
        heldout=documents,
    )
    folder.save(model, trained.model, base, dtype=params.export_dtype)
    write_json(report, {"stage": "continued_pretraining", "weights": checksums.sha256(model), **trained.summary})
    trained.remove_checkpoints()
