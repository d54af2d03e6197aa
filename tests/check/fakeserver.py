"""A RESP server whose answers a test chooses: for what the agent does with them."""

import socket
import threading
import time

from .resp import Client, Lost


class FakeServer:
    """answer(words) -> bytes to send, or None to stay silent. It may be exchanged at any time."""

    def __init__(self, answer, port=0):
        self.answer = answer
        self.commands = []  # (time received, words), in order
        self.lock = threading.Condition(threading.RLock())
        self.connections = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Stops listening and cuts every connection."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def names(self):
        with self.lock:
            return [words[0] for _, words in self.commands]

    def observations(self):
        with self.lock:
            return [words for _, words in self.commands if words[0] == "OBSERVE"]

    def wait(self, condition, limit_s=15):
        """Until condition(self) holds; fails with what was received."""
        deadline = time.monotonic() + limit_s
        with self.lock:
            while True:
                if condition(self):
                    return
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.lock.wait(min(left, 0.2))
        raise AssertionError(f"did not happen within {limit_s} s; received: {self.names()[-50:]}")

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            client = Client.__new__(Client)  # its parser reads commands as well as replies
            client.socket, client.buffer, client.at = connection, b"", 0
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            while True:
                words = client.read()
                with self.lock:
                    self.commands.append((time.time(), words))
                    self.lock.notify_all()
                reply = self.answer(words)
                if reply is not None:
                    client.socket.sendall(reply)
        except (Lost, OSError):
            client.close()
