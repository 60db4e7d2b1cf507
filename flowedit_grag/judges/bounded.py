"""The client of a judge's server, which need not be trusted: its answers are small, plain, and its own."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
from openai import DefaultHttpxClient, OpenAI, OpenAIError

from ..errors import InputError

MOST_BYTES = 2**20  # of an answer
MOST_VALUES = 10_000  # in its JSON, each of which takes many times its bytes


class RefusedAnswer(InputError, OpenAIError):
    """Which the client raises as it is, and does not ask again."""


def client(url: str, key: str, timeout: float, retries: int) -> OpenAI:
    """A client of the server at ``url``, each of whose answers is whole ``timeout`` seconds after it began or raises
    :class:`RefusedAnswer`, as do answers that are large, compressed, or come from elsewhere."""
    home = httpx2.URL(url)

    def ask(request: httpx2.Request) -> None:
        there = request.url
        if (there.scheme, there.host, there.port) != (home.scheme, home.host, home.port):
            raise RefusedAnswer(f"the server sends its judge's questions on to another, {there.host}; name that one.")

    def answer(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise RefusedAnswer("the server's answer is compressed, which was not asked for.")
        response.stream = BoundedStream(response.stream, timeout)

    return OpenAI(
        base_url=home.copy_with(query=None),
        default_query=dict(home.params),
        default_headers={"Accept-Encoding": "identity"},
        api_key=key,
        timeout=timeout,
        max_retries=retries,
        http_client=DefaultHttpxClient(event_hooks={"request": [ask], "response": [answer]}),
    )


class BoundedStream(httpx2.SyncByteStream):
    """What an answer is made of, in one piece."""

    def __init__(self, stream: Any, seconds: float):
        self.stream, self.seconds, self.end = stream, seconds, time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        found, values = bytearray(), 0
        for part in self.stream:
            found += part
            values += sum(map(part.count, (b"[", b"{", b",")))
            if len(found) > MOST_BYTES or values > MOST_VALUES:
                raise RefusedAnswer(f"the server's answer has more than {MOST_BYTES} bytes or {MOST_VALUES} values.")
            if time.monotonic() > self.end:
                raise RefusedAnswer(f"no whole answer within {self.seconds:g} seconds.")
        yield bytes(found)

    def close(self) -> None:
        self.stream.close()
