"""The commands of the pages that tests/exact/test_docs_commands.py does not run: where they are run instead.

Each has a file of the checkout and words in it that show it. A command that nothing runs has UNTRIED and the reason.
"""

# ruff: noqa: E501
from typing import NamedTuple

UNTRIED = "untried"


class Place(NamedTuple):
    file: str  # or UNTRIED
    words: str  # or the reason


# These pages as a whole, with the files that they say to write.
FOLLOWED = {
    page: Place("tests/exact/test_adding.py", f'follow("{page}", project)')
    for page in ("add_a_benchmark.md", "add_a_source.md", "add_a_stage.md")
}
EXPERIMENT = Place("tests/exact/test_experiments.py", '"dvc", "exp", "run"')
LAUNCH = Place("tests/training/test_launch_profiles.py", '"profiles/tpu_pod/launch"')
SLURM = Place("tests/cluster/test_slurm.py", '"--profile", "profiles/slurm"')
RESOURCES = Place("tests/cluster/test_slurm.py", '"--set-resources", "last:nodes=2"')
EXTRA = Place("tests/cluster/test_slurm.py", "first:slurm_extra='")
SCHEDULER = Place("tests/dask_engine/cluster.py", '["scheduler", "--host", "127.0.0.1"')
WORKER = Place("tests/dask_engine/cluster.py", '["worker", "--host", "127.0.0.1"')
PIN_HUB = Place("tests/sources/test_hub.py", 'pin(source, "hub")')
MIRROR = Place(".ci/mirror", "lemur scale mirror")
STAGES_ONLY = Place("tests/pipeline/test_verify.py", "def test_data_stages_and_order")
PLAN = Place("tests/planning/test_plan.py", "planned = lemur_plan(PAPER)\n")
BUILT_BY_CI = Place(".ci/run", "make reproduce")
LOG = Place(UNTRIED, "does not end; a log exists only where the stage ran")
HOURS = Place(UNTRIED, "half an hour or more")

ELSEWHERE = {
    "make reproduce": BUILT_BY_CI,
    "bin/walk": Place("tests/exact/test_walk.py", 'demo.run("bin/walk"'),
    "make test": Place(".ci/run", "make test\n"),
    "make check": Place(".ci/run", "make check"),
    "snakemake --report FILE.html": Place("tests/pipeline/test_builds.py", '"--report", "page.html"'),
    "make verify": Place("tests/pipeline/test_verify.py", 'verify(built.root, "HEAD", None, '),
    "make test-exact": Place(".ci/run", "make test-exact EXACT="),
    "make agents": Place(".ci/run", "make agents"),
    "make parity && pytest -m parity tests/instructions": Place(".ci/run", "-m parity tests/instructions"),
    "make gpu": Place(UNTRIED, "5 GB; installed once by hand, never used on a GPU"),
    "make small": HOURS,
    "make plan": Place(UNTRIED, "installs 700 MB"),
    "make plan SCALE=small": Place("tests/planning/test_plan.py", 'lemur_plan(ROOT / "scales/small.yaml")'),
    "tail -f logs/base_model.log": LOG,
    "tail -f logs/continued_pretraining.log": LOG,
    "dvc exp run -S continued_pretraining.optimizer.peak_learning_rate=1.0e-3": EXPERIMENT,
    "dvc exp run -S mmlu.shots=3": EXPERIMENT,
    "XLA_PYTHON_CLIENT_PREALLOCATE=false snakemake --cores all": Place(UNTRIED, "needs a GPU"),
    "python benchmarks/gpu.py --out .lemur/gpu": Place(UNTRIED, "needs a GPU"),
    "python benchmarks/gpu.py --device cpu --tiny": Place("tests/test_gpu.py", '"--device=cpu", "--tiny"'),
    "export LEMUR_MIRROR=FOLDER": Place(".ci/mirror", "export LEMUR_MIRROR="),
    "export LEMUR_MIRROR=/data/benchmarks": Place(".ci/mirror", "export LEMUR_MIRROR="),
    "make benchmarks": Place(UNTRIED, "measurements of hours on a quiet machine"),
    "make benchmarks BENCHMARKS=training.py": Place(UNTRIED, "a measurement of minutes on a quiet machine"),
    "make benchmarks BENCHMARKS=pipeline.py": Place(UNTRIED, "a measurement of minutes on a quiet machine"),
    "snakemake --profile profiles/slurm": SLURM,
    "snakemake --profile profiles/slurm --profile profiles/paper": Place(UNTRIED, "needs the paper's cluster"),
    "snakemake --profile profiles/slurm --set-resources clean_corpus:mem_mb=16000 clean_corpus:runtime=5h \\\n"
    "    \"base_model:slurm_extra='--partition=gpu --constraint=h100'\"": EXTRA,
    "snakemake --profile profiles/slurm --set-resources continued_pretraining:nodes=4 instruction_tuning:nodes=4": RESOURCES,
    "LEMUR_LAUNCH=profiles/tpu_pod/launch LEMUR_TPU=NAME snakemake --profile profiles/tpu_pod": LAUNCH,
    "docker build -t lemur . && docker run --rm -it lemur make reproduce": Place(UNTRIED, "needs Docker"),
    "lemur remote ssh://host/srv/lemur": Place("tests/exact/test_remotes.py", 'f"ssh://{'),
    "lemur remote s3://bucket/lemur": Place(
        "tests/store/test_remote.py", 'project.lemur("remote", f"s3://{bucket}/lemur")'
    ),
    "dvc remote modify --local store endpointurl https://s3.example.org": Place(
        "tests/store/test_remote.py", '"endpointurl": store.url'
    ),
    "dvc remote modify --local store access_key_id KEY": Place("tests/store/test_remote.py", '"access_key_id": KEY_ID'),
    "lemur plan-data --calibrate": Place(
        "tests/planning/test_calibration.py", "def test_every_stage_is_measured_on_real_code_and_text"
    ),
    "lemur eval FOLDER --tasks mmlu --backend transformers": Place(
        "tests/any_model/test_evaluate.py", '"--backend", "transformers"'
    ),
    "lemur eval http://127.0.0.1:8000/v1 --tokenizer FOLDER --tasks gsm8k": Place(
        "tests/any_model/test_evaluate.py", 'run(server.url, "--tokenizer", model'
    ),
    "LEMUR_MIRROR=FOLDER python benchmarks/gold.py": Place(UNTRIED, "needs the original files, and most of an hour"),
    "LEMUR_MIRROR=FOLDER make abilities": HOURS,
    "LEMUR_MIRROR=FOLDER python benchmarks/contamination.py": Place(UNTRIED, "needs the original files"),
    "LEMUR_MIRROR=FOLDER pytest -m mirror tests/mirror/test_language.py": Place(
        ".ci/mirror", "pytest -q tests/mirror -m mirror"
    ),
    "for source in oasst1 openorca sharegpt chatlogs evol_code_80k evol_codealpaca verified_python embedding_model; do\n"
    "    lemur pin $source hub\ndone": PIN_HUB,
    "snakemake --cores all --set-threads english_filter=8 -- data/instructions/dataset/ data/instructions/encoded/": Place(
        UNTRIED, "builds the whole instruction data, from original files"
    ),
    "HF_TOKEN=... lemur publish models/lemur_chat --to OWNER/NAME --licence apache-2.0 --yes": Place(
        "tests/publishing/test_publish.py", 'run(model, "--to", "me/tiny", "--yes")'
    ),
    "lemur verify --stages data": STAGES_ONLY,
    "lemur verify --against v1.0": Place("tests/pipeline/test_verify.py", "against=str(other.root)"),
    "lemur verify --built ../other": Place("tests/pipeline/test_verify.py", 'verify(built.root, "HEAD", folder, '),
    "dask scheduler --no-dashboard --scheduler-file .lemur/scheduler.json": SCHEDULER,
    "PYTHONPATH=src dask worker --scheduler-file .lemur/scheduler.json --no-dashboard --nthreads 1 --nworkers 32": WORKER,
    "LEMUR_ENGINE=dask:.lemur/scheduler.json snakemake --cores 1 data/corpus/decontaminated/": Place(
        "tests/dask_engine/test_stages.py", 'on_dask.run("snakemake"'
    ),
    "sbatch --nodes=4 --cpus-per-task=32 --mem=0 profiles/slurm/dask snakemake --cores 1 data/corpus/decontaminated/": Place(
        "tests/cluster/test_dask.py", '"profiles/slurm/dask"'
    ),
    "snakemake --profile profiles/slurm --set-threads decontaminate_corpus=32 \\\n"
    "    --set-resources decontaminate_corpus:nodes=4 \"decontaminate_corpus:slurm_extra='profiles/slurm/dask'\"": Place(
        "tests/cluster/test_dask.py", '"profiles/slurm/dask"'
    ),
    "LEMUR_MIRROR=/data/originals snakemake --cores all data/raw/gsm8k/": MIRROR,
    "lemur pin gsm8k hub": PIN_HUB,
    "lemur plan paper": PLAN,
    "lemur plan paper --mesh search": Place(UNTRIED, "compiles many layouts, for many minutes"),
    "lemur plan paper --stage instruction_tuning --mesh 1x32x1x8 --microbatches 2": Place(
        "tests/planning/test_plan.py", '"--mesh", "1x64x1x4", "--microbatches", "1"'
    ),
    "python bin/code_share.py --shares 0.25 0.5 0.75": HOURS,
}
