"""What `snakemake --report` shows of reports/summary/: the title and category of each table and picture."""

from typing import Any

from snakemake.io import report

FOLDER = "reports/summary/"
CAPTIONS = "src/lemur/pipeline/build/report_captions/summary.rst"
"""Snakemake allows one caption file per output: it has the captions of all results."""

DATA, TRAINING, BENCHMARKS, AGENTS = "Training data", "Training", "Text and code benchmarks", "Language agents"
RESULTS = {
    "report": ("The whole report", "Report"),
    "table1": ("Table 1: instruction data", DATA),
    "funnel": ("Instruction data: what became of each source", DATA),
    "funnel_rules": ("Instruction data: what each rule dropped", DATA),
    "table8": ("Table 8: pre-training corpus", DATA),
    "base_mixture": ("The base model's mixture", DATA),
    "planted_duplicates": ("Planted duplicates", DATA),
    "contamination": ("Benchmarks kept out of the training data", DATA),
    "counts": ("What each stage kept", DATA),
    "curves": ("Training curves", TRAINING),
    "bits_per_byte": ("Bits per byte", TRAINING),
    "table3": ("Table 3: text and code benchmarks", BENCHMARKS),
    "table3_ours": ("Table 3: our scores in detail", BENCHMARKS),
    "differences": ("Differences between our models", BENCHMARKS),
    "spider": ("Spider by hardness", BENCHMARKS),
    "table4": ("Table 4: reasoning with tools", AGENTS),
    "table5": ("Table 5: self-debugging with the environment's feedback", AGENTS),
    "figure4": ("Figure 4: IC-SQL by turns", AGENTS),
    "table6": ("Table 6: with a teacher's feedback", AGENTS),
    "table7": ("Table 7: partially observable environments", AGENTS),
    "turns": ("Success by the number of turns", AGENTS),
}
KINDS = {"csv": "table", "png": "picture", "html": "page"}


def in_report(folder: Any) -> Any:
    """The output with Snakemake's flag that shows its files in the report."""
    return report(
        folder,
        patterns=[f"{{result,{'|'.join(RESULTS)}}}.{{kind,{'|'.join(KINDS)}}}"],
        caption=CAPTIONS,
        category=lambda wildcards: RESULTS[wildcards.result][1],
        labels=lambda wildcards: {"Result": RESULTS[wildcards.result][0], "Kind": KINDS[wildcards.kind]},
    )
