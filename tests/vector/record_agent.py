#!/usr/bin/python3 -B
"""Writes down what an agent sends, for bench_series: one `SECOND METRIC VALUE` a line.

usage: tests/vector/record_agent.py PORT FILE &
       build/longtail-agent --server 127.0.0.1:PORT [--mysql-socket …]

Acknowledges everything and keeps nothing else. Ends when it is ended.
"""

import socket
import sys


def command(stream):
    """The next RESP array, or [] at the end."""
    head = stream.readline()
    words = []
    for _ in range(int(head[1:]) if head else 0):
        words.append(stream.read(int(stream.readline()[1:])))
        stream.read(2)
    return words


def serve(connection, out):
    stream = connection.makefile("rb")
    while words := command(stream):
        name = words[0].upper()
        if name == b"OBSERVE":
            for metric, value in zip(words[3::2], words[4::2]):
                out.write(b"%s %s %s\n" % (words[2], metric, value))
            out.flush()
        connection.sendall(b"*0\r\n" if name == b"HELLO" else b"+OK\r\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    with open(sys.argv[2], "ab") as out:
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection, out)


if __name__ == "__main__":
    main()
