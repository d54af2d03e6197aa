"""Does a reply say what the model says? Shape, value, an error's first word."""

from .model.aggregate import Near
from .model.shapes import Unordered


def same(got, wanted):
    kind, value = wanted
    if kind == "?":
        return got[0] != "-"
    if kind == "-":
        return got[0] == "-" and got[1].split(" ")[0] == value
    if got[0] != kind:
        return False
    if isinstance(value, float):
        return same_number(got[1], value)
    if kind == "%":
        return len(got[1]) == len(value) and all(same(g[0], w[0]) and same(g[1], w[1]) for g, w in zip(got[1], value))
    if isinstance(value, Unordered):
        return got[1] is not None and sorted(got[1], key=repr) == sorted(value, key=repr)
    if isinstance(value, list):
        return got[1] is not None and len(got[1]) == len(value) and all(map(same, got[1], value))
    return got[1] == value


def same_number(got, value):
    """Exactly, but for numbers that depend on the order in which others were added up (Near). A simple string in RESP2."""
    try:
        number = float(got)
    except (TypeError, ValueError):
        return False
    if isinstance(value, Near) and (abs(number - value) <= value.slack or (number != number and value.may_be_nan)):
        return True
    return number == value or (number != number and value != value)

