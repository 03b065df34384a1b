#!/usr/bin/env python3
"""Records a small random model of a family as a fixture: `record_family.py CONFIG OUT`.

CONFIG is a config.json of Hugging Face with small numbers. The model is what transformers makes of it, with random weights
that bf16 can hold; OUT gets the checkpoint as the original saves it, and what the original computes with it in f32: logits,
hidden states and what its routers return. Needs torch and transformers; nothing else in this project does.
"""

import argparse
import json
import pathlib
import re
import tempfile

SEQUENCES = 2
ROUTER = re.compile("Router|Gate(?!d)|Gating")  # A gated part is none.


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=40, help="length of each of the two sequences")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--embedding-scale", type=float, default=1.0, help="standard deviation of the embeddings")
    parser.add_argument("--text", default="", help="the part of the model that computes logits, such as language_model; by default, all")
    parser.add_argument("--trust-remote-code", action="store_true", help="CONFIG names code of its own in auto_map")
    return parser.parse_args()


def fill(model, seed, embedding_scale):
    """Random weights of a size that keeps activations near 1. Biases, norms and sinks, too: what is left at its
    initial 0 or 1 is not tested."""
    import torch
    generator = torch.Generator().manual_seed(seed)
    buffers = [(name, buffer) for name, buffer in model.named_buffers() if "bias" in name]
    for name, value in [*model.named_parameters(), *buffers]:
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in name and value.dim() == 1 and "weight" in name:
            made = value.float().mean() + 0.1 * noise
        elif value.dim() <= 1:
            made = 0.1 * noise
        elif "embed" in name:
            made = embedding_scale * noise
        else:
            made = noise * 1.6 / value.shape[-1]**0.5
        value.data.copy_(made.to(torch.bfloat16))


def observed(model, ids):
    """The outputs of a model, and the tensors with a row for each token that its routers return."""
    import torch
    found, hooks = {}, []
    for name, module in model.named_modules():
        kind = type(module).__name__
        if not ROUTER.search(kind) or "Norm" in kind:
            continue

        def hook(module, inputs, outputs, name=name):
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            for i, value in enumerate(outputs):
                if torch.is_tensor(value) and value.numel() and value.numel() % ids.numel() == 0 and value.dim() > 1:
                    value = value.reshape(-1, value.shape[-1])
                    if value.shape[0] == ids.numel():
                        found[f"router.{name}.{i}"] = value if value.dtype.is_floating_point else value.long()

        hooks.append(module.register_forward_hook(hook))
    with torch.no_grad():
        outputs = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    return outputs, found


def error_in_bf16(model, make, text, ids, outputs, routers):
    """How far the original is from itself in bf16: what the test of bf16 measures against."""
    import torch
    narrow = make()
    narrow.load_state_dict(model.state_dict())
    try:
        other, chosen = observed(narrow.to(torch.bfloat16).get_submodule(text), ids)
    except RuntimeError as error:
        print("the original does not run in bf16:", error)
        return {"all": 0.0, "same": 0.0, "tokens": ids.numel(), "tokens_with_same_experts": ids.numel()}
    same = torch.ones(ids.numel(), dtype=torch.bool)
    for name, value in routers.items():
        if not value.dtype.is_floating_point:
            same &= (value.sort(1).values == chosen[name].sort(1).values).all(1)
    expected = outputs.logits.float().reshape(ids.numel(), -1)
    wrong = other.logits.float().reshape(ids.numel(), -1) - expected
    return {"all": (wrong.norm() / expected.norm()).item(),
            "same": (wrong[same].norm() / expected[same].norm()).item(),
            "tokens": ids.numel(), "tokens_with_same_experts": int(same.sum())}


def main():
    import torch
    import transformers
    from safetensors.torch import load_file, save_file
    options = parse()
    given = json.loads(options.config.read_text())
    if options.trust_remote_code:
        config = transformers.AutoConfig.from_pretrained(options.config.parent, trust_remote_code=True)
    else:
        config = transformers.AutoConfig.for_model(**given)

    def make():
        torch.manual_seed(options.seed)
        how = {"attn_implementation": "eager", "dtype": torch.float32}
        if options.trust_remote_code:
            return transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=True, **how).eval()
        # Of architectures, where the configuration has it: not every model is an AutoModelForCausalLM.
        named = [getattr(transformers, name) for name in given.get("architectures", [])]
        factory = named[0]._from_config if named else transformers.AutoModelForCausalLM.from_config
        return factory(config, **how).eval()

    model = make()
    fill(model, options.seed, options.embedding_scale)
    vocabulary = config.get_text_config().vocab_size
    ids = torch.randint(0, vocabulary, (SEQUENCES, options.tokens), generator=torch.Generator().manual_seed(11))
    outputs, routers = observed(model.get_submodule(options.text), ids)
    options.out.mkdir(parents=True, exist_ok=True)
    expected = {"input_ids": ids, "logits": outputs.logits.float()}
    expected |= {f"hidden.{i}": value.float() for i, value in enumerate(outputs.hidden_states)}
    expected |= {name: value.float() if value.dtype.is_floating_point else value for name, value in routers.items()}
    save_file({name: value.clone().contiguous() for name, value in expected.items()},
              options.out / "expected.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = {}
        for part in pathlib.Path(folder).glob("*.safetensors"):
            tensors |= load_file(part)
        saved = json.loads((pathlib.Path(folder) / "config.json").read_text())
    (options.out / "config.json").write_text(json.dumps(saved | {"dtype": "bfloat16"}, indent=1) + "\n")
    save_file({name: value.to(torch.bfloat16).contiguous() for name, value in tensors.items()},
              options.out / "model.safetensors")
    error = error_in_bf16(model, make, options.text, ids, outputs, routers)
    (options.out / "meta.json").write_text(json.dumps({
        "model_type": config.model_type, "transformers": transformers.__version__, "torch": torch.__version__,
        "bf16_of_the_original": error,
        "note": "random weights; expected outputs recorded from the original implementation in float32, eager attention, no cache"},
        indent=1) + "\n")
    print(f"{options.out}: {len(tensors)} tensors, logits of standard deviation {outputs.logits.std().item():.3g}, "
          f"error in bf16 {error['same']:.2e}")


if __name__ == "__main__":
    main()
