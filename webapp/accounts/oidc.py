"""Signing in with an organisation's OpenID Connect server, where the environment names one.

AVAL_OIDC_ISSUER, AVAL_OIDC_CLIENT_ID and AVAL_OIDC_CLIENT_SECRET (or AVAL_OIDC_CLIENT_SECRET_FILE) together switch it
on; AVAL_OIDC_NAME is what the button says. The settings call this, so it needs nothing of Django.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from webapp.environment import EnvironmentProblem, secret

PROVIDER_ID = "oidc"
"""Part of the address that the server sends people back to: /accounts/oidc/oidc/login/callback/."""


def providers() -> dict[str, Any]:
    """allauth's SOCIALACCOUNT_PROVIDERS; empty without an issuer."""
    issuer = os.environ.get("AVAL_OIDC_ISSUER", "").rstrip("/")
    if not issuer:
        return {}
    host = urlsplit(issuer).hostname
    if not host:
        raise EnvironmentProblem(f"AVAL_OIDC_ISSUER must be an address such as https://id.example.org, not {issuer}")
    app = {
        "provider_id": PROVIDER_ID,
        "name": os.environ.get("AVAL_OIDC_NAME") or host,
        "client_id": secret("AVAL_OIDC_CLIENT_ID"),
        "secret": secret("AVAL_OIDC_CLIENT_SECRET"),
        "settings": {"server_url": issuer, "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}


def origins() -> list[str]:
    """Where a sign-in form may lead besides ourselves: browsers hold form-action against redirects too."""
    parts = urlsplit(os.environ.get("AVAL_OIDC_ISSUER", ""))
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
