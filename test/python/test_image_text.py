"""Language models inside models for images and text (image_text.json): however the checkpoint spells the names of tensors
and stores experts, the same bytes; what is left out is said; what does not fit is refused."""

import json
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, FIXTURES, read_safetensors, write_safetensors


def checkpoint(directory, name, rename=lambda key: key, change=lambda config: None, tensors=lambda all: all):
    """A fixture with its tensors renamed, its configuration and tensors changed."""
    directory.mkdir()
    config = json.loads((FIXTURES / name / "config.json").read_text())
    change(config)
    (directory / "config.json").write_text(json.dumps(config))
    stored = read_safetensors(FIXTURES / name / "model.safetensors")
    # Of bf16, the bits are kept.
    write_safetensors(directory / "model.safetensors", {rename(key): value for key, value in tensors(dict(stored)).items()})
    return directory


def messages(directory, *flags, status=0):
    command = [str(BUILD / "bin" / "moec"), "inspect", str(directory), *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stderr


def logits(artifact):
    return moec.Model(artifact).session(threads=1).step([(0, np.arange(20, dtype=np.int32) * 7 % 90)], rows="all")


def test_what_is_left_out_is_said():
    text = messages(FIXTURES / "llama4-b")
    assert "[MOE0213]" in text
    assert "multi_modal_projector (1 tensor, 3072 bytes), vision_model (25 tensors, 61504 bytes)" in text
    assert "model.layers.*.mlp.experts (" in messages(FIXTURES / "ernie4_5_vl_moe-a")


def test_every_spelling_of_names(compiled, tmp_path):
    """As the original saves the model now, as it did before, and without a prefix."""
    expected = logits(compiled(FIXTURES / "llama4-b", "--dtype", "f32", "--fallback"))
    for i, (model, head) in enumerate([("model.language_model.", "lm_head."), ("model.", "lm_head.")]):
        def rename(key):
            return key.replace("language_model.model.", model).replace("language_model.lm_head.", head)
        renamed = checkpoint(tmp_path / str(i), "llama4-b", rename)
        assert np.array_equal(expected, logits(compiled(renamed, "--dtype", "f32", "--fallback")))


def test_a_language_model_two_objects_deep(compiled, tmp_path):
    """The thinker alone, and as it is published inside of Qwen3-Omni."""
    expected = logits(compiled(FIXTURES / "qwen3_omni_moe-a", "--dtype", "f32", "--fallback"))

    def omni(config):
        thinker = dict(config)
        config.clear()
        config.update(model_type="qwen3_omni_moe", thinker_config=thinker, talker_config={"hidden_size": 8}, enable_audio_output=True)

    def talks(all):
        return {**all, "talker.model.norm.weight": np.ones(8, np.float32)}
    inside = checkpoint(tmp_path / "omni", "qwen3_omni_moe-a", lambda key: key if key.startswith("talker") else f"thinker.{key}", omni, talks)
    text = messages(inside)
    assert "talker (1 tensor, 32 bytes), thinker.audio_tower (" in text and "thinker.visual (" in text
    assert np.array_equal(expected, logits(compiled(inside, "--dtype", "f32", "--fallback")))

    def shallow(config):
        omni(config)
        config["thinker_config"].pop("text_config")
    shallow = checkpoint(tmp_path / "shallow", "qwen3_omni_moe-a", change=shallow)
    assert "thinker_config.text_config is missing" in messages(shallow, status=1)


def turned(all):
    return {key: np.ascontiguousarray(np.swapaxes(value, 1, 2)) if ".mlp.experts." in key else value
            for key, value in all.items()}


def test_experts_may_be_stored_transposed(compiled, tmp_path):
    """As they are published, where the original saves them the other way."""
    expected = logits(compiled(FIXTURES / "qwen3_vl_moe-a", "--dtype", "f32", "--fallback"))
    published = checkpoint(tmp_path / "published", "qwen3_vl_moe-a", tensors=turned)
    assert np.array_equal(expected, logits(compiled(published, "--dtype", "f32", "--fallback")))


def joined(all):
    """Experts in one tensor, gates above ups."""
    kept = {key: value for key, value in all.items() if ".mlp.experts." not in key}
    for layer in {key.split(".mlp.experts.")[0] for key in all.keys() - kept.keys()}:
        def stack(part):
            found = [key for key in all if key.startswith(f"{layer}.mlp.experts.") and part in key]
            return np.stack([all[key] for key in sorted(found, key=lambda key: int(key.split(".")[-3]))])
        kept[f"{layer}.mlp.experts.gate_up_proj"] = np.concatenate([stack("gate_proj"), stack("up_proj")], 1)
        kept[f"{layer}.mlp.experts.down_proj"] = stack("down_proj")
    return kept


def test_experts_may_be_stored_in_one_tensor(compiled, tmp_path):
    expected = logits(compiled(FIXTURES / "glm4v_moe-a", "--dtype", "f32", "--fallback"))
    one = checkpoint(tmp_path / "one", "glm4v_moe-a", tensors=joined)
    assert np.array_equal(expected, logits(compiled(one, "--dtype", "f32", "--fallback")))


def test_the_output_matrix_is_the_embedding_where_the_checkpoint_has_none(tmp_path):
    def without(all):
        return {key: value for key, value in all.items() if "lm_head" not in key}

    def tied(config):
        config["tie_word_embeddings"] = True
        config["text_config"]["tie_word_embeddings"] = False

    messages(checkpoint(tmp_path / "tied", "llama4-b", change=tied, tensors=without))
    text = messages(checkpoint(tmp_path / "untied", "llama4-b", tensors=without), status=1)
    assert "[MOE0106]" in text and "has no lm_head.weight" in text


@pytest.mark.parametrize("change, status, text", [
    (lambda config: config.pop("text_config"), 1, "text_config is missing; it must be the object of the text model"),
    (lambda config: config.update(text_config=3), 1, "text_config must be an object, got 3"),
    (lambda config: config["text_config"].pop("model_type"), 1, "text_config.model_type is missing"),
    (lambda config: config["text_config"].update(model_type="gpt7"), 3, 'text_config.model_type "gpt7" is not supported'),
    (lambda config: config["text_config"].update(model_type="kimi_linear"), 3,
     'text_config.model_type "kimi_linear" is not supported: it needs a delta rule whose decay differs by channel'),
    (lambda config: config.update(model_type="deepseek_v32"), 3,
     'model_type "deepseek_v32" is not supported: it needs attention to positions that an indexer chooses'),
    (lambda config: config["text_config"].update(model_type="llama4"), 3, 'text_config.model_type "llama4" is not supported'),
    (lambda config: config.update(attention_kind="new"), 3, "attention_kind"),
], ids=range(8))
def test_bad_configurations(tmp_path, change, status, text):
    assert text in messages(checkpoint(tmp_path / "model", "llama4-b", change=change), status=status)


def test_files_of_a_user(tmp_path):
    """For the text model in a known larger one; for a larger one around a known text model; for neither."""
    def spec(**fields):
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(fields))
        return "--arch-spec", str(path)

    def inner(config):
        config["text_config"]["model_type"] = "mine"

    def outer(config):
        config["model_type"] = "mine"

    text = checkpoint(tmp_path / "text", "llama4-b", change=inner)
    messages(text, *spec(family="mine", extends="llama4", model_types=["mine"]))
    around = checkpoint(tmp_path / "around", "llama4-b", change=outer)
    messages(around, *spec(extends="image_text", model_types=["mine"]))
    missing = spec(extends="image_text", model_types=["mine"], tensor_names={"model.": ["decoder."]})
    assert "'decoder.embed_tokens.weight'" in messages(around, *missing, status=1)
    for directory, what in ((text, "text_config.model_type"), (around, "model_type")):
        refused = messages(directory, *spec(family="other", extends="llama4", model_types=["other"]), status=1)
        assert f"model_types does not list the {what} \"mine\" of config.json" in refused
    for field, value in (("tensor_names", []), ("tensor_names", {"a": []}), ("tensor_names", {"a": 1}), ("left_out", "a"),
                         ("outer_keys", [1]), ("wraps", 1)):
        refused = messages(around, *spec(**{"extends": "image_text", "model_types": ["mine"], field: value}), status=1)
        assert "[MOE0120]" in refused and f"'{field}'" in refused
