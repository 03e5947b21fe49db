"""The file that every reader of a tokenizer or model folder needs."""

from pathlib import Path

CONVERT = "from transformers import AutoTokenizer as T; T.from_pretrained({0!r}).save_pretrained({0!r})"


def tokenizer_json(folder: Path) -> Path:
    """The folder's tokenizer.json. Raises `FileNotFoundError` that says how to get one."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return path
    if (folder / "tokenizer.model").is_file():
        command = CONVERT.format(str(folder))
        raise FileNotFoundError(f'{folder} has only tokenizer.model; write its tokenizer.json: python -c "{command}"')
    raise FileNotFoundError(f"{path} is missing, so {folder} is not a model folder; build it with: dvc repro")
