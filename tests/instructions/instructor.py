"""A tiny model in the layout of the published INSTRUCTOR models: T5 encoder, mean pooling, dense layer, unit length.

numpy's generator makes its weights, so they are the same with every version of torch."""

import json
from pathlib import Path

import numpy as np

WORDS = ["represent", "the", "instruction", "for", "clustering", "code", "how", "many", "legs", "has", "a", "spider"]
WORDS += ["write", "function", "what", "is", "capital", "of", "france", "please", "somehow"]


def tiny_instructor(folder: Path, *, strip: bool = True) -> Path:
    """A 16-dimensional INSTRUCTOR. `strip=False`: a tokenizer that, unlike T5's, keeps a trailing blank."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    letters = sorted({letter for word in WORDS for letter in word} | set("?.:,xyz"))
    pieces = ["\u2581", *(f"\u2581{word}" for word in sorted(set(WORDS))), *letters]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -float(len(piece) < 3)) for piece in pieces)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    lower = [normalizers.Lowercase()]
    tokenizer.normalizer = normalizers.Sequence([*lower, normalizers.Strip(left=False, right=True)] if strip else lower)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=512,
    ).save_pretrained(folder)
    # transformers 5 writes a class name that the wrapper's transformers 4 does not know.
    config_file = folder / "tokenizer_config.json"
    config_file.write_text(
        config_file.read_text(encoding="utf-8").replace("TokenizersBackend", "PreTrainedTokenizerFast"),
        encoding="utf-8",
    )
    config = T5Config(vocab_size=len(vocabulary), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    model = T5EncoderModel(config)
    generator = np.random.default_rng(7)
    weights = {
        name: torch.from_numpy(generator.normal(scale=0.5, size=tuple(value.shape)).astype(np.float32))
        for name, value in sorted(model.state_dict().items())
        if name != "encoder.embed_tokens.weight"
    }
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "2_Dense").mkdir()
    dense = torch.from_numpy(generator.normal(size=(16, 16)).astype(np.float32))
    torch.save({"linear.weight": dense}, folder / "2_Dense/pytorch_model.bin")
    pooling = {"cls_token": False, "mean_tokens": True, "max_tokens": False, "mean_sqrt_len_tokens": False}
    layout = {
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.2.2"}},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 16,
            **{f"pooling_mode_{mode}": chosen for mode, chosen in pooling.items()},
        },
        "2_Dense/config.json": {
            "in_features": 16,
            "out_features": 16,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(
                [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
            )
        ],
    }
    for name, value in layout.items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder
