"""Prints the result of `lemur.pipeline.inspect.lineage` as a tree."""

import hashlib
from typing import Any

from lemur.core.records import dump
from lemur.pipeline.artifacts.values import short
from lemur.pipeline.inspect.lineage import CODE

FILES = 4  # at most per source


def lines(lineage: dict[str, Any]) -> list[str]:
    """A lineage as a tree; a stage that was already shown is only named again."""
    out: list[str] = []
    if lineage["on_disk"] != lineage["recorded"]:
        state = f"{short(lineage['on_disk'])} is on disk" if lineage["on_disk"] else "it is not on disk"
        out = [
            f"{lineage['artifact']}: {state}, dvc.lock records {short(lineage['recorded'])} "
            "(`dvc checkout` restores it from the cache; otherwise `lemur pull` or a build does).",
            "The lineage of the recorded one:",
        ]
    shown: set[str] = set()

    def branch(path: str, md5: str, writer: str, first: str, rest: str) -> None:
        out.append(f"{first}{path} {short(md5)} <- {writer}{' (above)' * (writer in shown)}")
        if writer in shown:
            return
        shown.add(writer)
        stage = lineage["stages"][writer]
        data = [dep for dep in stage["deps"] if not dep["path"].startswith(CODE)]
        bar = f"{rest}{'│' if data else ' '}    "
        out.extend(f"{bar}{line}" for line in _facts(stage))
        for dep in data:
            last = dep is data[-1]
            twig, trunk = f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}"
            if dep["from"]:
                branch(dep["path"], dep["md5"], dep["from"], twig, trunk)
                if "newer" in dep:
                    out.append(f"{trunk}  rewritten since ({short(dep['newer'])}): this is the newer one's lineage")
            else:
                source = lineage["sources"].get(dep["path"])
                first_line, *more = _source_lines(source) if source else ["a file of the repository"]
                out.append(f"{twig}{dep['path']} {short(dep['md5'])}: {first_line}")
                out.extend(f"{trunk}  {line}" for line in more)

    branch(lineage["artifact"], lineage["recorded"], lineage["writer"], "", "")
    return out


def _facts(stage: dict[str, Any]) -> list[str]:
    """A hash each for a stage's parameters, environment and code; then the parameters that have changed since."""
    files = dict(stage["params"])
    code = {dep["path"]: dep["md5"] for dep in stage["deps"] if dep["path"].startswith(CODE)}
    facts = [f"{', '.join(blocks)} {_digest(blocks)}" for blocks in [files.pop("params.yaml", None)] if blocks]
    facts += [f"{file} {_digest(values)}" for file, values in files.items()]
    facts += [f"code {_digest(code)}"]
    return ["; ".join(facts), *(f"changed since: {change}" for change in stage["changed_since"])]


def _source_lines(source: dict[str, Any]) -> list[str]:
    texts = [f"place {source['place']}"]
    if "files" in source:
        texts[0] += f", revision {source['revision']}, {source['licence']}"
    texts += ["changed since; this is the current manifest"] * ("changed_since" in source)
    texts += [source["error"]] if "error" in source else []
    files = source.get("files", [])
    texts += [f"{file['path']} sha256 {short(file['sha256'])}, {file['licence']}" for file in files[:FILES]]
    return texts + [f"and {len(files) - FILES} more (--json has all)"] * (len(files) > FILES)


def _digest(value: Any) -> str:
    return hashlib.md5(dump(value).encode()).hexdigest()[:8]
