# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the control socket for test_many.sh: many, odd ones, a deaf one.

	clients.py crowd SOCKET N	N at once; says how they fared, holds the
					connections until its input ends
	clients.py lines SOCKET		long lines, pieces, garbage; a word for each
	clients.py deaf SOCKET VM	one that subscribes and does not read, while
					another lets events happen to the VM
"""
import json
import os
import resource
import socket
import sys

DEADLINE = 20	# seconds, for any one answer
LONGEST = 65536


def connect(path):
	s = socket.socket(socket.AF_UNIX)
	# With a deadline it would not wait for a place in the queue.
	s.connect(path)
	s.settimeout(DEADLINE)
	return s


def request(method, number, **params):
	return json.dumps({"jsonrpc": "2.0", "id": number, "method": method,
		"params": params}).encode() + b"\n"


def replies(s, count):
	"""So many lines; fewer where the other side ends it."""
	got = b""
	while got.count(b"\n") < count:
		try:
			part = s.recv(1 << 16)
		except ConnectionResetError:
			break
		if not part:
			break
		got += part
	return [json.loads(line) for line in got.splitlines()]


def ended(s):
	"""Whether the other side has closed it; what is still on the way is read."""
	try:
		while s.recv(1 << 16):
			pass
	except ConnectionResetError:
		pass
	return True


def send(s, what):
	"""As much of it as the other side takes."""
	try:
		s.sendall(what)
	except (BrokenPipeError, ConnectionResetError):
		pass


def fare(s):
	"""What came of one client of a crowd."""
	send(s, request("version", 1))
	said = replies(s, 1)
	if not said:
		return "nothing"
	if "result" in said[0]:
		return "served"
	return said[0]["error"]["message"]


def crowd(path, count):
	hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
	if hard < count + 50:
		print(f"only {hard} open files are allowed", flush=True)
		return
	resource.setrlimit(resource.RLIMIT_NOFILE, (count + 50, hard))
	clients = [connect(path) for _ in range(count)]
	fares = [fare(s) for s in clients]
	print(", ".join(f"{fares.count(f)} {f}" for f in sorted(set(fares), reverse=True)), flush=True)
	sys.stdin.read()


def lines(path):
	def long(size):
		s = connect(path)
		s.sendall(request("version", 1)[:-1].ljust(size) + b"\n")
		said = replies(s, 1)
		return s, said[0].get("error", {}).get("message", "served")

	print("longest:", long(LONGEST)[1])
	s, said = long(LONGEST + 1)
	print("longer:", said, "and closed" if ended(s) else "")

	s = connect(path)
	send(s, b"x" * (4 * LONGEST))
	print("no end:", replies(s, 1)[0]["error"]["message"], "and closed" if ended(s) else "")

	s = connect(path)
	for byte in request("version", 7):
		s.sendall(bytes([byte]))
	print("pieces:", replies(s, 1)[0]["id"])

	s = connect(path)
	s.sendall(b"".join(request("version", n) for n in range(1000)))
	print("thousand:", "in order" if [r["id"] for r in replies(s, 1000)] == list(range(1000)) else "not")

	s = connect(path)
	garbage = [os.urandom(200).replace(b"\n", b".").replace(b"\r", b".") for _ in range(300)]
	s.sendall(b"".join(g + b"\n" for g in garbage) + request("version", 8))
	said = replies(s, len(garbage) + 1)
	print("garbage:", len([r for r in said if r.get("error", {}).get("code") == -32700]),
		"refused, then", said[-1].get("id"))

	for part in (b"", b"{", request("version", 1)[:-5]):
		connect(path).sendall(part)
	print("half a line:", fare(connect(path)))


def deaf(path, vm):
	s, other = connect(path), connect(path)
	s.sendall(request("event_subscribe", 1))
	subscribed = replies(s, 1)[0]["result"]["last"]
	said = dropped = 0
	while dropped == 0 and said < 40000:
		other.sendall(b"".join(request("set_query", n, vm=vm, enabled=n % 2 == 1) for n in range(500)) +
			request("status", 500))
		answers = replies(other, 501)
		said += len([a for a in answers[:-1] if a.get("result") is True])
		dropped = answers[-1]["result"]["control"]["errors"].get("reply_not_read")
	print("dropped after" if dropped == 1 and ended(s) else f"not dropped ({dropped}) after", said, "events from", subscribed)


if __name__ == "__main__":
	what = {"crowd": lambda a: crowd(a[0], int(a[1])), "lines": lambda a: lines(a[0]),
		"deaf": lambda a: deaf(a[0], a[1])}
	what[sys.argv[1]](sys.argv[2:])
