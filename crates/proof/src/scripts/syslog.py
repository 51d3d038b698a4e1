"""syslog.py ADDRESS PORT FOLDER: a server of syslog over TLS (RFC 5425), with server.crt and server.key of the folder. Each message becomes a line of FOLDER/received,
with `\\n` for an end of line in it; what is no message of its stated length becomes FOLDER/broken."""
import os
import socketserver
import ssl
import sys

address, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(folder, "server.crt"), os.path.join(folder, "server.key"))


def keep(name, text):
    """One write, which is one line also where several connections write."""
    with open(os.path.join(folder, name), "ab") as file:
        file.write(text.replace(b"\n", b"\\n") + b"\n")


class Messages(socketserver.BaseRequestHandler):
    def handle(self):
        with context.wrap_socket(self.request, server_side=True) as stream, stream.makefile("rb") as messages:
            while True:
                length = b""
                while not length.endswith(b" "):
                    digit = messages.read(1)
                    if not digit:
                        return
                    length += digit
                    if not digit.isdigit() and digit != b" ":
                        return keep("broken", length)
                text = messages.read(int(length))
                keep("received" if len(text) == int(length) else "broken", text)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        keep("errors", repr(sys.exc_info()[1]).encode())


Server((address, port), Messages).serve_forever()
