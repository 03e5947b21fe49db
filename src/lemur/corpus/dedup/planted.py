"""Measures `dedup_corpus`'s precision and recall on copies planted among documents of the corpus itself.

Each document gets copies changed in known ways, which are duplicates, and one text that is not a duplicate: its first
half with another document's second half.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from textwrap import fill

from lemur.core.parallel import Pool
from lemur.core.records import Record
from lemur.corpus.dedup.duplicates import Duplicates
from lemur.corpus.dedup.renaming import KEYWORDS, strip_licence
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.documents import documents_writer
from lemur.corpus.sources import SOURCES, group

NOT_A_COPY = "half_of_another"
_WORD = re.compile(r"\b[^\W\d]\w*")
_COMMENT = {"sql": "--", "c": "//", "cpp": "//", "java": "//", "javascript": "//", "php": "//"}
_HEADER = """Copyright (c) 2019 The Example Authors. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
conditions of the licence are met. This software is provided "as is", without warranty of any kind, express or implied,
including but not limited to the warranties of merchantability, fitness for a particular purpose and noninfringement.
In no event shall the authors be liable for any claim, damages or other liability arising from the software."""


def evaluate(documents: Sequence[Record], settings: Settings, scratch: Path, pool: Pool) -> Record:
    """Recall of each kind of copy, precision over all joined pairs, and the number of texts joined wrongly."""
    planted = list(_planted(documents, settings.seed))
    with documents_writer(scratch / "documents") as write:
        for number, (source, text, *_) in enumerate(planted):
            write({"id": f"{number:08d}", "source": source, "text": text})
    (scratch / "search").mkdir()
    duplicates = Duplicates(scratch / "documents", settings, scratch / "search", pool)
    joined: Counter[str] = Counter()
    right = wrong = 0
    roots: dict[int, int] = {}
    for cluster in duplicates.clusters():
        members = [int(member["id"]) for member in (cluster["kept"], *cluster["members"])]
        roots.update(dict.fromkeys(members, members[0]))
        same = sum(planted[a][3] == planted[b][3] for a, b in combinations(members, 2))
        right += same
        wrong += len(members) * (len(members) - 1) // 2 - same
    all_kinds = Counter(kind for _, _, kind, _ in planted)
    originals = {origin: number for number, (_, _, kind, origin) in enumerate(planted) if kind == "original"}
    for number, (_, _, kind, origin) in enumerate(planted):
        if kind == NOT_A_COPY:
            joined[kind] += number in roots
        elif kind != "original" and number in roots:
            joined[kind] += roots[number] == roots.get(originals[origin])
    copies = {
        kind: {"planted": count, "found": joined[kind], "recall": round(joined[kind] / count, 4)}
        for kind, count in sorted(all_kinds.items())
        if kind not in ("original", NOT_A_COPY)
    }
    total = sum(row["planted"] for row in copies.values())
    return {
        "documents": len(documents),
        "copies": copies,
        "recall": round(sum(row["found"] for row in copies.values()) / total, 4) if total else None,
        "others": {NOT_A_COPY: {"planted": all_kinds[NOT_A_COPY], "joined": joined[NOT_A_COPY]}},
        "precision": round(right / (right + wrong), 4) if right + wrong else None,
    }


def _planted(documents: Sequence[Record], seed: int) -> Iterator[tuple[str, str, str, int]]:
    """(source, text, kind, origin): each document, its copies, and mixtures that are no copy. `origin` is the
    document's number, negative and unique for a mixture."""
    halves: defaultdict[str, list[str]] = defaultdict(list)
    for number, record in enumerate(documents):
        source, text = record["source"], record["text"]
        generator = Random(f"{seed}:{record['id']}")
        yield source, text, "original", number
        yield source, text, "exact", number
        is_code = group(source) == "code"
        yield source, _reformatted(text, is_code), "reformatted", number
        yield source, _edited(text, generator), "one_word_of_forty_changed", number
        if is_code:
            yield source, _with_header(text, source), "licence_header_changed", number
            yield source, renamed(text, generator), "identifiers_renamed", number
        # A licence can fill more than half of a short file; the mixture would then equal the other document.
        halves[source].append(strip_licence(text) if is_code else text)
    for source in sorted(halves, key=SOURCES.index):
        texts = halves[source]
        for number in range(len(texts) if len(texts) > 1 else 0):
            other = texts[(number + 1) % len(texts)]
            mixed = texts[number][: len(texts[number]) // 2] + other[len(other) // 2 :]
            yield source, mixed, NOT_A_COPY, -1 - number - SOURCES.index(source) * len(documents)


def _reformatted(text: str, is_code: bool) -> str:
    """Code with other quotes, indentation and brace style; prose with other line breaks and quotes."""
    if not is_code:
        return "\n\n".join(fill(part, 60) for part in text.replace('"', "'").split("\n\n")) + "\n"
    lines = (
        re.sub(r"^( +)", lambda match: match[1] * 2, line)
        for line in text.replace("\t", "  ").replace("'", '"').split("\n")
    )
    return "\n".join(lines).replace(" {\n", "\n{\n")


def _edited(text: str, generator: Random) -> str:
    return _WORD.sub(lambda match: "changed" if generator.random() < 1 / 40 else match[0], text)


def _with_header(text: str, source: str) -> str:
    prefix = _COMMENT.get(source, "#")
    header = "".join(f"{prefix} {line}".rstrip() + "\n" for line in _HEADER.splitlines())
    return f"<?php\n{header}{text.removeprefix('<?php')}" if source == "php" else header + text


def renamed(text: str, generator: Random) -> str:
    """`text` with each name that occurs at least twice and is not a keyword replaced by a new one."""
    counts = Counter(_WORD.findall(text))
    names = {name: f"{generator.choice('abcdefgh')}{number}" for number, name in enumerate(sorted(counts))}
    return _WORD.sub(
        lambda match: names[match[0]] if counts[match[0]] > 1 and match[0].casefold() not in KEYWORDS else match[0],
        text,
    )
