"""The little of a browser that a simulated panellist needs: cookies, forms and the text of marked elements.

It talks to the web application as a person's browser does, CSRF token included; there is no other way in.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Form:
    """One form as the page has it: where it goes and what is already filled in."""

    id: str
    action: str
    attributes: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A parsed page: the text of every element with an id, and its forms."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.text: dict[str, str] = {}
        self.forms: list[Form] = []
        self._open: list[tuple[str, str]] = []
        self._form: Form | None = None
        self.feed(html)
        self.close()

    def form(self, form_id: str) -> Form:
        for form in self.forms:
            if form.id == form_id:
                return form
        raise LookupError(f"the page {self.url} has no form {form_id!r}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(found.get("id", ""), found.get("action", ""), found)
            self.forms.append(self._form)
        elif tag in {"input", "textarea"} and self._form is not None and found.get("name"):
            self._fill(self._form, found)
        if tag not in VOID:
            self._open.append((tag, found.get("id", "")))
            if found.get("id"):
                self.text.setdefault(found["id"], "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                return

    def handle_data(self, data: str) -> None:
        for _tag, element_id in self._open:
            if element_id:
                self.text[element_id] += data

    @staticmethod
    def _fill(form: Form, found: Mapping[str, str]) -> None:
        kind = found.get("type", "text")
        if kind in {"radio", "checkbox"} and "checked" not in found:
            return
        if kind not in {"submit", "button"}:
            form.values[found["name"]] = found.get("value", "")


class Browser:
    """One person's session with the web application."""

    def __init__(self, address: str, *, timeout: float = 30.0) -> None:
        self.address = address.rstrip("/")
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> Page:
        return self._read(self._request(self._url(path)))

    def submit(self, page: Page, form: Form, values: Mapping[str, str]) -> Page:
        """Send a form with what it already holds and what the person filled in."""
        body = urllib.parse.urlencode({**form.values, **values}).encode()
        target = urllib.parse.urljoin(page.url, form.action)
        return self._read(self._request(target, body, referer=page.url))

    def sign_in(self, username: str, password: str) -> Page:
        """Sign in; PermissionError when the application refuses."""
        page = self.get("/accounts/login/")
        form = next(form for form in page.forms if "username" in form.values)
        landed = self.submit(page, form, {"username": username, "password": password})
        if "/accounts/login/" in landed.url:
            raise PermissionError(f"the web application did not let {username} sign in")
        return landed

    @staticmethod
    def _request(url: str, body: bytes | None = None, *, referer: str = "") -> urllib.request.Request:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url} is not a web address")
        return urllib.request.Request(url, data=body, headers={"Referer": referer} if referer else {})  # noqa: S310

    def _url(self, path: str) -> str:
        return urllib.parse.urljoin(self.address + "/", path)

    def _read(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return Page(response.geturl(), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(400).decode(errors="replace")
            raise ConnectionError(f"{request.full_url} answered {error.code}: {detail}") from error
