"""Asks moe-lsp-server about a module with a router of k = 2, and about one that chooses too many,
as an editor does: lsp.py MODULE.mlir"""

import json
import pathlib
import subprocess
import sys

path = pathlib.Path(sys.argv[1])
server = subprocess.Popen(["moe-lsp-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)


def send(method, params, number=None):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        message["id"] = number
    body = json.dumps(message).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def receive():
    length = 0
    while line := server.stdout.readline().strip():
        name, value = line.split(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(server.stdout.read(length))


def reply(number):
    """The reply to a request; what else comes before it is printed."""
    while True:
        message = receive()
        if message.get("id") == number:
            return message["result"]
        if message.get("method") == "textDocument/publishDiagnostics":
            for diagnostic in message["params"]["diagnostics"]:
                print("line", diagnostic["range"]["start"]["line"], diagnostic["message"])


def open_document(name, text):
    uri = path.resolve().with_name(name).as_uri()
    document = {"uri": uri, "languageId": "mlir", "version": 1, "text": text}
    send("textDocument/didOpen", {"textDocument": document})
    return {"uri": uri}


send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 0)
print("server:", reply(0)["serverInfo"]["name"])
send("initialized", {})
text = path.read_text()
document = open_document(path.name, text)
line, column = next((i, row.index("moe.route")) for i, row in enumerate(text.splitlines())
                    if "moe.route" in row)
position = {"line": line, "character": column}
send("textDocument/hover", {"textDocument": document, "position": position}, 1)
print("hover:", reply(1)["contents"]["value"])
open_document("wrong.mlir", text.replace("k = 2", "k = 9"))
send("shutdown", None, 2)
reply(2)
send("exit", None)
print("exit", server.wait())
