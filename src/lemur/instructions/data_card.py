"""The card of the instruction data set: its contents, sources and terms, and what was left out."""

from collections import Counter

from lemur.core.records import Record
from lemur.decontamination.contamination import not_checked, place_notes
from lemur.instructions.funnel import table as funnel
from lemur.pages.page_parts import Block, Cell, Column, Heading, Table, Text, markdown

NOTES = {
    "sharegpt": "Users' conversations with ChatGPT, shared by them; the service's terms restrict competing use.",
    "chatlogs": "Users' conversations with several services, whose own terms restrict competing use.",
    "openorca": "Answers by GPT-4, whose terms restrict competing use.",
    "evol_code_80k": "Answers by GPT-3.5 and GPT-4, whose terms restrict competing use.",
    "evol_codealpaca": "Answers by GPT-4, whose terms restrict competing use.",
}
"""Terms beyond the licence that apply to a source's original files (place hub)."""

_PLACES = {
    "bundled": "Bundled: a small sample written for this project, not the original data set",
    "mirror": "Mirror: what could be copied freely of the original or in its place; its manifest.yaml says what",
}
"""What a place means for the data set's contents."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def is_non_commercial(licence: str) -> bool:
    """Whether a licence's name says that it is non-commercial: CC-BY-NC-4.0, "non-commercial"."""
    words = licence.lower().replace("-", " ").split()
    return "nc" in words or "noncommercial" in words or ("non" in words and "commercial" in words)


def card(name: str, digest: str, contents: dict[str, Counter[tuple[str, str]]], reports: dict[str, Record]) -> str:
    """Markdown below the YAML header that `datasets` and the hub read. `digest`: end of the Parquet files' names;
    `contents`: numbers of conversations and rounds by (source, licence)."""
    conversations, rounds = contents["conversations"], contents["rounds"]
    total = conversations.total()
    places = reports["normalise"]["places"]
    size = next((label for limit, label in _SIZES if total < limit), "n>1M")
    header = (
        f"---\npretty_name: {name}\nlicense: other\nlanguage: [en]\ntask_categories: [text-generation]\n"
        f"size_categories: [{size}]\nconfigs:\n  - config_name: default\n    data_files:\n"
        f"      - {{split: train, path: data/train-*-{digest}.parquet}}\n---\n\n"
    )
    rows: list[dict[str, Cell]] = [
        {
            "source": source,
            "title": places[source].get("title"),
            "place": places[source]["place"],
            "revision": places[source]["revision"],
            "licence": licence,
            "conversations": count,
            "rounds": rounds[source, licence] / count,
        }
        for (source, licence), count in sorted(conversations.items())
    ]
    columns = [
        Column("source", "Source"),
        Column("title", "Title"),
        Column("place", "Place"),
        Column("revision", "Revision"),
        Column("licence", "Licence"),
        Column("conversations", "Conversations"),
        Column("rounds", "Rounds each"),
    ]
    by_place = {place: sorted({s for s, _ in conversations if places[s]["place"] == place}) for place in _PLACES}
    notes = [f"{note} ({', '.join(by_place[place])})." for place, note in _PLACES.items() if by_place[place]]
    blocks: list[Block] = [
        Heading(name, 1),
        Text(
            "Instruction data made as Lemur-Chat's was (arXiv 2310.06830, appendix A.2.1): the sources below, brought "
            "into one schema, filtered for English, freed of near-duplicates and of what overlaps the benchmarks. "
            f"{total:,} conversations, {rounds.total():,} rounds."
        ),
        Text(
            "Columns: `id` (a hash of source and messages), `source`, `group` (text or code), `licence`, `language` "
            "(the source's own label, if it has one), `messages` (role: system, user or assistant; content)."
        ),
        Heading("Sources and licences"),
        Table(columns, rows, notes),
        Text(_terms(conversations, {source for source, _ in conversations if places[source]["place"] == "hub"})),
        Heading("What was left out"),
        funnel(reports),
        Text(_overlaps(reports["mix_instructions"])),
    ]
    return header + markdown(blocks)


def _terms(conversations: Counter[tuple[str, str]], original: set[str]) -> str:
    restricted = sorted((source, licence) for source, licence in conversations if is_non_commercial(licence))
    count = sum(conversations[key] for key in restricted)
    named = "; ".join(f"`{source}` ({licence}, {conversations[source, licence]:,})" for source, licence in restricted)
    first = (
        f"**Not for commercial use**: {count:,} conversations, {named}. A model trained on them inherits these terms; "
        "`licence` tells them apart."
        if restricted
        else "No part's licence forbids commercial use."
    )
    notes = [f"* `{source}`: {NOTES[source]}" for source in sorted(original & NOTES.keys())]
    more = "\n\nBeside the licences:\n\n" + "\n".join(notes) if notes else ""
    return first + more


def _overlaps(report: Record) -> str:
    parts = []
    for name, row in sorted(report["benchmarks"].items()):
        pairs = report["overlaps"]["pairs"].get(name, {})
        removed, reported = pairs.get("removed", 0), pairs.get("reported", 0)
        parts.append(
            f"{name} ({row['place']}, {row['items']:,} items: {removed:,} overlaps removed, {reported:,} only reported)"
        )
    compared = f"the items of {', '.join(parts)}" if parts else "nothing: no benchmark was at hand"
    return "\n\n".join([f"Compared with {compared}.", *place_notes(report), not_checked(report)])
