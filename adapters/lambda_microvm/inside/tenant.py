"""The one program or the one session of a MicroVM: its runner, what goes to it and what comes of it.

Standard library only, Python 3.9 to 3.15.
"""

import os
import select
import socket
import subprocess
import sys
import threading

HEARTBEAT_S = 10
"""How often something is said while the program is silent, so that nothing on the way takes the connection for dead."""
_SILENCE = b"o" + bytes(8)  # a piece of stdout, of no bytes
_HEAD_BYTES = 9
_CHUNK = 1 << 16
_END_S = 5


class ClientIsGone(Exception):
    """Nobody takes the answer any more."""


class Messages:
    """Looks at where messages begin and end in what a runner says.

    Attributes:
        at_start: whether the next byte begins a message.
        last: the letter of the last one that is whole, as a number; 0 before the first.
    """

    def __init__(self):
        self.at_start = True
        self.last = 0
        self._head = b""
        self._missing = 0

    def feed(self, data):
        """What comes next."""
        place = 0
        while place < len(data):
            if self._missing == 0:
                taken = data[place : place + _HEAD_BYTES - len(self._head)]
                self._head += taken
                place += len(taken)
                if len(self._head) < _HEAD_BYTES:
                    break
                self._missing = int.from_bytes(self._head[1:], "big")
            else:
                step = min(self._missing, len(data) - place)
                self._missing -= step
                place += step
            if self._missing == 0:
                self.last, self._head = self._head[0], b""
        self.at_start = not self._head


class Tenant:
    """A runner and what it runs.

    Args:
        main: the runner's own file.
        argument: what it is started with.
        end_all: ends every process below this one.
    """

    def __init__(self, main, argument, end_all):
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-u", main, argument]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            bufsize=0,
        )
        self._end_all = end_all
        self._giving = threading.Lock()
        self._commanding = threading.Lock()
        self.busy = False

    def give(self, message):
        """Send it a job or a command. False where it is gone."""
        with self._giving:
            try:
                view = memoryview(message)
                while view:
                    view = view[self._process.stdin.write(view) :]
            except (OSError, ValueError):
                return False
        return True

    def take_turn(self):
        """Begin a command. False while another one runs."""
        with self._commanding:
            if self.busy:
                return False
            self.busy = True
            return True

    def pass_on(self, connection, send, ends):
        """Pass on what it says until a message of a kind in ``ends``, or until it says nothing more.

        Args:
            connection: the client's socket, which is watched for its end.
            send: takes bytes for the client.
            ends: letters.

        Returns:
            Whether such a message came.

        Raises:
            ClientIsGone: the program has been ended.
        """
        messages = Messages()
        output = self._process.stdout.fileno()
        watch = select.poll()
        watch.register(output, select.POLLIN)
        watch.register(connection, select.POLLIN | select.POLLRDHUP)
        try:
            while messages.last not in ends:
                events = watch.poll(HEARTBEAT_S * 1000)
                if not events and messages.at_start:
                    send(_SILENCE)
                for descriptor, _ in events:
                    if descriptor != output:
                        self._look_at(connection, watch)
                        continue
                    data = os.read(output, _CHUNK)
                    if not data:
                        self.busy = False
                        return False
                    messages.feed(data)
                    if messages.last in ends:  # the client may send the next command as soon as it has this
                        self.busy = False
                    send(data)
        except (OSError, ClientIsGone):
            self.end()
            self.busy = False
            raise ClientIsGone from None
        return True

    def end(self):
        """End it and all that it runs."""
        with self._giving:
            self._process.stdin.close()  # it ends its program when its host hangs up
        drain = threading.Thread(target=self._drain, daemon=True)
        drain.start()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._end_all()
        drain.join(_END_S)

    def _drain(self):
        """Take what it still says, so that it never waits for somebody to."""
        try:
            while os.read(self._process.stdout.fileno(), _CHUNK):
                pass
        except (OSError, ValueError):
            pass

    def _look_at(self, connection, watch):
        """Something came from the client, or its end. It has nothing to say while it is answered."""
        try:
            if connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                watch.unregister(connection)
                return
        except BlockingIOError:
            return
        raise ClientIsGone
