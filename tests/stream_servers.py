"""Servers of one video over loopback, for tests of network streams."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TS_PACKET = 188  # bytes
SDP = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:video\r\n'


@contextmanager
def serve(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer one connection in a thread. Yield host and port."""
    with socket.create_server(('127.0.0.1', 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f'127.0.0.1:{server.getsockname()[1]}'
        thread.join()


def send_file(path: Path) -> Callable[[socket.socket], None]:
    """Send a file at once."""
    return lambda connection: connection.sendall(path.read_bytes())


def send_slowly(path: Path, seconds: float) -> Callable[[socket.socket], None]:
    """Send a file over some seconds, like a live source."""
    content = path.read_bytes()

    def answer(connection: socket.socket) -> None:
        for start in range(0, len(content), step := -(-len(content) // 40)):
            connection.sendall(content[start : start + step])
            time.sleep(seconds / 40)

    return answer


def send_rtsp(path: Path) -> Callable[[socket.socket], None]:
    """Serve an MPEG-TS file by RTSP, as RTP packets within the RTSP connection; UDP is refused, as by a firewall."""

    def answer(connection: socket.socket) -> None:
        requests = connection.makefile('rb')
        while True:
            lines = []
            while line := requests.readline().strip():
                lines.append(line.decode())
            if not lines:
                return
            method, url, _ = lines[0].split()
            headers = dict(line.split(': ', 1) for line in lines[1:])
            status, more, body = '200 OK', 'Session: 1', ''
            if method == 'OPTIONS':
                more = 'Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN'
            elif method == 'DESCRIBE':
                more, body = f'Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(SDP)}', SDP
            elif method == 'SETUP':
                tcp = 'interleaved' in headers['Transport']
                more += f'\r\nTransport: {headers["Transport"]}' if tcp else ''
                status = status if tcp else '461 Unsupported Transport'
            connection.sendall(f'RTSP/1.0 {status}\r\nCSeq: {headers["CSeq"]}\r\n{more}\r\n\r\n{body}'.encode())
            if method == 'PLAY':
                _send_rtp(connection, path.read_bytes())
                return

    return answer


def _send_rtp(connection: socket.socket, content: bytes) -> None:
    for number, start in enumerate(range(0, len(content), 7 * TS_PACKET)):
        packet = struct.pack('>BBHII', 0x80, 33, number, 0, 1) + content[start : start + 7 * TS_PACKET]
        connection.sendall(struct.pack('>cBH', b'$', 0, len(packet)) + packet)
