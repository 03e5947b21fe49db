"""Names that the shell completes, read from the checkout's files when Tab is pressed; none if a file is unreadable."""

from typing import Any

import typer

TRAININGS = ("base_model", "continued_pretraining", "instruction_tuning")


def scales() -> list[str]:
    from lemur.core.scales import names

    return names()


def stages() -> list[str]:
    """Names as DVC gives them: `clean_corpus`, `fetch@oasst1`."""
    from lemur.core.parameter_blocks import variants

    return [
        f"{name}@{value}" if value else name
        for name, entry in _entries().items()
        for _, value in variants(entry, _params())
    ]


def stages_or_data() -> list[str]:
    return ["data", *stages()]


def stage_modules() -> list[str]:
    """`FOLDER.STAGE` of every stage."""
    from lemur.core.parameter_blocks import stage_of

    return sorted({stage_of(entry["cmd"]) for entry in _entries().values()})


def benchmarks(incomplete: str) -> list[str]:
    """Benchmarks after the ones that the list already has: `mmlu,gs` becomes `mmlu,gsm8k`."""
    from lemur.any_model.benchmarks import benchmarks

    before, comma, _ = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in benchmarks({"stages": _entries()}) if name not in given]


def blocks() -> list[str]:
    from lemur.core.parameter_blocks import own_blocks

    return sorted(own_blocks(_params(), {"stages": _entries()}))


def sources() -> list[str]:
    from lemur.core.files import ROOT

    return sorted(path.parent.name for path in (ROOT / "data/sources").glob("*/manifest.yaml"))


def places(ctx: typer.Context) -> list[str]:
    """The places of the source that the command line names."""
    from lemur.core.files import ROOT

    return list(_read(ROOT / "data/sources" / str(ctx.params.get("source")) / "manifest.yaml").get("places", {}))


def outputs() -> list[str]:
    from lemur.core.parameter_blocks import outputs

    return outputs(_params(), {"stages": _entries()})


def trainings() -> list[str]:
    return list(TRAININGS)


def machines() -> list[str]:
    from lemur.planning.machines import MACHINES

    return list(MACHINES)


def _entries() -> dict[str, Any]:
    from lemur.core.files import DAG

    return dict(_read(DAG).get("stages", {}))


def _params() -> dict[str, Any]:
    from lemur.core.files import PARAMS

    return _read(PARAMS)


def _read(path: Any) -> dict[str, Any]:
    from lemur.core.files import read_yaml

    try:
        return dict(read_yaml(path))
    except SystemExit:
        return {}
