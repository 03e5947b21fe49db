"""Run `pin`, `fetch` and `clean` for test_streamed.py, in a process because the hub's client reads HF_ENDPOINT once.

Arguments: SOURCE OUT STEP..."""

import sys
from pathlib import Path

from lemur.core.files import PARAMS, read_yaml
from lemur.corpus.clean_corpus import Params, clean_corpus
from lemur.corpus.sources import SOURCES
from lemur.sources import checksums, streamed
from lemur.sources.fetch import Params as FetchParams
from lemur.sources.fetch import fetch
from lemur.sources.pin import pin
from tests.corpus.builders import fetched

FOLDERS = ("stack", "refinedweb", "wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics")


def main(step: str, source: Path, out: Path) -> None:
    checksums.CHUNK = streamed.BLOCK = 4096
    streamed.PAUSE_S = 0.0
    if step == "pin":
        pin(source, "hub")
    elif step == "fetch":
        (out / "raw").mkdir(exist_ok=True)
        fetch(FetchParams(place="hub"), source, files=out / "raw" / source.name)
    else:
        folders = [out / "raw" / name for name in FOLDERS]
        for folder in folders:
            if folder.name != source.name:
                fetched(folder, {})
        values = {**read_yaml(PARAMS)["clean_corpus"], "max_bytes": dict.fromkeys(SOURCES)}
        target = {"documents": out / "documents", "rejects": out / "rejects", "report": out / "report.json"}
        clean_corpus(Params.model_validate(values), folders, **target)


if __name__ == "__main__":
    for name in sys.argv[3:]:
        main(name, Path(sys.argv[1]), Path(sys.argv[2]))
