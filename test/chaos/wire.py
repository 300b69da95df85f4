"""wire - what lies between a client and an engine: a relay that delays, halves, holds and cuts, and a network that drops.

    client --> Wire --> engine        bytes come late and in other pieces than they were sent; a connection ends in the
                                      middle of a frame, or stands still with both ends open

Where the machine allows, the whole program has a network namespace of its own (alone()): there packets on the loopback
device can be dropped without anything outside noticing, and TCP has to see to it.
"""
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time

PIECE = 4096


class Wire:
    """A relay on a port of its own.  `behind` says where to: asked for each connection, since an engine moves."""

    def __init__(self, behind, seed):
        self.behind, self.random = behind, random.Random(seed)
        self.delay, self.cut, self.still = 0.0, 0.0, False  # seconds at most a piece; chance a piece; nothing passes
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        try:
            host, port = self.behind().rsplit(":", 1)
            engine = socket.create_connection((host, int(port)), timeout=10)
        except (OSError, AttributeError):
            client.close()
            return
        with client, engine:
            for s in (client, engine):
                s.settimeout(60)
            try:
                while self.pass_on(client, engine):
                    pass
            except OSError:
                pass

    def pass_on(self, client, engine):
        """One piece in either direction; False when the connection is over."""
        ends = {s.fileno(): s for s in (client, engine)}
        poll = select.poll()  # select() ends at a thousand descriptors
        for number in ends:
            poll.register(number, select.POLLIN)
        ready = poll.poll(1000)
        while self.still:
            time.sleep(0.05)
        for number, _ in ready:
            source = ends[number]
            data = source.recv(self.random.randrange(1, PIECE))
            if not data:
                return False
            target = engine if source is client else client
            if self.delay:
                time.sleep(self.random.random() * self.delay)
            if self.cut and self.random.random() < self.cut:
                self.cuts += 1
                target.sendall(data[:self.random.randrange(len(data))])
                target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset, not an end
                return False
            target.sendall(data)
        return True

    def mend(self):
        self.delay, self.cut, self.still = 0.0, 0.0, False


ALONE = "VERBATIM_CHAOS_ALONE"


def alone():
    """Starts this program again in a network namespace of its own, when that can be had."""
    if ALONE in os.environ:
        return os.environ[ALONE] == "1"
    there = "ip link set lo up && tc qdisc add dev lo root pfifo"
    can = os.geteuid() == 0 and subprocess.run(["unshare", "-n", "sh", "-c", there], stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL).returncode == 0
    os.environ[ALONE] = "1" if can else "0"
    if can:
        command = "ip link set lo up && exec \"$0\" \"$@\""
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", command, sys.executable] + sys.argv)
    return False


def tell_network(*words):
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Lossy:
    """Inside the block packets on the loopback device are late and some are dropped: by chance, or where netem is not
    there, because a queue of a few kilobytes is always full."""

    def __enter__(self):
        self.how = "netem"
        if not tell_network("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "20ms", "10ms", "loss", "3%"):
            self.how = "a short queue"
            tell_network("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "4mbit", "burst", "64kb", "limit", "8kb")
        return self

    def __exit__(self, *_):
        tell_network("tc", "qdisc", "del", "dev", "lo", "root")


class Dark:
    """Inside the block no packet passes."""

    def __enter__(self):
        tell_network("ip", "link", "set", "lo", "down")

    def __exit__(self, *_):
        tell_network("ip", "link", "set", "lo", "up")
