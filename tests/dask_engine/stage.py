"""A stage of several seconds on real texts, started with its real command."""

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.corpus.builders import corpus, document, fetched, jsonl
from tests.dask_engine.cluster import ROOT


class Stage:
    """decontaminate_corpus on this project's own texts, by its real command."""

    def __init__(self, folder: Path, *, shards: int, shard_bytes: int) -> None:
        """Writes documents of two sources, each in `shards` shards, and a benchmark with parts of some of them."""
        self.folder = folder
        generator = random.Random(0)
        texts = [path.read_text("utf-8") for place in ("docs", "src") for path in sorted((ROOT / place).rglob("*.??"))]
        lines = [line for text in texts for line in text.splitlines() if len(line) > 40]
        documents = [
            document("python" if number // shards % 2 else "books", "\n".join(generator.choices(lines, k=60)))
            for number in range(2 * shards * shard_bytes // 5000)
        ]
        corpus(folder / "documents", documents, shards)
        questions = [{"question": " ".join(generator.choices(lines, k=3)), "answer": "#### 1"} for _ in range(300)]
        questions += [{"question": generator.choice(documents)["text"][:400], "answer": "#### 1"} for _ in range(30)]
        fetched(folder / "raw" / "gsm8k", {"test.jsonl": (jsonl(*questions), "gsm8k", "MIT", {})})

    def command(self, name: str) -> list[str]:
        """The stage's command; its outputs are `kept`, `rejects` and `report.json` in the folder `name`."""
        out = self.folder / name
        inputs = [f"documents={self.folder / 'documents'}", f"benchmarks={self.folder / 'raw'}"]
        outputs = [f"kept={out / 'kept'}", f"rejects={out / 'rejects'}", f"report={out / 'report.json'}"]
        return [sys.executable, "-m", "lemur", "run", "corpus.decontaminate_corpus", *inputs, *outputs]

    def start(self, engine: str, name: str) -> subprocess.Popen[str]:
        variables = {**os.environ, "PYTHONPATH": "src", "LEMUR_ENGINE": engine, "LEMUR_WORKERS": "2"}
        command = self.command(name)
        return subprocess.Popen(
            command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8"
        )
