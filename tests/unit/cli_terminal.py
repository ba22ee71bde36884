#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""cli_terminal.py - part of test_cli.sh: freqring shell on a pseudo-terminal

usage: cli_terminal.py FREQRING SOCKET STATE_HOME

The daemon at SOCKET has to know the VMs "web server" and "db", and to send one
event. Exit status 0 where all is as it should be.
"""
import os
import pty
import re
import select
import signal
import sys
import termios
import time

PROMPT = "freqring> "
# libedit moves to the column where the line changes, and writes from there on.
MOVES = re.compile(r"\r|\x1b\[[0-9;]*[A-Za-z]")
SECONDS = 10


class Terminal:
    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # A script's background commands ignore it, and that is inherited.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.execve(argv[0], argv, env)
        self.text = ""

    def expect(self, what):
        """Read until `what` comes, and forget all up to it."""
        end = time.monotonic() + SECONDS
        while what not in self.text:
            left = end - time.monotonic()
            ready = select.select([self.fd], [], [], max(left, 0))[0]
            try:
                data = os.read(self.fd, 4096) if ready else b""
            except OSError:
                data = b""
            if not data:
                sys.exit(f"FAIL: no {what!r} after {self.text!r}")
            self.text = MOVES.sub("", self.text + data.decode(errors="replace"))
        before, self.text = self.text.split(what, 1)
        return before

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def prompt(self):
        """Wait for the prompt, behind which all keys are libedit's."""
        before = self.expect(PROMPT)
        if termios.tcgetattr(self.fd)[3] & termios.ICANON:
            sys.exit("FAIL: the prompt comes before keys are read one by one")
        return before

    def wait(self, keys):
        """Send keys that end it, and read to the end; the exit status."""
        end = time.monotonic() + SECONDS
        data = b"-"
        self.send(keys)
        while data:
            left = max(end - time.monotonic(), 0)
            if not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"FAIL: it does not end after {self.text!r}")
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""  # how Linux says that the other end is closed
            self.text += data.decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def check(what, ok):
    if not ok:
        sys.exit(f"FAIL: freqring shell on a terminal: {what}")


def check_top(freqring, sock, env):
    """A screen that keys rule; a terminal that curses does not know has pages."""
    t = Terminal([freqring, "-s", sock, "top", "--delay", "1"], env)
    t.expect("poller on CPU")
    t.expect("q: quit")
    t.send("s ")
    check("top: exit status", t.wait("q") == 0)
    t = Terminal([freqring, "-s", sock, "top", "--delay", "1"], env)
    t.expect("q: quit")
    check("top: exit status at Ctrl-C", t.wait("\x03") == 0)
    t = Terminal([freqring, "-s", sock, "top", "--iterations", "1"], dict(env, TERM="no-such"))
    t.expect("poller on CPU")
    check("top without curses: exit status", t.wait("") == 0)


def main():
    freqring, sock, state = sys.argv[1:]
    env = dict(os.environ, TERM="xterm", XDG_STATE_HOME=state, HOME=state, LC_ALL="C.UTF-8")
    argv = [freqring, "-s", sock, "shell"]

    t = Terminal(argv, env)
    t.prompt()
    # A command, an option, a word, and a VM whose name needs quotes.
    t.send("set_ch\tw\t")
    t.expect("set_channel_status web\\ server ")
    t.send("a\ten\t")
    t.expect("all enabled ")
    t.send("\r")
    t.expect("Updated status of 1 channels for VM 'web server'")
    t.prompt()
    t.send("help; eve\t\t")
    t.expect("event  events")
    t.prompt()
    t.send("\x03")
    t.prompt()
    t.send("event --lo\t")
    t.expect("--loop ")
    t.send("\r")
    t.expect("event 'drift'")
    t.send("\x03")
    t.expect("event loop interrupted")
    t.prompt()
    # It ends the line, and with it what comes behind the command.
    t.send("event --loop; help list\r")
    t.expect("event 'drift'")
    t.send("\x03")
    t.expect("events received: 1")
    check("Ctrl-C let the line go on", "Usage" not in t.prompt())
    # From the history.
    t.send("\x1b[A\x1b[A\x1b[A")
    t.expect("set_channel_status web\\ server all enabled")
    t.send("\x03")
    t.prompt()
    t.send("frob\r")
    t.expect("frob: no such command")
    t.prompt()
    status = t.wait("quit\r")
    check(f"exit status {status}: {t.text}", status == 2)

    # The next one has the history; the end of input ends it.
    t = Terminal(argv, env)
    t.prompt()
    t.send("\x1b[A\x1b[A\x1b[A")
    t.expect("event --loop; help list")
    t.send("\x03")
    t.prompt()
    check("exit status at the end of input", t.wait("\x04") == 0)
    path = os.path.join(state, "freqring", "history")
    with open(path, encoding="utf-8") as f:
        check("history", "frob" in f.read())
    check_top(freqring, sock, env)
    check("mode of the history", os.stat(path).st_mode & 0o77 == 0)


main()
