"""What the family files say of routers and experts is what is tested elsewhere: every argument of
`route` stands in a transcription of test/numeric/moe, whose parameters are flipped one by one, and
every argument of `experts` in a mutant of test_layers.py.
"""

import ast
import json
import sys

import pytest

from conftest import SOURCE
from test_layers import MUTANTS

sys.path.insert(0, str(SOURCE / "test" / "numeric" / "moe"))
from papers import FAMILIES  # noqa: E402

FILES = SOURCE / "lib" / "Import" / "families"
ROUTERS = {family.name: family for family in FAMILIES}
# The transcriptions of each file that says how experts are chosen.
TRANSCRIPTIONS = {
    "afmoe": ["deepseek_v3", "kimi_k2"],
    "cohere2_moe": ["cohere2_moe", "gpt_oss"],
    "granitemoe_swa": ["granitemoe"],
    "laguna": ["laguna", "deepseek_v3"],
    "mixture_of_recursions": ["recursion_depth", "above", "longcat_flash"],
    "bailing_moe_v2": ["bailing_moe_v2"],
    "dbrx": ["dbrx", "dbrx_p2"],
    "decoder": ["qwen2_moe", "qwen3_next", "deepseek_v3", "glm4_moe", "kimi_k2"],
    "deepseek_v2": ["deepseek_v2"],
    "ernie4_5_moe": ["ernie4_5_moe"],
    "gemma4": ["gemma4"],
    "gpt_oss": ["gpt_oss"],
    "granitemoe": ["granitemoe"],
    "hunyuan_v1_moe": ["hunyuan_v1"],
    "hy_v3": ["deepseek_v3", "kimi_k2"],
    "lfm2_moe": ["lfm2_moe", "lfm2_moe_scaled"],
    "llama4": ["llama4_text", "llama4_top2"],
    "longcat_flash": ["longcat_flash"],
    "minimax_m2": ["minimax_m2"],
    "mistral4": ["deepseek_v2", "deepseek_v3", "kimi_k2"],
    "mixtral": ["mixtral"],
    "moe_plus_plus": ["moe_plus_plus", "gpt_oss"],
    "phimoe": ["phimoe"],
    "step3p5": ["minimax_m2", "deepseek_v3"],
}
DEFAULTS = {"policy": "topk", "score": "softmax", "scope": "all", "select_on": "score", "weight_from": "score",
            "renorm": "none", "eps_mode": "add", "group_reduce": "max", "group_fill": "neg_inf", "dedupe": "none", "groups": 1, "group_keep": 0}
# What looks at many tokens has tests of its own (test_capacity.py), and so has a router of a single
# expert, whose threshold stands in the family's tests of whole models.
ELSEWHERE = {
    "mixture_of_recursions": {"policy = expert_choice", "capacity = None", "capacity_unit = fraction",
                              "capacity_scope = sequence", "within = None", "threshold = 0.5", "threshold = 0.0",
                              "score = identity"},
}
# An argument, or a kind of experts, and the mutant that leaves it out or takes another.
OF_EXPERTS = {
    "weight_on": "weight on the output",
    "identity_experts": "identity as zero",
    "zero_experts": "zero as identity",
    "local_experts": "constant as zero",
    "ffn_experts": "another activation",
    "shared": "no shared expert",
}


def calls(text, names):
    """The calls of some functions in a program, which has the syntax of Python."""
    for node in ast.walk(ast.parse(text.strip())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def lines(value):
    """Of a definition, which may be a number."""
    of = value if isinstance(value, list) else [value]
    return [line for line in of if isinstance(line, str)]


def programs(file):
    for value in file.get("define", {}).values():
        yield from lines(value)


def literals(node):
    """The values that an expression may have, None where they depend on the configuration."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.Name) and node.id == "null":
        return set()
    return {None}


def parameters(family):
    words = dict(pair.split(" = ") for pair in family.routing.split(", ") if pair)
    return {name.strip(): value.removesuffix(" : f64").strip() for name, value in words.items()}


def same(value, text):
    if isinstance(value, str):
        return value == text
    return float(value) == float(text)


def unsaid(text, families):
    """What a choice of experts says that none of the transcriptions does."""
    found = []
    for call in calls(text, {"route"}):
        for keyword in call.keywords:
            name = keyword.arg
            said = [parameters(family).get(name) for family in families]
            said = [value for value in said if value is not None]
            if any(name in family.operands or name in family.attributes for family in families):
                continue
            for value in literals(keyword.value):
                if value is not None and value == DEFAULTS.get(name):
                    continue
                if not said or (value is not None and not any(same(value, text) for text in said)):
                    found.append(f"{name} = {value}")
    return found


def choices(name):
    """The lines of a file that say how experts are chosen."""
    file = json.loads((FILES / f"{name}.json").read_text())
    return [line for line in programs(file) if list(calls(line, {"route"}))]


STEMS = sorted(path.stem for path in FILES.glob("*.json") if path.stem != "keys")


def test_every_choice_has_transcriptions():
    """Files without a choice of their own have that of the file which they extend."""
    assert {name for name in STEMS if choices(name)} == set(TRANSCRIPTIONS)


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS))
def test_router_is_transcribed(name):
    families = [ROUTERS[of] for of in TRANSCRIPTIONS[name]]
    for line in choices(name):
        assert not set(unsaid(line, families)) - ELSEWHERE.get(name, set())


@pytest.mark.parametrize(
    "more", ("softcap=30", "score='tanh'", "renorm='softmax'", "expert_scale='s'", "null_experts=2", "groups=n_group",
             "eps=1e-3", "alias=[0, 1]", "scale=2 if a else null")
)
def test_what_no_transcription_says_is_found(more):
    """In a router that says it besides, or differently."""
    for name in ("mixtral", "gpt_oss"):
        (text,) = choices(name)
        text = text.replace("num_experts_per_tok", f"num_experts_per_tok, {more}")
        text = text.replace(", renorm='sum')", ")") if "renorm" in more else text
        assert unsaid(text, [ROUTERS[of] for of in TRANSCRIPTIONS[name]]), name


@pytest.mark.parametrize("name", STEMS)
def test_experts_are_mutated(name):
    """Arguments of experts(), and the kinds of its ranges."""
    file = json.loads((FILES / f"{name}.json").read_text())
    kinds = {kind for kind in OF_EXPERTS if kind.endswith("_experts") or kind == "shared"}
    for text in programs(file):
        for call in calls(text, kinds | {"experts"}):
            said = {keyword.arg for keyword in call.keywords}
            said |= {call.func.id} & kinds
            for what in said:
                assert OF_EXPERTS[what] in MUTANTS, (name, what)
