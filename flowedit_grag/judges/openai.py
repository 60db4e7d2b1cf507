"""A vision-language model behind any OpenAI-compatible server as the judge (ICEdit used Qwen2.5-VL 72B, §B.3)."""

import os
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from threading import Thread
from typing import Any

from PIL import Image

from ..errors import InputError, first_line
from ..hidden import address
from .answers import NO_JSON, json_in
from .base import Verdict
from .prompt import question

SCHEMA = {
    "type": "object",
    "properties": {"winner": {"type": "integer", "enum": [1, 2]}, "reason": {"type": "string"}},
    "required": ["winner", "reason"],
    "additionalProperties": False,
}
URL = re.compile(r"https?://([^\s@/?#]*@)?(\w[\w.-]*|\[[\da-fA-F:.]+\])(:\d{1,5})?([/?#;][^\s@]*)?")
GRACE = 1.0  # seconds, in which the client may say itself what is wrong


@dataclass(frozen=True)
class OpenAIJudge:
    """Asks the question of Fig. 13; whatever goes wrong on the way to a 1 or a 2 is undecided, with its reason.

    The key is taken from ``OPENAI_API_KEY``; servers of one's own need none.

    Attributes:
        model: what the server calls it.
        url: of the API, as a rule ending in ``/v1``.
        timeout: seconds without a word from the server; a question, with all its retries, takes so many for each try.
        retries: by the client, after timeouts, refused connections and 408, 409, 429 and 5xx.
        patience: seconds for all comparisons of one selection, after which no more is asked.

    What its server may answer is limited: see :mod:`.bounded`.
    """

    model: str
    url: str
    timeout: float = 60.0
    retries: int = 2
    patience: float = 600.0

    def __post_init__(self):
        object.__setattr__(self, "url", address(self.url))
        if find_spec("openai") is None:
            raise InputError("this judge needs the openai client; pip install flowedit-grag[judge].")
        check_server(self.model, self.url)

    @staticmethod
    def arguments(rest: str) -> tuple[str, str]:
        """From what follows ``openai:`` in a judge's name, ``MODEL@URL``. Raises :class:`InputError` for less."""
        model, _, url = re.sub(r"@(?=https?://)", "\n", rest, count=1).partition("\n")
        check_server(model, url)
        return model, url

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
        try:
            return _verdict(self.answer(question(instruction), (first, second, original), SCHEMA))
        except InputError as error:
            return _undecided(str(error))
        except Exception as error:  # previews that cost minutes must not be lost to a server's bad day
            return _undecided(f"{type(error).__name__}: {first_line(error)}")

    def answer(self, text: str, images: Sequence[Image.Image], schema: dict[str, Any]) -> Any:
        """What the model answers to ``images`` and then ``text``: JSON of ``schema``, if the server keeps to it.

        Raises :class:`InputError` for an answer that is no JSON, and whatever the client raises.
        """
        pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in images]
        wanted = {"name": "answer", "strict": True, "schema": schema}
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}],
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": wanted},
        }
        from .bounded import client

        key = os.environ.get("OPENAI_API_KEY") or "none"  # the client insists on one
        server = client(self.url, key, self.timeout, self.retries)
        try:
            completion = _within(self.timeout * (1 + self.retries), partial(server.chat.completions.create, **asked))
        finally:
            with suppress(Exception):  # a thread may still be listening
                server.close()
        return _json(completion)


def check_server(model: str, url: str) -> None:
    """Raise :class:`InputError`, which does not show what may be a password, unless both can be used."""
    if not model or not url:
        raise InputError("the remote judge is named openai:MODEL@URL, as in openai:qwen@http://localhost:8000/v1.")
    if not URL.fullmatch(url):
        raise InputError(
            "the judge's address is not that of a server, as in http://localhost:8000/v1; in a user, a password or a "
            "query, percent-encode what is neither letter nor digit."
        )


def _within(seconds: float, ask: Callable[[], Any]) -> Any:
    """What ``ask()`` returns or raises. The client's own time-out begins again with every byte, and a server that drips
    would never be given up; the thread that still listens to it ends when the client is closed."""
    answer: Future[Any] = Future()

    def listen() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=listen, daemon=True).start()
    try:
        return answer.result(seconds + GRACE)
    except TimeoutError:
        raise InputError(f"no whole answer within {seconds:g} seconds.") from None


def data_url(image: Image.Image) -> str:
    """``image`` as a PNG in a URL."""
    png = BytesIO()
    image.convert("RGB").save(png, "PNG")
    return f"data:image/png;base64,{b64encode(png.getvalue()).decode()}"


def _json(completion: Any) -> Any:
    """The JSON in a chat completion. Nothing else in it is used, and its words are only ever shown."""
    try:
        message = completion.choices[0].message
    except (AttributeError, LookupError, TypeError):
        raise InputError("what the server sent is not a chat completion; is the address that of its API?") from None
    if refusal := getattr(message, "refusal", None):
        raise InputError(f"the model refused: {refusal}")
    return json_in(getattr(message, "content", None))


def _verdict(said: Any) -> Verdict:
    """The verdict in the answer ``said``."""
    try:
        winner, reason = said["winner"], str(said.get("reason", ""))
    except (TypeError, KeyError, AttributeError):
        return _undecided(f"{NO_JSON}: {said}")
    winner = {"1": 1, "2": 2}.get(winner, winner) if isinstance(winner, str) else winner
    if type(winner) is not int or winner not in (1, 2):  # True == 1
        return _undecided(f"the answer is neither 1 nor 2 but {winner!r}")
    return Verdict(1 if winner == 1 else 2, reason)


def _undecided(reason: str) -> Verdict:
    return Verdict(None, reason)
