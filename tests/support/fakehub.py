# SPDX-License-Identifier: GPL-3.0-only
"""A Hugging Face compatible hub on loopback, for tests: an endpoint host and a second host where large files are.

Speaks what the reference client relies on: model info with blobs, the file tree with pages, HEAD and GET of files with
X-Repo-Commit, X-Linked-Etag, X-Linked-Size and a redirect to a signed address on the second host that expires, ranges,
gated and missing repositories, renamed repositories (relative redirect), rate limits. Faults are switched on by the test:
    hub.break_after = 100_000   the next transfer of a large file breaks after that many bytes
    hub.break_always = True     … and so does every one after it
    hub.expire_next = True      the next signed address is refused once with 403
    hub.rate_limit = 2          the next N requests to the endpoint get 429
    hub.flip_bytes = True       large files arrive damaged
    hub.ignore_ranges = True    Range is answered with 200 and the whole file
    hub.slow = 0.01             seconds to wait before each 64 KiB of a large file
Every request is kept in hub.log as (host, method, path, range, authorization).
"""
import hashlib
import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 64 * 1024


class HubFile:
    def __init__(self, data, lfs):
        self.data = data
        self.lfs = lfs
        if lfs:
            self.etag = hashlib.sha256(data).hexdigest()
        else:
            self.etag = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """Use as a context manager; `endpoint` is the value for HF_ENDPOINT."""

    def __init__(self, page_size=1000):
        self.repositories = {}  # name -> {path: HubFile}
        self.renamed = {}       # old name -> new name
        self.gated = set()
        self.page_size = page_size
        self.token = None       # required for gated repositories
        self.break_after = None
        self.break_always = False
        self.expire_next = False
        self.rate_limit = 0
        self.flip_bytes = False
        self.ignore_ranges = False
        self.slow = 0
        self.log = []
        self._lock = threading.Lock()
        self._signatures = set()
        self._servers = []

    def add(self, repository, path, data, lfs=None):
        lfs = len(data) > 100_000 if lfs is None else lfs
        self.repositories.setdefault(repository, {})[path] = HubFile(data, lfs)

    def __enter__(self):
        self.endpoint = self._start(EndpointHandler)
        self.store = self._start(StoreHandler)
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _start(self, handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.hub = self
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def sign(self, repository, path):
        signature = hashlib.md5(f"{repository}{path}{time.monotonic_ns()}".encode()).hexdigest()
        with self._lock:
            self._signatures.add(signature)
        query = urllib.parse.urlencode({"repository": repository, "path": path, "signature": signature})
        return f"{self.store}/object?{query}"

    def accept_signature(self, signature):
        """False once when expire_next is set: as if the address had been handed out an hour ago."""
        with self._lock:
            if self.expire_next:
                self.expire_next = False
                self._signatures.discard(signature)
            return signature in self._signatures

    def transferred(self, method="GET"):
        """Paths that were fetched from the store, with their ranges."""
        return [(path, ranges) for host, verb, path, ranges, _ in self.log if host == "store" and verb == method]


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host = ""

    def log_message(self, *_):
        pass

    @property
    def hub(self):
        return self.server.hub

    def do_HEAD(self):
        self.handle_request()

    def do_GET(self):
        self.handle_request()

    def handle_request(self):
        with self.hub._lock:
            self.hub.log.append((self.host, self.command, urllib.parse.unquote(self.path), self.headers.get("Range"),
                                 self.headers.get("Authorization")))
        try:
            self.respond()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, status, body=b"", headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message):
        self.send(status, json.dumps({"error": message}).encode(),
                  {"X-Error-Code": code, "X-Error-Message": message, "Content-Type": "application/json"})


class EndpointHandler(HubHandler):
    host = "endpoint"

    def respond(self):
        with self.hub._lock:
            limited = self.hub.rate_limit > 0
            self.hub.rate_limit -= limited
        if limited:
            return self.send(429, b"slow down", {"ratelimit": '"api";r=0;t=1'})
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        for old, new in self.hub.renamed.items():
            if old in path:
                return self.send(307, headers={"Location": path.replace(old, new) + (f"?{url.query}" if url.query else "")})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?", path):
            return self.respond_info(match[1], match[2], match[3], urllib.parse.parse_qs(url.query))
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.respond_file(match[1], match[2], match[3])
        self.send(404, b"not found")

    def find(self, name, revision):
        if name in self.hub.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.refuse(403, "GatedRepo", f"Access to model {name} is restricted.")
        elif name not in self.hub.repositories:
            self.refuse(404 if self.headers.get("Authorization") else 401, "RepoNotFound", "Repository not found")
        elif revision not in (None, "main", COMMIT):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return self.hub.repositories[name]
        return None

    def respond_info(self, name, kind, revision, query):
        files = self.find(name, revision)
        if files is None:
            return
        if kind == "tree":
            return self.respond_tree(name, revision, files, int(query.get("cursor", ["0"])[0]))
        siblings = []
        for path, file in files.items():
            sibling = {"rfilename": path}
            if "blobs" in query:
                sibling |= {"size": len(file.data), "blobId": file.etag}
                if file.lfs:
                    sibling["lfs"] = {"sha256": file.etag, "size": len(file.data), "pointerSize": 134}
            siblings.append(sibling)
        body = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "downloads": 1,
                "siblings": siblings}
        self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def respond_tree(self, name, revision, files, cursor):
        page = list(files.items())[cursor:cursor + self.hub.page_size]
        entries = []
        for path, file in page:
            entry = {"type": "file", "path": path, "size": len(file.data), "oid": file.etag}
            if file.lfs:
                entry["lfs"] = {"oid": file.etag, "size": len(file.data), "pointerSize": 134}
            entries.append(entry)
        headers = {"Content-Type": "application/json"}
        if cursor + self.hub.page_size < len(files):
            following = f"{self.hub.endpoint}/api/models/{name}/tree/{revision}?recursive=true&cursor={cursor + self.hub.page_size}"
            headers["Link"] = f'<{following}>; rel="next"'
        self.send(200, json.dumps(entries).encode(), headers)

    def respond_file(self, name, revision, path):
        files = self.find(name, revision)
        if files is None:
            return
        if path not in files:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        file = files[path]
        headers = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.data)),
                        "ETag": '"unrelated"', "Location": self.hub.sign(name, path)}
            return self.send(302, b"Found. Redirecting", headers)
        headers["ETag"] = f'W/"{file.etag}"'
        self.send(200, file.data, headers)


class StoreHandler(HubHandler):
    host = "store"

    def respond(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if not self.hub.accept_signature(query.get("signature")):
            return self.send(403, b"<Error>Request has expired</Error>")
        data = self.hub.repositories[query["repository"]][query["path"]].data
        start = self.range_start(len(data))
        if start is None:
            return self.send(416, headers={"Content-Range": f"bytes */{len(data)}"})
        headers = {"Content-Type": "application/octet-stream"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if self.hub.flip_bytes:
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        self.send(206 if start else 200, headers=headers, length=len(body))
        if self.command == "GET":
            self.transfer(body)

    def range_start(self, size):
        """First byte wanted; None where the range cannot be served."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match or self.hub.ignore_ranges:
            return 0
        return int(match[1]) if int(match[1]) < size else None

    def transfer(self, body):
        with self.hub._lock:
            limit = self.hub.break_after
            if not self.hub.break_always:
                self.hub.break_after = None
        for offset in range(0, len(body), CHUNK):
            if self.hub.slow:
                time.sleep(self.hub.slow)
            piece = body[offset:offset + CHUNK]
            if limit is not None and offset + len(piece) > limit:
                self.wfile.write(piece[:limit - offset])
                self.close_connection = True
                return
            self.wfile.write(piece)
