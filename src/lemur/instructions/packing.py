"""Best-fit packing of whole conversations into sequences of equal length, in one pass with bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lemur.tokens.packing import fill_one


@dataclass(frozen=True)
class Piece:
    """Tokens of one conversation: `ids` uint32 [n], `loss` uint8 [n], `source` index."""

    ids: np.ndarray
    loss: np.ndarray
    source: int


@dataclass
class _Sequence:
    number: int
    room: int
    pieces: list[Piece] = field(default_factory=list)


class Packer:
    """Call `add` for each piece, then `finish`; both yield filled sequences as records of the token shards.

    At most `open_sequences` sequences are open at a time. A piece goes into the one where it leaves the least room; if
    it fits nowhere and no more may be opened, the fullest is closed. Pieces are never cut, and none attends to another:
    each has its own segment, with positions from 0.
    """

    def __init__(self, length: int, open_sequences: int, *, pack: bool = True) -> None:
        self._length = length
        self._limit = open_sequences if pack else 0
        self._open: list[_Sequence] = []
        self._opened = 0

    def add(self, piece: Piece) -> Iterator[dict[str, np.ndarray]]:
        size = len(piece.ids)
        if not 0 < size <= self._length:
            raise ValueError(f"a conversation has {size} tokens; 1 to {self._length} (sequence_length) are allowed")
        fitting = [sequence for sequence in self._open if sequence.room >= size]
        if fitting:
            target = min(fitting, key=lambda sequence: (sequence.room, sequence.number))
        else:
            if self._open and len(self._open) >= self._limit:
                yield self._close(min(self._open, key=lambda sequence: (sequence.room, sequence.number)))
            target = _Sequence(self._opened, self._length)
            self._opened += 1
            self._open.append(target)
        target.pieces.append(piece)
        target.room -= size
        if target.room == 0 or self._limit == 0:
            yield self._close(target)

    def finish(self) -> Iterator[dict[str, np.ndarray]]:
        for sequence in sorted(self._open, key=lambda sequence: sequence.number):
            yield self._close(sequence)

    def _close(self, sequence: _Sequence) -> dict[str, np.ndarray]:
        self._open.remove(sequence)
        return fill_one(self._length, [(piece.ids, piece.loss, piece.source) for piece in sequence.pieces])
