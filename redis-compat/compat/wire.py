"""The Redis protocol with its types kept: what a client library would hide is what is compared here."""

import socket


class Wire:
    """One connection. A reply is (type, value): ('+', text), ('-', text), (':', int), ('$', text or None), (',', float),
    ('*' or '~', list or None), ('%', list of pairs), ('_', None), ('#', bool), ('=', text)."""

    def __init__(self, port, protocol=2, host="127.0.0.1", timeout_s=60):
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = self._socket.makefile("rb")
        if protocol == 3:
            self.ask("HELLO", "3")

    @staticmethod
    def pack(words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)

    def ask(self, *words):
        return self.ask_all([words])[0]

    def ask_all(self, commands):
        """All in one pipeline, which must fit the sockets' buffers."""
        self._socket.sendall(b"".join(self.pack(words) for words in commands))
        return [self.read() for _ in commands]

    def send(self, data):
        self._socket.sendall(data)

    def read(self):
        line = self._in.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = chr(line[0]), line[1:-2].decode()
        if kind in "+-":
            return kind, rest
        if kind == ":":
            return kind, int(rest)
        if kind == ",":
            return kind, float(rest)
        if kind == "#":
            return kind, rest == "t"
        if kind == "_":
            return kind, None
        if kind in "$=":
            if int(rest) < 0:
                return kind, None
            return kind, self._in.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind in "*~":
            return kind, None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        if kind == "%":
            return kind, [(self.read(), self.read()) for _ in range(int(rest))]
        raise ValueError(f"unknown type of reply: {line!r}")

    def close(self):
        self._in.close()
        self._socket.close()
