"""Clients of memcached on a unix socket: PROCESSES of them, N operations each; every value read must be the one written for its key."""
import multiprocessing
import socket
import sys


def value(key, version):
    return (b"%d-%d." % (key, version) * (1 + key * 7919 % 900))[: 20 + key * 31 % 9000]


def client(path, number, count, results):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    f = s.makefile("rwb")
    wrong = found = 0
    versions = {}
    base = number * 10_000_000
    for i in range(count):
        key = base + i * 7919 % (count // 2 + 1)
        if i % 3 < 2:
            versions[key] = i
            data = value(key, i)
            f.write(b"set %d 0 0 %d\r\n%s\r\n" % (key, len(data), data))
            f.flush()
            wrong += f.readline() not in (b"STORED\r\n",)
        elif i % 31 == 0:
            f.write(b"delete %d\r\n" % key)
            f.flush()
            wrong += f.readline() not in (b"DELETED\r\n", b"NOT_FOUND\r\n")
            versions.pop(key, None)
        else:
            keys = [base + (i - k) * 7919 % (count // 2 + 1) for k in range(min(i, 20))]
            f.write(b"get %s\r\n" % b" ".join(b"%d" % k for k in dict.fromkeys(keys)))
            f.flush()
            while (line := f.readline()) != b"END\r\n":
                _, name, _, size = line.split()
                data = f.read(int(size) + 2)[:-2]
                wrong += int(name) not in versions or data != value(int(name), versions[int(name)])
                found += 1
    results.put((count, found, wrong))


def main():
    path, processes, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    results = multiprocessing.Queue()
    running = [multiprocessing.Process(target=client, args=(path, i, count, results)) for i in range(processes)]
    for p in running:
        p.start()
    totals = [sum(x) for x in zip(*(results.get() for _ in running))]
    for p in running:
        p.join()
        assert p.exitcode == 0
    print(f"{totals[0]} operations, {totals[1]} values found, {totals[2]} wrong")
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b"stats\r\nflush_all\r\nquit\r\n")
    text = b""
    while part := s.recv(65536):
        text += part
    print("evictions", text.split(b"STAT evictions ")[1].split()[0].decode())


main()
