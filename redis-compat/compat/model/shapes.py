"""Replies, in RESP2 and RESP3."""

ERROR = ("-", "ERR")
OK = ("+", "OK")
ANY = ("?", None)  # whatever it is: clocks and memory decide


class Unordered(list):
    """Items that may come in any order."""


def integer(number):
    return (":", number)


def array(items):
    return ("*", list(items))


def unordered(items):
    return ("*", Unordered(items))


def bulk(text):
    return ("$", text)


class Shapes:
    def __init__(self, resp3, dialect):
        self.resp3, self.name_kind = resp3, "$" if "TS.INFO's names are bulk strings" in dialect else "+"

    def name(self, text):
        """Of a field of TS.INFO."""
        return (self.name_kind, text)

    @property
    def null(self):
        return ("_", None) if self.resp3 else ("$", None)

    def text(self, text):
        return self.null if text is None else bulk(text)

    def value(self, number):
        """Simple strings in RESP2. Near numbers stay such."""
        number = number if isinstance(number, float) else float(number)
        return (",", number) if self.resp3 else ("+", number)

    def sample(self, at, values):
        return array([integer(at), *(self.value(v) for v in values)])

    def samples(self, rows):
        return array(self.sample(at, values) for at, values in rows)

    def joined(self, rows):
        return array(array([integer(at), array(self.value(v) for v in values)]) for at, values in rows)

    def map(self, pairs):
        return ("%", pairs) if self.resp3 else array(x for pair in pairs for x in pair)

    def set(self, texts):
        return ("~" if self.resp3 else "*", Unordered(bulk(text) for text in texts))

    def labels(self, labels):
        pairs = [(bulk(name), self.text(value)) for name, value in labels]
        return ("%", pairs) if self.resp3 else array(array(pair) for pair in pairs)

    def rows_by_key(self, rows):
        """[(key, [what RESP2 has], [what RESP3 has])]"""
        if self.resp3:
            return ("%", [(bulk(key), array(three)) for key, _, three in rows])
        return array(array([bulk(key), *two]) for key, two, _ in rows)

    def names(self, what, names):
        """RESP3's {what: [names]}"""
        return ("%", [(bulk(what), array(bulk(name) for name in names))])
