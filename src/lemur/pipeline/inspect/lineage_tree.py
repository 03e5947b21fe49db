"""A lineage, as `lemur.pipeline.inspect.lineage` finds it, to read."""

import hashlib
from typing import Any

from lemur.core.records import dump
from lemur.pipeline.artifacts.values import short
from lemur.pipeline.inspect.lineage import CODE

FILES = 4  # of one source


def lines(found: dict[str, Any]) -> list[str]:
    """A lineage as a tree to read; what was shown above is named again, not shown again."""
    out: list[str] = []
    if found["on_disk"] != found["recorded"]:
        now = f"{short(found['on_disk'])} is on disk" if found["on_disk"] else "it is not on disk"
        out = [
            f"{found['artifact']}: {now}, dvc.lock records {short(found['recorded'])} "
            "(`dvc checkout` brings it back from the cache, else `lemur pull` or a build).",
            "The lineage of what is recorded:",
        ]
    shown: set[str] = set()

    def branch(path: str, md5: str, writer: str, first: str, rest: str) -> None:
        out.append(f"{first}{path} {short(md5)} <- {writer}{' (above)' * (writer in shown)}")
        if writer in shown:
            return
        shown.add(writer)
        stage = found["stages"][writer]
        data = [dep for dep in stage["deps"] if not dep["path"].startswith(CODE)]
        bar = f"{rest}{'│' if data else ' '}    "
        out.extend(f"{bar}{line}" for line in _facts(stage))
        for dep in data:
            last = dep is data[-1]
            twig, trunk = f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}"
            if dep["from"]:
                branch(dep["path"], dep["md5"], dep["from"], twig, trunk)
                if "newer" in dep:
                    out.append(f"{trunk}  written anew since ({short(dep['newer'])}): this is the newer one's lineage")
            else:
                source = found["sources"].get(dep["path"])
                what, *more = _source_lines(source) if source else ["a file of the repository"]
                out.append(f"{twig}{dep['path']} {short(dep['md5'])}: {what}")
                out.extend(f"{trunk}  {line}" for line in more)

    branch(found["artifact"], found["recorded"], found["writer"], "", "")
    return out


def _facts(stage: dict[str, Any]) -> list[str]:
    """A stage's parameters, environment and code, each by one hash; values that are others now."""
    files = dict(stage["params"])
    code = {dep["path"]: dep["md5"] for dep in stage["deps"] if dep["path"].startswith(CODE)}
    facts = [f"{', '.join(blocks)} {_digest(blocks)}" for blocks in [files.pop("params.yaml", None)] if blocks]
    facts += [f"{file} {_digest(values)}" for file, values in files.items()]
    facts += [f"code {_digest(code)}"]
    return ["; ".join(facts), *(f"since changed: {change}" for change in stage["changed_since"])]


def _source_lines(source: dict[str, Any]) -> list[str]:
    found = [f"place {source['place']}"]
    if "files" in source:
        found[0] += f", revision {source['revision']}, {source['licence']}"
    found += ["changed since; this is what the manifest says now"] * ("changed_since" in source)
    found += [source["error"]] if "error" in source else []
    files = source.get("files", [])
    found += [f"{file['path']} sha256 {short(file['sha256'])}, {file['licence']}" for file in files[:FILES]]
    return found + [f"and {len(files) - FILES} more (--json has all)"] * (len(files) > FILES)


def _digest(value: Any) -> str:
    return hashlib.md5(dump(value).encode()).hexdigest()[:8]
