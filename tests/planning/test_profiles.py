"""profiles/SCALE: what a scale's stages ask a cluster for, compared with the plans and with the mesh of devices."""

import math
from typing import Any

import pytest
from humanfriendly import parse_timespan

from lemur.core.files import ROOT, SCALES, read_yaml
from lemur.core.scales import blocks, names
from lemur.planning.corpus_hours import CHECKSUMS
from lemur.planning.corpus_stages import MODEL
from lemur.planning.data_plan import plan
from lemur.planning.machines import MACHINES
from lemur.planning.trainings import STAGES, read_training
from lemur.training.flops import flops_per_token
from tests.tools import checkout_dag

PROFILES = [name for name in names() if (ROOT / "profiles" / name).exists()]
NEEDS = {"mem_mb", "runtime", "gpus", "nodes"}  # what profiles/slurm asks for, beside processors
CORES = 64


def profile(scale: str) -> dict[str, Any]:
    return read_yaml(ROOT / "profiles" / scale / "config.yaml")


def resources(scale: str, rule: str) -> dict[str, Any]:
    """What profiles/slurm asks for, for one rule; hours instead of `runtime`."""
    stages = {stage.rule: stage for stage in checkout_dag().stages.values()}
    defaults = dict(item.split("=") for item in profile("slurm")["default-resources"])
    all_of = {"mem_mb": stages[rule].mem_mb, **defaults, **profile(scale)["set-resources"].get(rule, {})}
    runtime = all_of.pop("runtime")
    hours = parse_timespan(runtime) / 3600 if isinstance(runtime, str) and not runtime.isdigit() else int(runtime) / 60
    threads = profile(scale)["set-threads"].get(rule, stages[rule].threads)
    return {**all_of, "hours": hours, "threads": threads, "nodes": int(all_of["nodes"]), "gpus": int(all_of["gpus"])}


def test_the_scales_beyond_the_demos_size_have_a_profile():
    assert PROFILES == ["instructions", "paper", "small"]


@pytest.mark.parametrize("scale", PROFILES)
def test_profiles_name_stages_and_what_slurm_is_asked_for(scale):
    stages = {stage.rule: stage for stage in checkout_dag().stages.values()}
    settings = profile(scale)
    assert settings.keys() == {"set-threads", "set-resources"}
    assert settings["set-threads"].keys() | settings["set-resources"].keys() <= stages.keys()
    for rule, needs in settings["set-resources"].items():
        assert needs.keys() <= NEEDS
        assert needs.get("mem_mb", math.inf) > stages[rule].mem_mb, f"{rule}: dvc.yaml's meta has as much"
    for rule, threads in settings["set-threads"].items():
        assert 1 < threads <= stages[rule].workers


def test_the_papers_corpus_stages_get_twice_the_hours_and_the_memory_of_the_plan():
    rows = plan("paper", cores=CORES, rates=ROOT / "data/paper/corpus_rates.json")["stages"]
    for row in (row for row in rows if row["stage"] != CHECKSUMS):
        rule = row["stage"] if row["stage"] not in ("mix_corpus", "pack_corpus") else f"{row['stage']}_{MODEL}"
        asked = resources("paper", rule)
        assert asked["threads"] == (CORES if row["parallel_hours"] else 1)
        assert 2 * row["hours"] <= asked["hours"] <= 4 * max(row["hours"], 1), rule
        needed = row["driver_mb"] + asked["threads"] * row["worker_mb"]
        assert needed <= asked["mem_mb"] <= max(2.5 * needed, 500), rule


@pytest.mark.parametrize("stage", STAGES)
def test_the_papers_trainings_get_a_gpu_for_each_device_of_the_mesh(stage):
    asked = resources("paper", stage)
    training = read_training(SCALES / "paper.yaml", stage)
    mesh = training.params.mesh
    devices = mesh.data * mesh.fsdp * mesh.sequence * mesh.tensor
    assert asked["nodes"] * asked["gpus"] == devices
    if training.steps:
        flops = flops_per_token(training.config, training.length) * training.tokens * training.steps
        hours = flops / (devices * MACHINES["v4-512"].flops * 0.5) / 3600  # at an MFU of 50 %, as `lemur plan`
        assert 2 * hours <= asked["hours"] <= 2.5 * hours


def test_embedding_on_a_gpu_asks_for_one():
    for scale in names():
        if blocks(scale)["embed_instructions"]["device"] == "cuda":
            assert resources(scale, "embed_instructions")["gpus"] == 1
