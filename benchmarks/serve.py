"""Compares vLLM with JAX on model folders.

    make serve
    python benchmarks/serve.py [--context TOKENS] [FOLDER...]

Greedy answers in float32 must be equal, log-probabilities within 1e-4, and a chat request must get the same answer as
its prompt here. A folder without a chat template borrows the one of models/lemur_chat. Exits with status 1 if they
differ.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
CHAT = ROOT / "models/lemur_chat"
PROMPTS = [
    "def add(a, b):\n",
    "Question: How many eggs are in 3 boxes of 12?\nAnswer:",
    "The city of",
    "class Point:",
    "import numpy as np\n\n\ndef mean_of_rows(table):\n",
    "SELECT name FROM",
    "Once upon a time there was a",
    "#include <stdio.h>\n\nint main(",
]
MESSAGES = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
NEW_TOKENS = 48
TOLERANCE = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=[CHAT])
    parser.add_argument("--context", type=int, default=512)
    arguments = parser.parse_args()
    from lemur.core.numerics import apply_profile

    apply_profile()
    return max([compare(folder, arguments.context) for folder in arguments.folders])


def compare(folder: Path, context: int) -> int:
    from lemur.inference.text import TextCodec

    if TextCodec(folder, bos=True).chat_template is not None:
        return compare_chat(folder, context, "its own template")
    template = TextCodec(CHAT, bos=True).chat_template
    with tempfile.TemporaryDirectory() as scratch:
        with_template = Path(scratch, folder.resolve().name)
        with_template.mkdir()
        for file in folder.iterdir():
            (with_template / file.name).symlink_to(file.resolve())
        (with_template / "chat_template.jinja").write_text(str(template), encoding="utf-8")
        return compare_chat(with_template, context, f"the template of {CHAT.relative_to(ROOT)}")


def compare_chat(folder: Path, context: int, template: str) -> int:
    from lemur.inference.jax_model import JaxModel
    from lemur.inference.text import TextCodec
    from lemur.inference.vllm_model import VllmModel

    codec = TextCodec(folder, bos=True)
    ours, theirs = JaxModel.load(folder, tile=len(PROMPTS) + 1, bos=True, context=context), VllmModel(codec, context)
    prompts = [*PROMPTS, codec.chat_prompt(MESSAGES, "")]
    answers = [model.generate(prompts, max_new_tokens=NEW_TOKENS, stop=["\n\n\n"]) for model in (ours, theirs)]
    different = [prompt for prompt, a, b in zip(prompts, *answers, strict=True) if a != b]
    requests = [(prompt, text) for prompt in prompts for text in (" A", " two words")]
    # Score the answers too: where two texts diverge, the gap of the log-probabilities shows whether it was a near tie.
    requests += [(prompt, answer.text) for prompt, answer in zip(prompts, answers[0], strict=True) if answer.text]
    scores = [model.loglikelihood(requests) for model in (ours, theirs)]
    pairs = [
        pair for a, b in zip(*scores, strict=True) for pair in zip(a.token_logprobs, b.token_logprobs, strict=True)
    ]
    largest = max(abs(a - b) for a, b in pairs)
    body = {
        "model": theirs.served,
        "messages": MESSAGES,
        "max_tokens": NEW_TOKENS,
        "temperature": 0,
        "stop": ["\n\n\n"],
    }
    reply = theirs._server.ask("POST", "/chat/completions", body)["choices"][0]["message"]["content"]
    theirs.close()
    print(f"{folder.name} ({sum(answer.tokens for answer in answers[0])} tokens generated, {len(pairs)} scored)")
    print(f"  greedy answers: {len(prompts) - len(different)} of {len(prompts)} equal {different or ''}")
    print(f"  largest difference of a log-probability: {largest:.1e} (allowed: {TOLERANCE})")
    print(f"  chat through {template}: {reply!r}, {'as' if reply == answers[0][-1].text else 'NOT as'} here")
    return int(bool(different) or largest > TOLERANCE or reply != answers[0][-1].text)


if __name__ == "__main__":
    sys.exit(main())
