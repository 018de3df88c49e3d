"""An https server on this machine that does to a download what networks do, and a proxy."""

import contextlib
import re
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files` (path -> bytes) over TLS. `plan[path]` holds what to do with the next requests for it.

    Attributes:
        log: (path, Range) of each request.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context, self.files, self.plan, self.log = context, {}, {}, []
        self.base = f"https://localhost:{self.server_port}"
        self.running = threading.Event()
        self.running.set()

    def get_request(self):
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """Clients that hang up are what is tested."""

    def requests(self, path):
        """The Range headers that came for a path."""
        return [asked for where, asked in self.log if where == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.log.append((self.path, self.headers.get("Range")))
        todo = self.server.plan.get(self.path, [])
        action = todo.pop(0) if todo else serve
        if self.path not in self.server.files and action is serve:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        action(self, self.server.files.get(self.path, b""))


def serve(handler, body, *, ranges=True, length=None, send=None, then=None):
    """A good answer, with ranges, unless something else is asked for.

    Args:
        length: what Content-Length claims instead.
        send: bytes of the answer that are sent.
        then: what happens after them.
    """
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
    start = int(asked[1]) if asked and ranges else 0
    if start >= len(body) and start:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(body)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    rest = body[start:]
    handler.send_header("Content-Length", str(len(rest) if length is None else length))
    handler.end_headers()
    handler.wfile.write(rest if send is None else rest[:send])
    handler.wfile.flush()
    if then is not None:
        then(handler)
    if send is not None or length is not None:
        handler.close_connection = True


def doing(**options):
    """`serve` with options, for a plan."""
    return lambda handler, body: serve(handler, body, **options)


def stall(handler):
    """Say nothing until the test ends."""
    end = time.monotonic() + 3600
    while handler.server.running.is_set() and time.monotonic() < end:
        time.sleep(0.02)


def trickle(handler):
    """A byte now and then."""
    with contextlib.suppress(OSError):
        while handler.server.running.is_set():
            handler.wfile.write(b"x")
            time.sleep(0.02)


def reset(handler):
    """Break the connection without a good-bye."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    handler.connection.close()


def answering(code, **headers):
    """Refuse with a status."""

    def act(handler, body):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return act


class Proxy(socketserver.ThreadingTCPServer):
    """Answers CONNECT with a status; with 200 it passes on what comes."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, status):
        super().__init__(("127.0.0.1", 0), _Connect)
        self.status, self.log = status, []
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """As above."""


class _Connect(socketserver.StreamRequestHandler):
    def handle(self):
        head = [self.rfile.readline().decode()]
        while (line := self.rfile.readline().decode().strip()) != "":
            head.append(line)
        self.server.log.append(head)
        self.wfile.write(f"HTTP/1.1 {self.server.status}\r\n\r\n".encode())
        if not self.server.status.startswith("200"):
            return
        where, _, port = head[0].split(" ")[1].partition(":")
        with socket.create_connection((where, int(port))) as other:
            back = threading.Thread(target=_pass_on, args=(other, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, other)
            back.join(5)


def _pass_on(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def running(server):
    """Serve in the background while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, Server):
            server.running.clear()
        server.shutdown()
        server.server_close()
        thread.join(5)
