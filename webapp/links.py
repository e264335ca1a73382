"""Addresses in pages, worked out once: a page has dozens, and Django looks for the pattern anew for each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.template import defaulttags
from django.template.base import Parser, Token
from django.template.context import Context
from django.urls import get_script_prefix, reverse
from django.utils.html import conditional_escape

register = template.Library()


class Storage(StaticFilesStorage):
    """Static files, each with one address for as long as the process lives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: dict[str | None, str] = {}

    def url(self, name: str | None) -> str:
        if name not in self._known:
            self._known[name] = super().url(name)
        return self._known[name]


class URLNode(defaulttags.URLNode):
    """``{% url %}`` for names that are the same wherever the page is; those of an application's own go Django's way."""

    def render(self, context: Context) -> str:
        if self.asvar or self.args:
            return str(super().render(context))
        given = tuple((name, value.resolve(context)) for name, value in self.kwargs.items())
        address = _address(self.view_name.resolve(context), given, get_script_prefix())
        return conditional_escape(address) if context.autoescape else address


@register.tag
def url(parser: Parser, token: Token) -> URLNode:
    node = defaulttags.url(parser, token)
    return URLNode(node.view_name, node.args, node.kwargs, node.asvar)


@lru_cache(maxsize=4096)
def _address(name: str, given: tuple[tuple[str, Any], ...], _prefix: str) -> str:
    return reverse(name, kwargs=dict(given))
