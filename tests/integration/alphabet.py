"""A decoder of 250 KB that continues the alphabet, as model servers take it, made with nothing but Python."""

from __future__ import annotations

import array
import json
import random
import struct
from pathlib import Path
from typing import Any

_HIDDEN, _WIDE, _HEADS = 64, 64, 2
_TOKENS = 258
"""One for each byte, and two that mark the beginning and the end of a text."""

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "bos_token_id": 256,
    "eos_token_id": 257,
    "hidden_act": "silu",
    "hidden_size": _HIDDEN,
    "intermediate_size": _WIDE,
    "max_position_embeddings": 64,
    "num_attention_heads": _HEADS,
    "num_hidden_layers": 1,
    "num_key_value_heads": _HEADS,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "vocab_size": _TOKENS,
}

_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def alphabet(folder: Path, **config: Any) -> Path:
    """The model in ``folder``; ``config`` is what config.json has otherwise than CONFIG."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "chat_template": _TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "model.safetensors").write_bytes(_safetensors(_weights()))
    return folder


def _weights() -> dict[str, list[list[float]]]:
    """Each token's output row is the input row of the token before it: the likeliest next byte is the one that follows,
    by a distance that no rounding bridges. The layer between is at work, too weak to change that."""
    chance = random.Random(0)
    faces = [[chance.choice((-1.0, 1.0)) for _ in range(_HIDDEN)] for _ in range(_TOKENS)]

    def weak(rows: int, columns: int) -> list[list[float]]:
        return [[chance.uniform(-0.02, 0.02) for _ in range(columns)] for _ in range(rows)]

    ones = [[1.0] * _HIDDEN]
    layer = "model.layers.0."
    return {
        "model.embed_tokens.weight": faces,
        **{f"{layer}self_attn.{name}_proj.weight": weak(_HIDDEN, _HIDDEN) for name in "qkvo"},
        f"{layer}mlp.gate_proj.weight": weak(_WIDE, _HIDDEN),
        f"{layer}mlp.up_proj.weight": weak(_WIDE, _HIDDEN),
        f"{layer}mlp.down_proj.weight": weak(_HIDDEN, _WIDE),
        f"{layer}input_layernorm.weight": ones,
        f"{layer}post_attention_layernorm.weight": ones,
        "model.norm.weight": ones,
        "lm_head.weight": [faces[-1], *faces[:-1]],
    }


def _safetensors(weights: dict[str, list[list[float]]]) -> bytes:
    """The format: the header's length, the header in JSON, the numbers. A norm's one row is a vector."""
    header: dict[str, Any] = {}
    numbers = array.array("f")
    for name, rows in weights.items():
        shape = [len(rows), len(rows[0])] if len(rows) > 1 else [len(rows[0])]
        start = 4 * len(numbers)
        numbers.extend(number for row in rows for number in row)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, 4 * len(numbers)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + numbers.tobytes()


def _tokenizer() -> dict[str, Any]:
    """A token for each byte, spelled as byte-level BPE does: what is not printable as a character from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    letters = [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 256, "content": "<s>", **special}, {"id": 257, "content": "</s>", **special}],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {letter: number for number, letter in enumerate([*letters, "<s>", "</s>"])},
            "merges": [],
        },
    }
