"""One question to a RESP server, one line of its answer: enough to wait for READY."""

import socket


def first_line(port, *words, timeout_s=2):
    """The reply's first line without its end. OSError when there is no server or no answer."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(request.encode())
        answer = b""
        while b"\r\n" not in answer:
            more = connection.recv(4096)
            if not more:
                raise ConnectionError("the server closed the connection")
            answer += more
    return answer.split(b"\r\n")[0].decode(errors="replace")


def is_ready(port):
    """Whether longtaild there can acknowledge writes."""
    try:
        return not first_line(port, "READY").startswith("-")
    except OSError:
        return False
