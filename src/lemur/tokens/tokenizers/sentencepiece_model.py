"""Reads SentencePiece `.model` files of kind BPE (Llama-2's tokenizer.model) as a `tokenizers` tokenizer."""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

_SPACE = "\u2581"
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)  # SentencePiece.Type
_BPE = 2  # TrainerSpec.ModelType


def read(path: Path) -> tuple[Tokenizer, str, str, str]:
    """The tokenizer and its BOS, EOS and UNK. It gives the same ids as the `sentencepiece` library for any text.

    Raises `ValueError` for a file that is not a model, for unigram models and for normalisers that change the text.
    """
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    model = protobuf.ModelProto()  # type: ignore[attr-defined]
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError, whose package is a dependency of sentencepiece's file only
        raise ValueError(f"{path}: no SentencePiece model ({error}); get the file again") from None
    if not model.pieces:
        raise ValueError(f"{path}: a SentencePiece model without pieces; get the file again")
    _check_supported(path, model)
    vocabulary = {piece.piece: number for number, piece in enumerate(model.pieces)}
    trainer = model.trainer_spec
    unk, bos, eos = (model.pieces[number].piece for number in (trainer.unk_id, trainer.bos_id, trainer.eos_id))
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=_merges(model, vocabulary),
            unk_token=unk,
            fuse_unk=True,
            byte_fallback=trainer.byte_fallback,
        )
    )
    prefix = model.normalizer_spec.add_dummy_prefix
    tokenizer.normalizer = normalizers.Sequence(
        [*([normalizers.Prepend(_SPACE)] if prefix else []), normalizers.Replace(" ", _SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if prefix else []),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, vocabulary[bos])]
    )
    for kind, special in ((_UNKNOWN, True), (_CONTROL, True), (_USER_DEFINED, False)):
        tokens = [
            AddedToken(piece.piece, normalized=False, special=special) for piece in model.pieces if piece.type == kind
        ]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(tokens)
    return tokenizer, bos, eos, unk


def _check_supported(path: Path, model: Any) -> None:
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    if trainer.model_type != _BPE:
        kind = type(trainer).ModelType.Name(trainer.model_type)
        raise ValueError(f"{path}: a SentencePiece model of kind {kind}; BPE is allowed, as Llama's is")
    if normalizer.precompiled_charsmap or normalizer.remove_extra_whitespaces or not normalizer.escape_whitespaces:
        raise ValueError(
            f"{path}: its normaliser {normalizer.name!r} changes the text; `identity` without remove_extra_whitespaces "
            "is allowed, as Llama's is"
        )
    if min(trainer.unk_id, trainer.bos_id, trainer.eos_id) < 0:
        raise ValueError(
            f"{path}: unk, bos and eos have ids {trainer.unk_id}, {trainer.bos_id}, {trainer.eos_id}; all are needed"
        )


def _merges(model: Any, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs ordered by the score of the piece they form: SentencePiece merges the best first.

    Among equal scores (Llama-2's runs of spaces) the lower id comes first, as in the published tokenizer.json.
    """
    merges: list[tuple[float, int, int, int, str, str]] = []
    for number, piece in enumerate(model.pieces):
        if piece.type != _NORMAL:
            continue
        for at in range(1, len(piece.piece)):
            left, right = piece.piece[:at], piece.piece[at:]
            if left in vocabulary and right in vocabulary:
                merges.append((-piece.score, number, vocabulary[left], vocabulary[right], left, right))
    return [(left, right) for *_, left, right in sorted(merges)]
