"""Stage `baselines`: the scores of the reference answers and of the best constant answer, without a model."""

import logging
from pathlib import Path
from types import ModuleType

from lemur.core.files import read_yaml
from lemur.core.params import StageParams
from lemur.core.records import Record, write_json
from lemur.evaluation import bbh, ds1000, gsm8k, humaneval, mbpp, mmlu, multipl_e, spider
from lemur.evaluation.comparing.baseline import baseline
from lemur.evaluation.harness.parameters import ProgramParams

log = logging.getLogger(__name__)
GREEDY: Record = {"samples": 1, "k": [1], "temperature": 0.0}
"""A fixed answer is drawn once."""


class Params(StageParams):
    """Those of the benchmarks."""


def baselines(
    params: Params,
    parameters: Path,
    mmlu_items: Path,
    bbh_items: Path,
    gsm8k_items: Path,
    humaneval_items: Path,
    mbpp_items: Path,
    spider_items: Path,
    multipl_e_items: Path,
    ds1000_items: Path,
    requirements: Path,
    *,
    result: Path,
) -> None:
    """`parameters`: params.yaml, of which the benchmarks' blocks count; `requirements`: as for `ds1000`."""
    blocks = read_yaml(parameters)
    scores = {
        "mmlu": _baseline(mmlu, blocks, mmlu_items),
        "bbh": _baseline(bbh, blocks, bbh_items),
        "gsm8k": _baseline(gsm8k, blocks, gsm8k_items),
        "humaneval": _baseline(humaneval, blocks, humaneval_items),
        "mbpp": _baseline(mbpp, blocks, mbpp_items),
        "spider": _baseline(spider, blocks, spider_items),
        "multipl_e": _baseline(multipl_e, blocks, multipl_e_items),
        "ds1000": _baseline(ds1000, blocks, ds1000_items, requirements),
    }
    write_json(result, {"baselines": scores})


def _baseline(module: ModuleType, blocks: Record, *inputs: Path) -> Record:
    name = module.__name__.rpartition(".")[2]
    block = blocks[name]
    if issubclass(module.Params, ProgramParams):
        block = {**block, **GREEDY}
    scores = baseline(module.task(module.Params.model_validate(block), *inputs))
    log.info("%s: %s", name, scores.get("metrics") or scores)
    return scores
