"""Answers many requests together: rows of different lengths join and leave tiles that keep running.

An answer has the bits that `JaxModel.generate` gives with the same tile: its own lengths alone decide the program of
each of its tokens. So there are tiles for each capacity of a cache, and a row that outgrows one moves to the next.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from lemur.inference.compiled_programs import buckets
from lemur.inference.decoding import Cache
from lemur.inference.text import TextCodec
from lemur.inference.token_model import PromptBuilder
from lemur.model.llama import Llama
from lemur.serving.programs import cache_bytes
from lemur.serving.row import Request, Row
from lemur.serving.scoring import Scoring, score
from lemur.serving.tile import Computer, Tile

log = logging.getLogger(__name__)

PATIENCE = 2
"""Rounds that a prompt waits while answers are in the making: a tile of prompts costs the same if it is full."""

GATHERING_S = 0.02
"""An idle engine waits so long for more prompts before it starts, for the same reason."""


class BusyError(RuntimeError):
    """As many requests wait as may."""


class StoppedError(RuntimeError):
    """The engine is closed."""


class Engine(PromptBuilder):
    """Computes in a thread of its own. All methods may be called from any thread."""

    def __init__(
        self, model: Llama, codec: TextCodec, *, tile: int, rows: int, waiting: int, context: int | None = None
    ) -> None:
        """`tile`: rows computed together; `rows`: answers in the making, and `waiting`: further requests, at most;
        `context`: tokens of prompt plus answer, if fewer than the model allows."""
        longest = model.config.max_position_embeddings
        super().__init__(codec, min(context or longest, longest))
        self.codec, self.vocabulary = codec, model.config.vocab_size
        self._computer = Computer(model, tile)
        self._rows, self._most_waiting = rows, waiting
        self._waiting: deque[Row] = deque()
        self._scorings: deque[Scoring] = deque()
        self._tiles: list[Tile] = []
        self._rounds = 0
        self._closed = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, folder: Path, *, tile: int, rows: int, waiting: int, context: int | None = None) -> "Engine":
        from lemur.model import folder as model_folder

        codec = TextCodec(folder, bos=True)
        return cls(model_folder.load(folder)[1], codec, tile=tile, rows=rows, waiting=waiting, context=context)

    def request(
        self, text: str, *, max_tokens: int, stop: Sequence[str] = (), temperature: float = 0.0, seed: int = 0
    ) -> Request:
        """Raises `ValueError` for a prompt that fills the context."""
        tokens, _ = self.prompt(text, max_tokens)
        return Request(text, tuple(tokens), max_tokens, tuple(stop), temperature, seed)

    def submit(self, requests: Sequence[Request], changed: Callable[[], None]) -> list[Row]:
        """Answer all these requests, or raise `BusyError`. `changed` is called after each change of one of the rows, in
        the engine's thread."""
        rows = [
            Row(
                list(request.tokens),
                min(request.max_tokens, self.context_length - len(request.tokens)),
                request=request,
                context=self.context_length,
                changed=changed,
            )
            for request in requests
        ]
        with self._news:
            self._admit(len(rows))
            self._waiting.extend(rows)
            self._news.notify()
        return rows

    def score(self, tokens: Sequence[int], top: int) -> Scoring:
        """The scores of `tokens`, at most as many as the context has. Raises `BusyError`."""
        scoring = Scoring(list(tokens), top)
        with self._news:
            self._admit(1)
            self._scorings.append(scoring)
            self._news.notify()
        return scoring

    def _admit(self, count: int) -> None:
        if self._closed:
            raise StoppedError("the server is stopping")
        free = max(0, self._rows - self._running())
        if len(self._waiting) + len(self._scorings) + count > self._most_waiting + free:
            raise BusyError(f"{self._most_waiting} requests are waiting, as many as may; try again later")

    def cancel(self, rows: Sequence[Row]) -> None:
        """Stop these answers, and free their places."""
        with self._news:
            for row in rows:
                row.cancelled = True
            self._news.notify()

    def state(self) -> dict[str, int]:
        """How many answers are in the making, and how many requests wait."""
        with self._news:
            return {"running": self._running(), "waiting": len(self._waiting) + len(self._scorings)}

    def most_bytes(self) -> int:
        """Memory that the caches take at most. A new tile is opened only when those of its capacity are full, so there
        are never more of one capacity than all rows need."""
        tiles = -(-self._rows // self._computer.tile)
        # Two more: the prompts' own cache, and the old one of a tile that changes.
        tokens = tiles * sum(buckets(self.context_length)) + 2 * self.context_length
        return self._computer.tile * tokens * cache_bytes(self._computer.model)

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _running(self) -> int:
        return sum(row is not None and not row.over for tile in list(self._tiles) for row in tile.rows)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed or self._waiting or self._scorings or self._tiles)
                if self._waiting and not self._tiles:
                    self._news.wait_for(self._has_enough, GATHERING_S)
                if self._closed:
                    break
            try:
                self._round()
            except Exception as error:  # out of memory, for example: these answers are lost, but no later ones
                log.exception("The engine failed; all answers in the making are lost")
                self._fail(error)
        self._fail(StoppedError("the server is stopping"))

    def _has_enough(self) -> bool:
        return self._closed or len(self._waiting) >= min(self._computer.tile, self._rows)

    def _fail(self, error: Exception) -> None:
        with self._news:
            rows = [row for tile in self._tiles for row in tile.rows if row and not row.over]
            rows += self._waiting
            scorings = list(self._scorings)
            self._tiles, self._rounds = [], 0
            self._waiting.clear()
            self._scorings.clear()
        for row in rows:
            row.fail(error)
        for scoring in scorings:
            if scoring.result.set_running_or_notify_cancel():
                scoring.result.set_exception(error)

    def _round(self) -> None:
        """Start waiting rows, score what waits, and give each row its next tokens."""
        for tile in self._tiles:
            tile.drop_finished()
        if rows := self._next_rows():
            self._start(rows)
        self._score()
        for tile in list(self._tiles):
            self._advance(tile)
        with self._news:
            self._tiles = [tile for tile in self._tiles if any(tile.rows)]

    def _next_rows(self) -> list[Row]:
        """The longest waiting row with others of its bucket, at most a tile; none yet if more may soon join them."""
        with self._news:
            self._waiting = deque(row for row in self._waiting if not row.cancelled)
            running = self._running()
            most = min(self._computer.tile, self._rows - running)
            if not self._waiting or most < 1:
                return []
            bucket = self._waiting[0].prompt_bucket
            rows = [row for row in self._waiting if row.prompt_bucket == bucket][:most]
            if running and len(rows) < most and self._rounds < PATIENCE:
                self._rounds += 1
                return []
            self._rounds = 0
            chosen = set(map(id, rows))
            self._waiting = deque(row for row in self._waiting if id(row) not in chosen)
        return rows

    def _start(self, rows: list[Row]) -> None:
        try:
            tokens, cache = self._computer.start(rows)
        except Exception as error:
            for row in rows:
                row.fail(error)
            raise
        for row, token in zip(rows, tokens.tolist(), strict=False):
            row.advance(self.codec, [token])
        self._place(cache, [(place, row) for place, row in enumerate(rows) if not row.over])

    def _place(self, cache: Cache, rows: list[tuple[int, Row]]) -> None:
        """Put rows, which stand at these places of `cache`, into tiles of their capacities."""
        for capacity in sorted({row.capacity for _, row in rows}):
            left = [(place, row) for place, row in rows if row.capacity == capacity]
            while left:
                tile = next((tile for tile in self._tiles if tile.capacity == capacity and tile.free()), None)
                if tile is None:
                    tile = Tile(self._computer, capacity)
                    with self._news:
                        self._tiles.append(tile)
                now, left = left[: len(tile.free())], left[len(tile.free()) :]
                tile.put([row for _, row in now], cache, [place for place, _ in now])

    def _advance(self, tile: Tile) -> None:
        tile.drop_finished()
        if outgrown := tile.outgrown():
            for place, _ in outgrown:
                tile.rows[place] = None
            self._place(tile.cache, outgrown)
        if any(tile.rows):
            for row, tokens in tile.advance():
                row.advance(self.codec, tokens)

    def _score(self) -> None:
        """A tile of scorings."""
        with self._news:
            if not self._scorings:
                return
            program = self._scorings[0].program(self.context_length)
            jobs = [job for job in self._scorings if job.program(self.context_length) == program]
            jobs = jobs[: self._computer.tile]
            self._scorings = deque(job for job in self._scorings if job not in jobs)
        jobs = [job for job in jobs if job.result.set_running_or_notify_cancel()]
        try:
            if jobs:
                score(self._computer, jobs, program)
        except Exception as error:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception(error)
            raise
