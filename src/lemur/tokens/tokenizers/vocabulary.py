"""Trains a BPE tokenizer on the corpus: Llama-2's layout of ids and byte fallback, without its changes to the text.

Llama-2's tokenizer puts a space before the text and writes spaces as U+2581, so decoding does not restore a text that
begins with a space or holds U+2581. Here pieces hold spaces as they are, and every text is restored.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

UNK, BOS, EOS = SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# Words with the sign or space before them, single digits, runs of punctuation, line ends, indentation.
PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|[ \t]*[\r\n]+|\s+(?!\S)|\s+"


def train(
    texts: Callable[[], Iterable[str]], *, vocab_size: int, character_coverage: float, max_token_chars: int
) -> Tokenizer:
    """Train on `texts()`, which is read twice. The same texts give the same tokenizer with any number of threads.

    Args:
        texts: returns the training texts; called twice.
        vocab_size: size of the whole vocabulary: 3 special tokens, 256 bytes, characters, merged pieces.
        character_coverage: share of the texts' characters with a piece of their own; the others become bytes.
        max_token_chars: longest piece, characters.

    Raises `ValueError` if special tokens, bytes and characters leave no room for merges.
    """
    alphabet = _alphabet(texts(), character_coverage)
    fixed = [*SPECIAL, *BYTES]
    if len(fixed) + len(alphabet) >= vocab_size:
        raise ValueError(
            f"params.yaml: tokenizer.vocab_size is {vocab_size}; special tokens, bytes and {len(alphabet)} characters "
            f"need {len(fixed) + len(alphabet)}; raise it or lower tokenizer.character_coverage"
        )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=fixed, max_token_length=max_token_chars, show_progress=False
    )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    learner.train_from_iterator(_within_alphabet(texts(), alphabet), trainer)
    return _assembled(learner)


def _alphabet(texts: Iterable[str], coverage: float) -> list[str]:
    """The most frequent characters that reach `coverage`. (The trainer's own limit breaks ties at random.)"""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    required, covered = coverage * counts.total(), 0
    alphabet = []
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= required:
            break
        alphabet.append(character)
        covered += count
    return alphabet


def _within_alphabet(texts: Iterable[str], alphabet: list[str]) -> Iterator[str]:
    """The texts, cut at every character outside the alphabet."""
    others = re.compile(f"[^{re.escape(''.join(alphabet))}]+")
    for text in texts:
        yield from filter(None, others.split(text))


def _assembled(learner: Tokenizer) -> Tokenizer:
    """The learnt pieces with byte fallback; bytes are pieces of the model, not control tokens."""
    import json

    model = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab=model["vocab"], merges=merges, unk_token=UNK, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    return tokenizer
