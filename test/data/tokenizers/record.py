"""Records what the tokenizers package makes of some texts.

Trains small byte-level BPE tokenizers with the pre-tokenizers of well-known
models and writes, for each, NAME.json with the tokenizer itself, the ids of
every text of texts.json, and some ids with the text they decode to. The tests
of the runtime's tokenizer read these files; run this again only to record more.

    python record.py        (needs the package tokenizers)
"""

import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

HERE = pathlib.Path(__file__).parent

GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
]

TEXTS = [
    "",
    " ",
    "Hello world",
    " Hello  world ",
    "The quick brown fox jumps over the lazy dog. The dog sleeps.",
    "I'm sure you're right, he's here; we'll see, they'd say it isn't SHE'LL'S",
    "don't DON'T Don\u2019t it'Ve 'tis '\u017f o'clock 'Re",
    "1234567890 12 3.14159 1,000,000 2nd x2 0x1F",
    "\u0661\u0662\u0663 \u0967\u0968 \u2167 \u00bd x\u00b2 \u2460 \u4e09",
    "tabs\t\tand\t spaces   here    \n\nnewlines\n \n  \r\nCRLF\r\r\n end\n",
    "   leading", "trailing   ", "\n", "\n\n\n", "\r\n \r\n", "a\n  b\n\tc",
    "\u00a0nbsp\u00a0\u00a0x \u2009thin \u3000wide \u180e \u0085 \u200b zero",
    "caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m \u212b A\u030a \u1e9b\u0323 "
    "\ufb01ne \u0958 \u1100\u1161\u11a8 \uac01",
    "日本語のテキスト、中文文本混合です。カタカナ",
    "한국어 문장도 있습니다.",
    "Привет, мир! Γειά σου Κόσμε. שלום עולם مرحبا بالعالم हिन्दी भाषा ไทย",
    "😀😃 👍🏽 👩\u200d👩\u200d👧 🇩🇪 ❤\ufe0f ☃ →",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * 0.5f; } // sum_i",
    "def f(x):\n    return x ** 2  # square\n\n\nprint(f(3))",
    "https://example.org/a/b?c=d&e=%20#frag user@host.tld",
    "<|end|>", "a<|end|>b", "  <|end|>  <|end|> x", "<|end|><|end|>",
    "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end <|im_end| |im_end|> <|im_end|>>", "special specials  special",
    "XMLHttpRequest HTTPServer iPhone USA's McDonald's ǅ ǆ ʰ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abababababababababababababababab the the thethe thththt",
    "!!!???...---___***   ((([[[{{{}}}]]]))) $%&/",
    "\x00\x01\x02\x1f\x7f\u0080\u009f\ufeff\ufffd\ue000\U0010ffff",
    "e\u0301e\u0301 e\u0301\u0301 \u0301 a\u0328\u0301 a\u0301\u0328",
    "word " * 40,
    " " * 50 + "x" + " " * 33,
    "\u00df\u1e9e\u0130\u0131 STRASSE straße \u01c5 \u10d0 \u13a0",
]


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def bytes_last(*before, prefix=False, regex=False):
    last = pre_tokenizers.ByteLevel(prefix, use_regex=regex)
    return pre_tokenizers.Sequence([*before, last]) if before else last


SPECIAL = AddedToken("<|end|>", special=True, normalized=False)
IM = [AddedToken("<|im_start|>", special=True, normalized=False),
      AddedToken("<|im_end|>", special=True, normalized=False),
      AddedToken("<|im_end", special=False, normalized=False)]

# name: normalizer, pre-tokenizer, added tokens, has a template, variant
KINDS = {
    "gpt2": (None, bytes_last(regex=True), [SPECIAL], False, ""),
    "gpt2-prefix": (None, bytes_last(prefix=True, regex=True),
                    [SPECIAL, *IM], False, "strings"),
    "qwen2": (normalizers.NFC(), bytes_last(split(QWEN2)),
              [SPECIAL, *IM, AddedToken(" special", normalized=True)],
              False, ""),
    "llama3": (None, bytes_last(split(LLAMA3)), [SPECIAL, *IM], True,
               "ignore"),
    "o200k": (None, bytes_last(split(O200K)),
              [AddedToken("<|end|>", special=True, normalized=False,
                          lstrip=True, rstrip=True)], False, ""),
    "deepseek": (normalizers.Sequence([normalizers.NFC()]),
                 bytes_last(*map(split, DEEPSEEK)),
                 [SPECIAL, AddedToken("e\u0301e\u0301", normalized=True)],
                 True, ""),
    "digits": (None, bytes_last(pre_tokenizers.Digits(True), regex=True),
               [SPECIAL], False, ""),
    "digit-runs": (None, bytes_last(pre_tokenizers.Digits(False), regex=True),
                   [AddedToken("<|end|>", special=True, normalized=False,
                               rstrip=True)], False, "unknown"),
    "removed": (None, bytes_last(split(r"\s+", "removed"), prefix=True),
                [AddedToken("<|end|>", special=True, normalized=False,
                            lstrip=True)], False, "small"),
    "merged-previous": (None, bytes_last(split("[aeiou ]",
                                               "merged_with_previous")),
                        [SPECIAL], False, ""),
    "merged-next": (None, bytes_last(split("[aeiou ]", "merged_with_next")),
                    [SPECIAL], False, ""),
    "contiguous": (None, bytes_last(split("[aeiou ]", "contiguous", True)),
                   [SPECIAL], False, ""),
    "inverted": (None, bytes_last(split(r"[\w']+", "removed", True)),
                 [SPECIAL], False, ""),
    "literal": (None, bytes_last(pre_tokenizers.Split(" ", "merged_with_next"),
                                 pre_tokenizers.Split("a.", "isolated")),
                [SPECIAL], False, ""),
    "empty-matches": (None, bytes_last(split("x*|(?=b)")), [SPECIAL], False,
                      "unknown-fused"),
}


def build(normalizer, pre_tokenizer, added, has_template, variant):
    tokenizer = Tokenizer(models.BPE(ignore_merges=variant == "ignore"))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    lacks_bytes = variant in ("small", "unknown", "unknown-fused")
    trainer = trainers.BpeTrainer(
        vocab_size=150 if lacks_bytes else 400,
        special_tokens=["<|bos|>"],
        initial_alphabet=[] if lacks_bytes else
        sorted(pre_tokenizers.ByteLevel.alphabet()),
        limit_alphabet=90 if lacks_bytes else 256,
        show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 2, trainer)
    tokenizer.add_tokens(added)
    if has_template:
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|bos|> $A <|end|>", pair="<|bos|> $A $B",
                special_tokens=[(name, tokenizer.token_to_id(name))
                                for name in ("<|bos|>", "<|end|>")])])
    description = json.loads(tokenizer.to_str())
    if variant == "strings":
        merges = description["model"]["merges"]
        description["model"]["merges"] = [" ".join(m) for m in merges]
    if variant.startswith("unknown"):
        description["model"]["unk_token"] = "<|bos|>"
        description["model"]["fuse_unk"] = variant == "unknown-fused"
    return description


def record(name, description):
    tokenizer = Tokenizer.from_str(json.dumps(description))
    generator = random.Random(name)
    decoded = []
    for _ in range(12):
        ids = [generator.randrange(tokenizer.get_vocab_size() + 2)
               for _ in range(generator.randrange(1, 14))]
        decoded.append([ids, tokenizer.decode(ids, skip_special_tokens=True),
                        tokenizer.decode(ids, skip_special_tokens=False)])
    return {
        "tokenizer": description,
        "ids": [tokenizer.encode(text).ids for text in TEXTS],
        "plain": [tokenizer.encode(text, add_special_tokens=False).ids
                  for text in TEXTS],
        "decoded": decoded,
    }


def main():
    def write(name, value):
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")

    write("texts", TEXTS)
    for name, kind in KINDS.items():
        write(name, record(name, build(*kind)))


if __name__ == "__main__":
    main()
