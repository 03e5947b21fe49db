"""The benchmarks that any model can be asked, as dvc.yaml declares them, and their parameters with a user's changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lemur.core.files import DAG, ROOT, read_yaml
from lemur.core.parameter_blocks import bindings, current_blocks, declared_blocks, stage_of
from lemur.core.params import StageParams
from lemur.pipeline.build.explanations import wrong_value
from lemur.pipeline.build.validation import stage_module

ASKED = {"model", "result", "samples"}
"""What the command of a stage names if it asks one model."""


@dataclass(frozen=True)
class Benchmark:
    """`stage`: FOLDER.STAGE; `block`: its own block of params.yaml; `inputs`: its inputs besides the model, by name."""

    name: str
    stage: str
    block: str
    inputs: Mapping[str, Path]

    def run(self, params: StageParams, model: Path, result: Path, samples: Path) -> None:
        """Run the stage's own function."""
        function = getattr(stage_module(self.stage), self.name)
        function(params, model, **self.inputs, result=result, samples=samples)

    def check_inputs(self) -> None:
        """Raises `SystemExit` if the items have not been built."""
        for path in self.inputs.values():
            if not path.exists():
                target = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
                raise SystemExit(
                    f"{self.name}: its items in {target} are missing; build them: snakemake --cores all {target}/"
                )


def benchmarks(dag: Mapping[str, Any] | None = None) -> dict[str, Benchmark]:
    """The stages of dvc.yaml that ask one model and otherwise read nothing that depends on it, by name."""
    found = {}
    for entry in (dag or read_yaml(DAG))["stages"].values():
        paths = bindings(entry["cmd"])
        others = {name: path for name, path in paths.items() if name not in ASKED}
        if paths.keys() >= ASKED and not any("${" in path for path in others.values()):
            stage = stage_of(entry["cmd"])
            name = stage.rpartition(".")[2]
            inputs = {argument: ROOT / path for argument, path in others.items()}
            found[name] = Benchmark(name, stage, declared_blocks(entry)[1], inputs)
    return found


def chosen(names: str) -> list[Benchmark]:
    """The benchmarks of a list such as `mmlu,gsm8k`. Raises `SystemExit` for an unknown one."""
    known = benchmarks()
    words = list(dict.fromkeys(word for word in names.replace(" ", "").split(",") if word))
    for word in words:
        if word not in known:
            raise SystemExit(f"--tasks: {word!r} is no benchmark{alternatives(word, list(known))}")
    if not words:
        raise SystemExit(f"--tasks: no benchmark is named; there are {', '.join(known)}")
    return [known[word] for word in words]


def parameters(
    asked: Sequence[Benchmark], options: Mapping[str, Any], settings: Sequence[str]
) -> dict[str, StageParams]:
    """The parameters of each benchmark: params.yaml, then `options` (option to value; None changes nothing; each holds
    for the benchmarks that have such a parameter), then `settings` (BENCHMARK.KEY=VALUE).

    Raises `SystemExit` for a value that is not allowed, and for an option that no benchmark has."""
    blocks = current_blocks()
    values = {benchmark.name: dict(blocks[benchmark.block] or {}) for benchmark in asked}
    fields = {benchmark.name: stage_module(benchmark.stage).Params.model_fields for benchmark in asked}
    for key, value in options.items():
        having = [name for name in values if key in fields[name]]
        if value is not None and not having:
            raise SystemExit(f"--{key.replace('_', '-')}: {', '.join(values)}: no such parameter")
        for name in having if value is not None else ():
            values[name][key] = value
    for setting in settings:
        name, keys, value = _parsed(setting, list(values))
        block = values[name]
        for key in keys[:-1]:
            block[key] = dict(block.get(key) or {})
            block = block[key]
        block[keys[-1]] = value
    return {benchmark.name: _validated(benchmark, values[benchmark.name]) for benchmark in asked}


def _parsed(setting: str, names: list[str]) -> tuple[str, list[str], Any]:
    key, equals, text = setting.partition("=")
    name, *keys = key.split(".")
    if not equals or not keys or not all(keys):
        raise SystemExit(f"-S {setting}: BENCHMARK.KEY=VALUE is allowed, such as gsm8k.max_new_tokens=256")
    if name not in names:
        raise SystemExit(f"-S {setting}: {name!r} is none of --tasks{alternatives(name, names)}")
    try:
        return name, keys, yaml.safe_load(text)
    except yaml.YAMLError:
        raise SystemExit(f"-S {setting}: {text!r} is no YAML value") from None


def _validated(benchmark: Benchmark, values: Mapping[str, Any]) -> StageParams:
    model = stage_module(benchmark.stage).Params
    try:
        params: StageParams = model.model_validate(values)
    except ValidationError as error:
        raise SystemExit("\n".join(_explained(benchmark.name, problem, model) for problem in error.errors())) from None
    return params


def _explained(name: str, problem: Any, model: type[StageParams]) -> str:
    path = ".".join([name, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"{path}: no such parameter{alternatives(str(problem['loc'][-1]), list(model.model_fields))}"
    return f"{path}: {wrong_value(problem)}"


def alternatives(word: str, known: Sequence[str]) -> str:
    """The known names that are close to a word, else all."""
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(known)}"
