"""vLLM beside JAX on one model folder: `make serve`, then `python benchmarks/serve.py [FOLDER] [CONTEXT]`.

Greedy answers in float32 are equal, log-probabilities within 1e-4, and the server answers a chat request through the
folder's template. Exits with status 1 where they differ.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
PROMPTS = ["def add(a, b):\n", "Question: How many eggs are in 3 boxes of 12?\nAnswer:", "The city of", "class Point:"]
TOLERANCE = 1e-4


def main(folder: Path, context: int) -> int:
    from lemur.pipeline.environment import apply_numerics
    from lemur.pipeline.files import ENVIRONMENT, read_yaml

    apply_numerics(read_yaml(ENVIRONMENT)["numerics"])
    from lemur.inference.jax_model import JaxModel
    from lemur.inference.text import TextCodec
    from lemur.inference.vllm_model import VllmModel

    codec = TextCodec(folder, bos=True)
    ours, theirs = JaxModel.load(folder, tile=4, bos=True, context=context), VllmModel(codec, context)
    message = {"role": "user", "content": "Write a Python function that adds two numbers."}
    prompts = [*PROMPTS, *([codec.chat_prompt([message], "")] if codec.chat_template else [])]
    answers = [model.generate(prompts, max_new_tokens=24, stop=["\n\n"]) for model in (ours, theirs)]
    same = sum(a == b for a, b in zip(*answers, strict=True))
    requests = [(prompt, text) for prompt in prompts for text in (" A", " two words")]
    scores = [model.loglikelihood(requests) for model in (ours, theirs)]
    pairs = [
        pair for a, b in zip(*scores, strict=True) for pair in zip(a.token_logprobs, b.token_logprobs, strict=True)
    ]
    largest = max(abs(a - b) for a, b in pairs)
    print(f"greedy answers: {same} of {len(prompts)} equal; largest difference of a log-probability: {largest:.1e}")
    if codec.chat_template:
        body = {"model": theirs.served, "messages": [message], "max_tokens": 16, "temperature": 0}
        print("chat:", theirs._server.ask("POST", "/chat/completions", body)["choices"][0]["message"]["content"])
    theirs.close()
    return int(same < len(prompts) or largest > TOLERANCE)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "models/lemur_chat"
    sys.exit(main(place, int(sys.argv[2]) if len(sys.argv) > 2 else 512))
