"""Stream text from an artifact: python -m moec.generate NAME.moec --prompt "Once upon"."""

import argparse
import sys

from . import Model, MoecError


def stream(model, session, tokenizer, prompt, **options):
    """Yields pieces of text, never half a character."""
    new, shown = [], ""
    for token in session.generate(0, tokenizer.encode(prompt).ids, **options):
        if token in model.eos:
            return
        new.append(token)
        text = tokenizer.decode(new)
        if text.endswith("\ufffd"):
            continue
        yield text[len(shown):]
        shown = text


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m moec.generate",
                                     description="Stream text from a compiled model.")
    parser.add_argument("artifact", help="NAME.moec")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0, help="0: one for each CPU")
    parser.add_argument("--temperature", type=float, default=0.0, help="0: greedy")
    parser.add_argument("--top-k", type=int, default=0, help="0: all")
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
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
