#!/usr/bin/env python3
"""The server of download_test.sh: prints its port, and serves until it is killed.

/N.png has N bytes; /stall.png stops in its middle; /redirect leads to one of 123 bytes. The file
`peak` has how many requests were served at once at most.
"""

import http.server
import os
import re
import sys
import threading

lock = threading.Lock()
serving = 0
peak = 0


def count(change):
    global serving, peak
    with lock:
        serving += change
        if serving > peak:
            peak = serving
            with open("peak.new", "w") as file:
                file.write("%d\n" % peak)
            os.rename("peak.new", "peak")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, size, given):
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if given == size:
            count(-1)  # before the client can know that it is over
        self.wfile.write(b"x" * given)
        self.wfile.flush()

    def serve(self):
        path = self.path.split("?")[0]
        number = re.search(r"/(\d+)\.png$", path)
        if number:
            self.answer(int(number[1]), int(number[1]))
        elif path == "/":
            self.answer(5, 5)
        elif path == "/stall.png":
            self.answer(1000, 500)
            self.rfile.read()  # until the client has gone
            count(-1)
        elif path == "/redirect":
            count(-1)
            self.send_response(302)
            self.send_header("Location", "/123.png")
            self.end_headers()
        else:
            count(-1)
            self.send_error(404)

    def do_GET(self):
        count(1)
        self.serve()

    def log_message(self, format, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port)
sys.stdout.flush()
server.serve_forever()
