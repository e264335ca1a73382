"""The ASGI application that granian serves."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import IO, TYPE_CHECKING, Any, cast

import django
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import FileResponse
from django.urls import Resolver404, resolve, set_script_prefix

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

THREADS = 32
"""Pages that are made at once, each with its own connection to the database; further ones wait."""


class Application(ASGIHandler):
    """Django's handler, which makes a page in one thread at one go.

    Django's own goes from the event loop to a thread, made for the request, several times a page. Views that are
    coroutines (a run's event stream) stay on the loop and are left to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages = BaseHandler()
        self.pages.load_middleware(is_async=False)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if _on_the_loop(scope["path"]):
            await super().handle(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            response = await self._in_a_thread(self._page, scope, body)
            if not response.streaming:
                await self.send_response(response, send)
                return
            try:
                await self._until_done_or_gone(response, receive, send)
            finally:
                await self._in_a_thread(response.close)

    async def _in_a_thread(self, call: Any, *given: Any) -> Any:
        in_context = partial(copy_context().run, call, *given)
        return await asyncio.get_running_loop().run_in_executor(self.threads, in_context)

    def _page(self, scope: Any, body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: HttpResponseBase = self.pages.get_response(request) if request else cast("HttpResponseBase", refusal)
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if response.streaming:
            close_old_connections()
        else:
            response.close()
        return response

    async def _until_done_or_gone(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        """Send it for as long as somebody listens."""
        sending = asyncio.create_task(self.send_response(response, send))
        gone = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
        for result in await asyncio.gather(sending, gone, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, RequestAborted):
                raise result


@lru_cache(maxsize=1024)
def _on_the_loop(path: str) -> bool:
    try:
        return iscoroutinefunction(resolve(path).func)
    except Resolver404:
        return False


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
os.environ.setdefault("AVAL_KEEP_CONNECTIONS", "1")  # A new one costs more than a page.
django.setup(set_prefix=False)
application = Application()
