"""A Python process that has imported the stack and forks for each script, so that tests do not wait for imports.

Run as a program it is the server: it reads requests from the socket whose descriptor is its argument.
"""

import faulthandler
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import print_stacks

TIMEOUT = 500  # seconds; less than faulthandler_timeout, which ends the whole test process
STACK = ('mmaction.apis', 'mmaction.datasets', 'mmaction.engine', 'mmaction.evaluation', 'matplotlib.pyplot')


class WarmPython:
    """Start a server in a clean process with ``env``. :meth:`run` runs scripts in forks of it."""

    def __init__(self, env: dict[str, str]):
        self.socket, server = socket.socketpair()
        with server:
            command = [sys.executable, __file__, str(server.fileno())]
            self.process = subprocess.Popen(command, env=env, pass_fds=[server.fileno()], stdin=subprocess.DEVNULL)

    def run(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> tuple[int, str]:
        """Return the exit code of ``python ARGUMENTS`` and what it printed to stdout and stderr.

        A run of more than ``TIMEOUT`` seconds is aborted and prints the stacks of its processes.
        """
        with tempfile.TemporaryFile() as output:
            request = json.dumps(dict(arguments=arguments, cwd=str(cwd), env=env)).encode()
            socket.send_fds(self.socket, [len(request).to_bytes(4, 'big')], [output.fileno()])
            self.socket.sendall(request)
            self.socket.settimeout(TIMEOUT)
            while True:
                try:
                    code = self.socket.recv(4)
                    break
                except TimeoutError:
                    print_stacks(self.process.pid)
            if len(code) < 4:
                raise RuntimeError(f'the server of warm Python processes ended with {self.process.wait()}')
            output.seek(0)
            printed = re.sub('\n+Extension modules: .*', '', output.read().decode(errors='replace'))  # by faulthandler
            return int.from_bytes(code, 'big', signed=True), printed


def serve(connection: socket.socket) -> None:
    """Fork for each request until the other side of ``connection`` closes."""
    while True:
        size, descriptors, _, _ = socket.recv_fds(connection, 4, 1)
        if not size:
            return
        request = b''
        while len(request) < int.from_bytes(size, 'big'):
            request += connection.recv(65536)
        child = os.fork()
        if not child:
            connection.close()
            _become(descriptors[0], **json.loads(request))
        os.close(descriptors[0])
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(code.to_bytes(4, 'big', signed=True))


def _become(output: int, arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """Turn this process into ``python ARGUMENTS`` and end it as Python does, with its handlers at exit."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    faulthandler.enable()
    if arguments[0] == '-m':
        sys.argv, sys.path[0] = arguments[1:], cwd
        runpy.run_module(arguments[1], run_name='__main__', alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, str(Path(cwd, arguments[0]).parent)
        runpy.run_path(arguments[0], run_name='__main__')
    sys.exit()


if __name__ == '__main__':
    import importlib

    import torch

    import dyreg_mmaction  # noqa: F401

    for name in STACK:
        importlib.import_module(name)
    torch.set_num_threads(1)
    serve(socket.socket(fileno=int(sys.argv[1])))
