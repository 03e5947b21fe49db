"""The sources that training data is compared with."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))


def benchmark_sources() -> list[str]:
    """Names of the sources of kind `benchmark`, which are the inputs of decontamination in dvc.yaml."""
    from lemur.corpus.decontaminate_corpus import READS
    from lemur.sources.manifest import read

    folders = [path.parent for path in sorted((ROOT / "data/sources").glob("*/manifest.yaml"))]
    return [folder.name for folder in folders if read(folder).kind == READS]
