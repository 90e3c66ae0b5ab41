"""An HTTPS server on loopback, for tests and benchmarks; imports the standard library alone."""

import http.server
import ssl
import threading


class Server:
    """An HTTPS server on loopback that says ``hello``, with a certificate for localhost."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._http.server_address[1]
        self.url = f"https://localhost:{self.port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET with ``hello``; a client that breaks off the handshake is no news."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        pass
