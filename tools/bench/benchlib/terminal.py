"""What the programs of this folder have in common towards people."""

import sys


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def only_known(parser, wanted, known):
    """Ends the program where someone wants a scenario that is not known."""
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
