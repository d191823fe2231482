"""A collector of traces: it takes OTLP over HTTP, as any does, and keeps what came."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


@dataclass
class Collector:
    url: str = ""
    came: list[ResourceSpans] = field(default_factory=list)

    def spans(self, trace_id: str) -> list[tuple[str, Span]]:
        """Of one trace: each with its service."""
        return [
            (service_of(each), span)
            for each in [*self.came]
            for scope in each.scope_spans
            for span in scope.spans
            if span.trace_id.hex() == trace_id
        ]


def service_of(each: ResourceSpans) -> str:
    return next(one.value.string_value for one in each.resource.attributes if one.key == "service.name")


def told(span: Span) -> dict[str, str | int | bool]:
    """Its attributes."""
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    one = Collector()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path.partition("?")[0] == "/v1/traces"
            one.came += ExportTraceServiceRequest.FromString(body).resource_spans
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
