"""Opens files in clangd as an editor would; prints how many diagnostics and symbols come back.

CLANGD is the command; PAUSE is how many seconds to wait before the last file.
"""
import json
import os
import subprocess
import sys
import time

server = subprocess.Popen(os.environ["CLANGD"].split() + ["--log=error", "-j=2", "--background-index=false"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    server.stdin.flush()


def receive():
    length = 0
    while True:
        line = server.stdout.readline()
        if not line:
            sys.exit("clangd closed its output")
        if line == b"\r\n":
            return json.loads(server.stdout.read(length))
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])


def wait(test):
    while True:
        message = receive()
        if test(message):
            return message


send({"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}})
wait(lambda m: m.get("id") == 1)
for number, name in enumerate(sys.argv[1:], 2):
    uri = "file://" + os.path.abspath(name)
    language = "cpp" if name.endswith("cpp") else "c"
    if number == len(sys.argv):
        time.sleep(int(os.environ["PAUSE"]))
    with open(name, encoding="utf-8") as file:
        text = file.read().replace("COUNT", "2")
    send({"method": "textDocument/didOpen", "params": {"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}}})
    reply = wait(lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri)
    send({"id": number, "method": "textDocument/documentSymbol", "params": {"textDocument": {"uri": uri}}})
    symbols = wait(lambda m: m.get("id") == number).get("result") or []
    print(f"{name}: {len(reply['params']['diagnostics'])} diagnostics, {len(symbols)} symbols", flush=True)
    send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri}}})
send({"id": 100, "method": "shutdown"})
wait(lambda m: m.get("id") == 100)
send({"method": "exit"})
sys.exit(server.wait(30))
