"""Stream text from an artifact: python -m moec.generate NAME.moec --prompt "Once upon"."""

import argparse
import itertools
import sys

from . import Model, MoecError


def pieces(tokenizer, tokens):
    """Yields the text of tokens as they come, never half a character; together the pieces are the
    text of all. Each is decoded behind the one before, on which its spaces may depend."""
    ids, shown = [], 0  # Since the piece before the last; how many of them are in it.
    for token in tokens:
        ids.append(token)
        before, text = tokenizer.decode(ids[:shown]), tokenizer.decode(ids)
        if len(text) > len(before) and not text.endswith("\ufffd"):
            yield text[len(before):]
            ids, shown = ids[shown:], len(ids) - shown
    # What no token has completed.
    rest = tokenizer.decode(ids)[len(tokenizer.decode(ids[:shown])):]
    if rest:
        yield rest


def stream(model, session, tokenizer, prompt, **options):
    """Yields pieces of the text that follows a prompt."""
    tokens = session.generate(0, tokenizer.encode(prompt).ids, **options)
    return pieces(tokenizer, itertools.takewhile(lambda token: token not in model.eos, tokens))


def natural(text):
    """An argument that is an integer from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m moec.generate",
                                     description="Stream text from a compiled model.")
    parser.add_argument("artifact", help="NAME.moec")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--max-new-tokens", type=natural, default=128)
    parser.add_argument("--threads", type=natural, default=0, help="0: one for each CPU")
    parser.add_argument("--temperature", type=float, default=0.0, help="0: greedy")
    parser.add_argument("--top-k", type=natural, default=0, help="0: all")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    try:
        model = Model(args.artifact)
        session = model.session(threads=args.threads)
        for piece in stream(model, session, model.tokenizer(), args.prompt,
                            max_new_tokens=args.max_new_tokens, temperature=args.temperature,
                            top_k=args.top_k, top_p=args.top_p, seed=args.seed):
            print(piece, end="", flush=True)
        print()
    except MoecError as error:
        sys.stdout.flush()
        print(f"error: {error.diagnostic}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
