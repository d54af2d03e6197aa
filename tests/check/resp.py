"""A RESP2 client that hides nothing: no retries, no reconnects, and errors are values."""

import socket


class Error(str):
    """An error reply. Its first word tells the kind."""

    @property
    def kind(self):
        return self.split(" ", 1)[0]


class Lost(Exception):
    """The connection ended or did not answer in time: what was sent may or may not have been done."""


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class Client:
    def __init__(self, port, host="127.0.0.1", timeout_s=30):
        """OSError when nobody listens: nothing was sent then."""
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.at = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *words):
        try:
            self.socket.sendall(encode(*words))
        except OSError as e:
            raise Lost(str(e)) from e

    def call(self, *words):
        self.send(*words)
        return self.read()

    def read(self):
        """One reply: str, int, list, None, or Error."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            n = int(rest)
            if n < 0:
                return None
            data = self._bytes(n + 2)
            return data[:-2].decode()
        if kind == b"*":
            n = int(rest)
            return None if n < 0 else [self.read() for _ in range(n)]
        raise ValueError(f"not RESP2: {line!r}")

    def _more(self):
        try:
            data = self.socket.recv(1 << 16)
        except OSError as e:
            raise Lost(str(e)) from e
        if not data:
            raise Lost("closed by the server")
        self.buffer = self.buffer[self.at:] + data
        self.at = 0

    def _line(self):
        while (end := self.buffer.find(b"\r\n", self.at)) < 0:
            self._more()
        line = self.buffer[self.at:end]
        self.at = end + 2
        return line

    def _bytes(self, n):
        while len(self.buffer) - self.at < n:
            self._more()
        data = self.buffer[self.at:self.at + n]
        self.at += n
        return data
