"""`lemur plan`: its inputs and its output; with libtpu (`pytest -m plan`, after `make plan`) also its compilations."""

import os
import re
import subprocess
import sys

import pytest

from lemur.core.files import ROOT
from lemur.planning.compilation import Compiled, temporary_bytes
from lemur.planning.layouts import layouts
from lemur.planning.machines import GIB, MACHINES
from lemur.planning.plan import plan, text
from lemur.planning.trainings import read_training

PAPER = ROOT / "scales/paper.yaml"
STAGES = ["continued_pretraining"]
OPTIONS = {"machine": "v4-8", "mesh": None, "microbatches": None, "layers": None, "mfu": 0.5, "compile_most": 4}
# XLA's error for the whole batch at once on 1x64x1x4.
TOO_LARGE = (
    "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries (31.43G) exceeds "
    "available HBM (30.75G)."
)


@pytest.fixture(scope="module")
def pretraining():
    return read_training(PAPER, "continued_pretraining")


def test_the_papers_training_is_llama_2_70b_on_four_million_tokens(pretraining):
    from lemur.training.flops import matrix_weights

    config = pretraining.config
    weights = matrix_weights(config) + config.vocab_size * config.hidden_size
    # Llama-2-70B has 68,976,648,192 parameters; its 161 norms of 8192 are in no product.
    assert weights == 68_976_648_192 - (2 * 80 + 1) * 8192
    assert (pretraining.tokens, pretraining.steps, config.num_key_value_heads) == (4 * 2**20, 22500, 8)
    tuning = read_training(PAPER, "instruction_tuning")
    assert (tuning.config.vocab_size, tuning.params.batch_size, tuning.steps) == (32005, 128, None)


def test_scale_small_is_smollm2():
    from lemur.training.flops import matrix_weights

    config = read_training(ROOT / "scales/small.yaml", "continued_pretraining").config
    # SmolLM2-135M has 134,515,008 parameters, with the embedding as output layer and 61 norms of 576.
    assert matrix_weights(config) == 134_515_008 - (2 * 30 + 1) * 576
    assert read_training(ROOT / "scales/small.yaml", "instruction_tuning").config.vocab_size == 49152 + 3


def test_the_papers_mesh_is_a_whole_v4_512(pretraining):
    for training in (pretraining, read_training(PAPER, "instruction_tuning")):
        assert training.params.mesh.devices == 256


def test_a_key_that_is_not_a_parameter_is_named(tmp_path):
    (tmp_path / "odd.yaml").write_text("continued_pretraining: {stepz: 3}", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"odd\.yaml: not in params\.yaml: continued_pretraining\.stepz"):
        read_training(tmp_path / "odd.yaml", "continued_pretraining")


def test_a_scale_is_a_name_or_a_file_and_is_checked_before_libtpu(monkeypatch):
    def no_libtpu(machine):
        raise SystemExit("libtpu")

    monkeypatch.setattr("lemur.planning.plan.devices", no_libtpu)
    with pytest.raises(SystemExit, match=r"'nosuch\.yaml' is neither a file nor a scale; the scales are demo, "):
        plan("nosuch.yaml", STAGES, **OPTIONS)
    for scale in ("paper", str(PAPER)):
        with pytest.raises(SystemExit, match=r"^libtpu$"):
            plan(scale, STAGES, **OPTIONS)


def test_layouts_divide_the_machine_the_batch_and_the_model(pretraining):
    candidates = layouts(pretraining.config, chips=256, batch=1024, length=4096)
    assert len(candidates) > 100
    assert candidates == sorted(candidates, key=lambda layout: layout.sent) and len(set(candidates)) == len(candidates)
    for layout in candidates:
        data, fsdp, sequence, tensor = layout.mesh
        assert data * fsdp * sequence * tensor == 256
        assert 1024 % (data * fsdp * layout.microbatches) == 0
        assert 8 % tensor == 0 and 8192 % (fsdp * sequence) == 0
    # Sixteen bytes per weight on 256 chips are 4.01 GiB; no layout holds less.
    assert min(layout.held for layout in candidates) > 4 * GIB


def test_the_estimate_of_bytes_sent_is_close_to_the_compilers(pretraining):
    compiled = {
        ((1, 128, 1, 2), 2): 604,
        ((1, 64, 2, 2), 2): 622,
        ((1, 32, 4, 2), 2): 651,
        ((2, 64, 1, 2), 2): 730,
        ((2, 32, 2, 2), 2): 745,
        ((1, 64, 1, 4), 2): 960,
        ((1, 64, 1, 4), 4): 1172,
        ((1, 256, 1, 1), 2): 1528,
    }
    candidates = layouts(pretraining.config, chips=256, batch=1024, length=4096)
    estimated = {(layout.mesh, layout.microbatches): layout.sent / GIB for layout in candidates}
    for layout, sent in compiled.items():
        assert estimated[layout] == pytest.approx(sent, rel=0.1), layout


def test_the_printed_plan_adds_up(pretraining):
    training = pretraining.on((1, 64, 1, 4), 4)
    compiled = Compiled(training, 30.0, GIB, 2 * GIB, 0, 17 * GIB, {"all-gather": 600e9, "all-reduce": 90e9})
    printed = text(compiled, MACHINES["v4-512"], 256, 0.5)
    assert "total                                        20.00 GiB" in printed
    assert f"{690e9 / GIB:7.1f} GiB, 2.3 s at 300 GB/s" in printed
    # 22,500 steps of 1.8e18 FLOPs at half of 256 * 275 TFLOP/s.
    assert "51.0 s at an assumed MFU of 50% of 70.4 PFLOP/s" in printed
    assert "22,500 steps, 94.4 billion tokens: 13.3 days" in printed
    # Recomputation takes a third more, so an MFU of 75 % is the maximum.
    assert "out of reach" in text(compiled, MACHINES["v4-512"], 256, 0.8)


def test_a_plan_that_does_not_fit_suggests_changes(pretraining):
    training = pretraining.on((1, 64, 1, 4), 2)
    temporary = temporary_bytes(TOO_LARGE, 3 * GIB)
    assert temporary == int(31.43 * GIB)
    assert temporary_bytes("Used 44.10G of 30.75G hbm.", 3 * GIB) == int(44.10 * GIB) - 3 * GIB
    assert temporary_bytes("something else", 3 * GIB) == 0
    compiled = Compiled(training, 30.0, GIB, 2 * GIB, 0, temporary, {}, error=TOO_LARGE)
    printed = text(compiled, MACHINES["v4-512"], 256, 0.5)
    assert "DOES NOT FIT" in printed and "temporaries (31.43G)" in printed
    assert "microbatches: 4 halves the activations (8 sequences at once now)" in printed


def lemur_plan(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lemur", "plan", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--machine", "v9"], "--machine is 'v9'; v4-512"),
        (["--mesh", "64x4"], "--mesh is '64x4'; four numbers like 1x64x1x4"),
        (["--mesh", "1x2x1x2"], "the mesh 1x2x1x2 has 4 devices, v4-512 256 chips"),
        (["--mesh", "1x16x1x16"], r"tensor is 16, which does not divide num_key_value_heads \(8\)"),
    ],
)
@pytest.mark.plan
def test_impossible_plans_are_refused(arguments, message):
    refused = lemur_plan(PAPER, *arguments)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert re.search(message, refused.stderr), refused.stderr


@pytest.mark.plan
def test_the_demo_fits_four_chips():
    planned = lemur_plan(ROOT / "scales/demo.yaml", "--machine", "v4-8", "--mesh", "1x2x1x2", "--microbatches", "1")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("v4-8: 4 chips, mesh data 1, fsdp 2, sequence 1, tensor 2") == 2
    assert re.search(r"all-gather +0\.\d GiB", planned.stdout)


@pytest.mark.plan
def test_scale_small_fits_one_chip():
    planned = lemur_plan(ROOT / "scales/small.yaml")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("v4-512: 1 of 256 chips, mesh data 1, fsdp 1, sequence 1, tensor 1") == 2
    assert planned.stdout.count("0.1 billion weights, 30 layers, 4915") == 2


@pytest.mark.plan
@pytest.mark.timeout(900)
def test_a_sequence_axis_does_not_gather_the_whole_batch():
    """Four layers of 70B took 122 GiB before weights were gathered (`sharding.gather_weight`)."""
    mesh = ["--mesh", "1x64x2x2", "--microbatches", "2", "--layers", "4"]
    planned = lemur_plan(PAPER, "--stage", "continued_pretraining", *mesh)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert float(re.findall(r"total +(\d+\.\d\d) GiB\n", planned.stdout)[0]) < 12


@pytest.mark.plan
@pytest.mark.timeout(1800)  # two compilations of half a minute on a quiet core
def test_the_papers_trainings_fit_at_full_depth():
    planned = lemur_plan(PAPER)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert planned.stdout.count("69.0 billion weights, 80 layers") == 2
    for total in re.findall(r"total +(\d+\.\d\d) GiB\n", planned.stdout):
        assert 4.01 < float(total) <= 30.75


@pytest.mark.plan
def test_a_step_that_exceeds_a_chips_memory_does_not_fit():
    planned = lemur_plan(PAPER, "--stage", "continued_pretraining", "--mesh", "1x64x1x4", "--microbatches", "1")
    assert planned.returncode == 1
    assert "DOES NOT FIT: RESOURCE_EXHAUSTED" in planned.stdout and "microbatches: 2 halves" in planned.stdout
