"""`lemur publish`: composes what the hub expects of a model, and uploads it if asked to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.publishing import card as cards
from lemur.publishing import folder as folders
from lemur.publishing.facts import facts
from lemur.serving.opening import checked


@dataclass(frozen=True)
class Publication:
    """`folder`: what to upload; `left_out`: what of the model folder is not in it; `warnings`: to look at first."""

    folder: Path
    files: Sequence[Path]
    left_out: Sequence[str]
    warnings: Sequence[str]


def compose(model: Path, to: str | None, licence: str | None, results: Path | None, root: Path) -> Publication:
    """Write `root`/.lemur/publish/NAME. `to`: OWNER/NAME on the hub; `results`: a folder of `lemur eval` to look into
    as well. Raises `SystemExit` if the folder is not a whole model."""
    try:
        checked(model)
        folders.files(model)
        places = [(path, root / "data/eval" / path.name) for path in sorted((root / "reports/eval").glob("*/"))]
        places += [(path, path) for path in sorted((root / ".lemur/eval").glob("*/"))]
        known = facts(model, root, [(results, results), *places] if results else places)
        name = to.rpartition("/")[2] if to else known.name
        target = root / ".lemur" / "publish" / name
        files = folders.compose(model, cards.card(known, model, to or known.name, licence), target)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from None
    warnings = [*folders.faults(model), *cards.warnings(known, licence)]
    return Publication(target, files, folders.left_out(model), warnings)


def lines(publication: Publication) -> list[str]:
    """What would be uploaded."""
    sizes = {path.name: path.stat().st_size for path in publication.files}
    width = max(map(len, sizes))
    text = [
        f"{os.path.relpath(publication.folder)}:",
        *(f"  {name:{width}}  {size:>15,} bytes" for name, size in sizes.items()),
    ]
    text.append(f"  {'in all':{width}}  {sum(sizes.values()):>15,} bytes")
    if publication.left_out:
        text.append(f"Left out: {', '.join(publication.left_out)}")
    return [*text, *(f"Look at this: {warning}" for warning in publication.warnings)]


def check_name(to: str) -> None:
    """Raises `SystemExit` if `to` is no OWNER/NAME that the hub allows."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(to)
    except HFValidationError as error:
        raise SystemExit(f"--to {to}: {error}") from None
    if "/" not in to:
        raise SystemExit(f"--to {to}: OWNER/NAME is allowed, such as me/{to}")


def upload(publication: Publication, to: str) -> str:
    """Create the repository, private if it is new, and upload. Returns the commit's address. The token comes from
    HF_TOKEN and from nowhere else. Raises `SystemExit` with the hub's answer."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    token = os.environ.get("HF_TOKEN")
    if not token:
        raise SystemExit("HF_TOKEN is not set; export a token that may write, from the hub's settings")
    api = HfApi(token=token)
    try:
        api.create_repo(to, private=True, exist_ok=True)
        commit = api.upload_folder(repo_id=to, folder_path=publication.folder, commit_message="Upload by lemur publish")
    except (HfHubHTTPError, ValueError, OSError) as error:
        raise SystemExit(f"{to}: {error}") from None
    return str(commit.commit_url)
