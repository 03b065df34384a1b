"""What a config.json leaves out or spells in another way: the imported module is that of the configuration that says what
the original takes it for, and another one than with a value next to it."""

import copy
import json
import subprocess

import numpy as np
import pytest
from conftest import BUILD, FIXTURES, read_safetensors, text_after, write_safetensors

ROPES = {
    "gpt_oss": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
                "original_max_position_embeddings": 4096},
    "laguna": {"full_attention": {"rope_type": "default", "rope_theta": 500000.0, "partial_rotary_factor": 0.5},
               "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}},
    "gemma4": {"full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0, "partial_rotary_factor": 0.25},
               "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}
# A fixture, a key, what the original takes when it is missing, and another value.
MISSING = [
    ("afmoe-a", "layer_types", ["sliding_attention", "full_attention", "sliding_attention"], ["full_attention"] * 3),
    ("afmoe-a", "sliding_window", 1024, 9),
    ("beam-a", "layer_types", ["sliding_attention", "sliding_attention", "full_attention"], ["full_attention"] * 3),
    ("beam-a", "sliding_window", 512, 9),
    ("beam-a", "final_logit_softcapping", 30.0, None),
    ("cohere2_moe-a", "expert_selection_fn", "softmax", "sigmoid"),
    ("cohere2_moe-a", "norm_topk_prob", True, False),
    ("cohere2_moe-a", "layer_types", ["sliding_attention"] * 3, ["full_attention"] * 3),
    ("cohere2_moe-a", "sliding_window", 4096, 9),
    ("dbrx-a", "ffn_config.moe_normalize_expert_weights", 1.0, None),
    ("deepseek_v3-a", "n_group", 8, 4),
    ("deepseek_v3-a", "topk_group", 4, 2),
    ("dots1-a", "sliding_window", 4096, 9),
    ("exaone_moe-a", "sliding_window", 4096, 9),
    ("gemma4-a", "rope_parameters", ROPES["gemma4"],
     {**ROPES["gemma4"], "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0}}),
    ("gemma4-a", "rope_parameters.full_attention.partial_rotary_factor", 1.0, 0.25),
    ("glm4_moe_lite-a", "mlp_layer_types", ["dense", "sparse", "sparse"], None),
    ("glm4_moe_lite-a", "routed_scaling_factor", 1.8, 1.0),
    ("gpt_oss-a", "rms_norm_eps", 1e-5, 1e-6),
    ("gpt_oss-a", "rope_scaling", ROPES["gpt_oss"], {"rope_type": "default"}),
    ("gpt_oss-a", "rope_theta", 150000.0, 10000.0),
    ("granitemoe_swa-a", "layer_types", ["full_attention", "sliding_attention", "sliding_attention"], ["full_attention"] * 3),
    ("granitemoe_swa-a", "rope_parameters.rope_type", "default", "yarn"),
    ("hy_v3-a", "mlp_layer_types", ["dense", "sparse", "sparse"], None),
    ("hy_v3-a", "router_scaling_factor", 2.826, 1.0),
    ("laguna-a", "layer_types", ["full_attention"] * 3, ["sliding_attention"] * 3),
    ("laguna-a", "mlp_layer_types", ["dense", "sparse", "sparse"], None),
    ("laguna-a", "rope_parameters", ROPES["laguna"],
     {**ROPES["laguna"], "full_attention": {"rope_type": "default", "rope_theta": 500000.0}}),
    ("lfm2_moe-a", "rope_theta", 1000000.0, 10000.0),
    ("llama4-a", "attention_chunk_size", 8192, 32),
    ("llama4-a", "attention_chunk_size", 8192, None),
    ("longcat_flash-a", "rms_norm_eps", 1e-5, 1e-6),
    ("longcat_flash-a", "rope_theta", 10000000.0, 10000.0),
    ("longcat_flash-a", "routed_scaling_factor", 6.0, 1.0),
    ("mimo_v2_flash-a", "attention_value_scale", 0.707, None),
    ("mimo_v2_flash-a", "rope_parameters.full_attention.partial_rotary_factor", 0.334, 0.5),
    ("mistral4-a", "norm_topk_prob", True, False),
    ("sarvam_moe-a", "partial_rotary_factor", 1.0, 0.5),
    ("solar_open-a", "rope_parameters.rope_theta", 1000000.0, 10000.0)]


@pytest.fixture
def imported(tmp_path):
    """imported(name, change): what a fixture imports as, its configuration changed."""
    def run(name, change, read=text_after):
        (tmp_path / "model.safetensors").unlink(missing_ok=True)
        (tmp_path / "model.safetensors").symlink_to(FIXTURES / name / "model.safetensors")
        config = json.loads((FIXTURES / name / "config.json").read_text())
        change(config)
        (tmp_path / "config.json").write_text(json.dumps(config))
        return read("import", tmp_path)
    return run


def at(path, value=None, missing=False):
    """A change of the value at a path of names."""
    def change(config):
        *objects, key = path.split(".")
        for name in objects:
            config = config[name]
        config.pop(key, None)
        if not missing:
            config[key] = copy.deepcopy(value)
    return change


@pytest.mark.parametrize("name, key, default, other", MISSING, ids=lambda value: value if isinstance(value, str) else "")
def test_a_missing_key_is_the_originals_default(imported, name, key, default, other):
    without = imported(name, at(key, missing=True))
    assert without == imported(name, at(key, default))
    # Of layers' kinds, null is the default too.
    if other is not None or "layer_types" not in key:
        assert without != imported(name, at(key, other))


# What configurations of published checkpoints say besides, or in other words.
PUBLISHED = [
    ("afmoe-a", {"num_expert_groups": 1, "num_limited_groups": 1, "use_grouped_mm": True}),
    ("deepseek_v3-fp8", {"quantization_config.fmt": "float8_e4m3fn", "quantization_config.modules_to_not_convert": ["lm_head"]}),
    ("ernie4_5_moe-a", {"weight_share_add_bias": True, "use_rmsnorm": True, "fuse_rope": True, "compression_ratio": 1.0}),
    ("exaone_moe-a", {"mlp_layer_types": None, "is_moe_layer": [False, True, True], "first_k_dense_replace": None,
                      "first_last_k_dense_replace": 3, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
                      "sliding_window_pattern": "LLLG"}),
    ("hunyuan_v1_moe-a", {"dense_list": [64, 0], "use_mla": False, "n_group": False, "norm_type": "rms", "use_cla": False}),
    ("dots1-a", {"moe_layer_freq": 1, "topk_method": "noaux_tc", "scoring_func": "noaux_tc", "use_sliding_window": False}),
    ("glm4_moe_lite-a", {"first_k_dense_replace": 1, "topk_method": "noaux_tc", "rope_parameters.partial_rotary_factor": 1.0}),
    ("hy_v3-a", {"first_k_dense_replace": 1, "qk_norm": True, "num_nextn_predict_layers": 1}),
    ("solar_open-a", {"first_k_dense_replace": 0, "use_qk_norm": False, "rope_parameters.partial_rotary_factor": 1.0}),
    ("step3p5-a", {
        "text_config.rope_parameters": None, "text_config.per_layer_config": None, "text_config.num_sliding_attention_heads": None,
        "text_config.mlp_layer_types": None, "text_config.num_key_value_heads": None, "text_config.num_attention_groups": 2,
        "text_config.rope_theta": [10000.0, 500000.0, 10000.0, 10000.0], "text_config.partial_rotary_factors": [1.0, 0.5, 1.0, 1.0],
        "text_config.rope_scaling": {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 32.0,
                                     "original_max_position_embeddings": 64},
        "text_config.attention_other_setting": {"attention_type": "sliding_attention", "num_attention_heads": 6, "head_dim": 16},
        "text_config.moe_layers_enum": "1,2", "text_config.yarn_only_types": ["full_attention"], "text_config.zero_centered": True,
        "text_config.layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        "text_config.num_nextn_predict_layers": 1}),
    ("llama4-b", {"text_config.attn_temperature_tuning": 4, "text_config.for_llm_compressor": False, "text_config.no_rope_layers": [],
                  "text_config.moe_layers": None, "text_config.layer_types": None, "text_config.tie_word_embeddings": None}),
    ("qwen3_5_moe-a", {"attn_output_gate": True, "mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": False,
                       "mamba_ssm_dtype": "float32", "mlp_only_layers": []}),
    ("qwen3_vl_moe-a", {"text_config.norm_topk_prob": True, "text_config.decoder_sparse_step": 1, "text_config.rope_parameters": None,
                        "text_config.rope_theta": 10000, "text_config.rope_scaling": {
                            "mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}}),
    ("glm4v_moe-a", {"text_config.use_qk_norm": False, "text_config.rope_parameters": None, "text_config.rope_theta": 10000,
                     "text_config.partial_rotary_factor": 0.5, "text_config.num_nextn_predict_layers": 0,
                     "text_config.rope_scaling": {"rope_type": "default", "mrope_section": [8, 12, 12]}}),
    ("longcat_flash-a", {"attention_method": "MLA", "router_bias": False}),
    ("minimax_m2-a", {"shared_moe_mode": "sigmoid", "shared_intermediate_size": 0, "mlp_intermediate_size": 8192, "use_mtp": True})]


@pytest.mark.parametrize("name, keys", PUBLISHED, ids=[name for name, _ in PUBLISHED])
def test_published_configurations_are_read(imported, name, keys):
    def change(config):
        for path, value in keys.items():
            at(path, value, missing=value is None)(config)
    assert imported(name, change) == imported(name, lambda config: None)


def test_lists_of_sparse_layers_must_agree(imported):
    with pytest.raises(AssertionError, match="two lists disagree"):
        imported("exaone_moe-a", at("is_moe_layer", [False, False, True]))


def test_null_may_be_a_value(imported):
    """Where the original takes null for none, and not for its default."""
    assert imported("mimo_v2_flash-a", at("attention_value_scale", None)) == imported("mimo_v2_flash-a", at("attention_value_scale", 1.0))
    text = imported("dbrx-a", at("ffn_config.moe_normalize_expert_weights", None))
    assert "renorm = lp" not in text and "renorm = lp" in imported("dbrx-a", lambda config: None)
    chunked = imported("llama4-a", lambda config: config.pop("layer_types"))
    assert "chunk" in chunked and "chunk" not in imported("llama4-a", lambda config: config.update(layer_types=None, attention_chunk_size=None))


def test_only_a_plain_rotation_of_mimo_is_partial(imported):
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0}
    text = imported("mimo_v2_flash-a", at("rope_parameters.full_attention", yarn))
    assert text == imported("mimo_v2_flash-a", at("rope_parameters.full_attention", {**yarn, "partial_rotary_factor": 1.0}))


def test_a_plain_base_of_rotation_is_none_beside_rope_parameters(imported):
    """transformers writes the class's rope_theta beside the rope_parameters that it reads."""
    def both(config):
        config["rope_theta"], config["rope_parameters"]["rope_theta"] = 10000.0, 500.0
    def one(config):
        config["rope_parameters"]["rope_theta"] = config["rope_theta"] = 500.0
    assert imported("cohere2_moe-a", both) == imported("cohere2_moe-a", one) != imported("cohere2_moe-a", lambda config: None)


def test_every_layer_has_its_base_in_a_scaled_rotation(imported):
    yarn = imported("granitemoe_swa-a", lambda config: None)
    linear = imported("granitemoe_swa-a", at("rope_parameters", {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}))
    default = imported("granitemoe_swa-a", at("rope_parameters", {"rope_type": "default", "rope_theta": 10000.0}))
    tables = [{line.split("frequencies")[1] for line in text.splitlines() if "moe.rope_table" in line}
              for text in (yarn, linear, default)]
    assert [len(each) for each in tables] == [2, 2, 2] and not tables[0] & tables[1] | tables[1] & tables[2] | tables[0] & tables[2]


def test_a_tensor_without_elements_is_none(tmp_path):
    """A shared expert of width 0 is saved as such by the original."""
    tensors = read_safetensors(FIXTURES / "glm4_moe-a" / "model.safetensors")
    shared = [name for name in tensors if "shared_experts" in name]
    for name in shared:
        rows, columns = tensors[name].shape
        tensors[name] = np.zeros((0, columns) if "down_proj" not in name else (rows, 0), tensors[name].dtype)
    write_safetensors(tmp_path / "model.safetensors", tensors)
    config = json.loads((FIXTURES / "glm4_moe-a" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_shared_experts": 0}))
    assert len(shared) == 6 and "shared" not in text_after("import", tmp_path)


@pytest.mark.parametrize("name, key, value, code, message", [
    ("phimoe-a", "num_experts_per_tok", 3, "MOE0302", "num_experts_per_tok = 3 is not supported; supported: 2"),
    ("deepseek_v3-a", "num_experts_per_tok", 9, "MOE0106", "fewer experts than a token chooses"),
    ("gemma4-a", "num_kv_shared_layers", 3, "MOE0106", "no layer of this type stores the keys and values"),
    ("olmoe-a", "rope_scaling", {"rope_type": "dynamic", "factor": 2.0}, "MOE0302", "\"dynamic\" is not supported")])
def test_what_is_refused(imported, name, key, value, code, message):
    def run(phase, directory):
        command = [str(BUILD / "bin" / "moec"), "compile", str(directory), "--compile-to", phase, "-o", "-"]
        return subprocess.run(command, capture_output=True, text=True)
    done = imported(name, at(key, value), run)
    assert done.returncode != 0 and code in done.stderr and message in done.stderr
