"""registry.py FOLDER LOGIN: a registry over TLS at port 5000 that gives the one image of an OCI layout in FOLDER, under any name and tag, to whoever logs
in with LOGIN (a file with USER:PASSWORD), as basic authentication has it (RFC 7617). FOLDER has server.crt and server.key. It writes down what it is asked,
without logins: `METHOD PATH STATUS`, a line each, in FOLDER/asked."""
import base64
import http.server
import json
import os
import ssl
import sys

folder, login = sys.argv[1], open(sys.argv[2]).read().strip()
wanted = "Basic " + base64.b64encode(login.encode()).decode()
manifest = json.load(open(f"{folder}/index.json"))["manifests"][0]


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        with open(f"{folder}/asked", "a") as asked:
            print(self.command, self.path, status, file=asked)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        if self.headers.get("Authorization") != wanted:
            return self.answer(401, WWW_Authenticate='Basic realm="lab"')
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v2"]:
            return self.answer(200)
        kind, reference = parts[-2:]
        digest = reference if reference.startswith("sha256:") else manifest["digest"]
        path = f"{folder}/blobs/sha256/{os.path.basename(digest[7:])}"
        if kind not in ("manifests", "blobs") or not os.path.exists(path):
            return self.answer(404)
        body = open(path, "rb").read()
        media = json.loads(body).get("mediaType", manifest["mediaType"]) if kind == "manifests" else "application/octet-stream"
        self.answer(200, body, Content_Type=media, Docker_Content_Digest=digest)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", 5000), Registry)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
