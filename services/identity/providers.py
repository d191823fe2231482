"""Who else may say who somebody is: providers of OpenID Connect, such as FranceConnect, as the operator's file names them.

providers:
  - {id: franceconnect, name: FranceConnect, issuer: https://..., client_id: ..., client_secret: ..., acr: [eidas1]}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from services.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Provider:
    """One of the file's `providers`."""

    id: str
    name: str  #: As people know it.
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ("openid",)
    acr: tuple[str, ...] = ()  #: How sure it has to be: asked for, and one of them is needed.
    second_factor: frozenset[str] = frozenset()  #: Its `acr` or `amr` that count as a second factor; none unless the file says so.


ID = re.compile(r"[A-Za-z0-9_-]+")
TEXTS = ("id", "name", "issuer", "client_id", "client_secret")
LISTS = ("scopes", "acr", "second_factor")


def read_providers(path: str | None, *, production: bool) -> dict[str, Provider]:
    """By id, in the file's order. Raises SettingsError, which never repeats a secret."""
    if path is None:
        return {}
    try:
        file = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"PREAU_OIDC: {path} cannot be read ({type(error).__name__})") from None
    listed = file.get("providers") if isinstance(file, dict) else None
    if not isinstance(listed, list):
        raise SettingsError(f"PREAU_OIDC: {path} has a list `providers`")
    found: dict[str, Provider] = {}
    for number, one in enumerate(listed, 1):
        provider = _provider(one, f"PREAU_OIDC: {path}, provider {number}", production=production)
        if not ID.fullmatch(provider.id) or provider.id == "retour":
            raise SettingsError(f"PREAU_OIDC: {path}: an id is letters, digits, - and _, not `retour`: pages have it in their address")
        if provider.id in found:
            raise SettingsError(f"PREAU_OIDC: {path}: {provider.id} is there twice")
        found[provider.id] = provider
    return found


def _provider(one: Any, where: str, *, production: bool) -> Provider:
    if not isinstance(one, Mapping):
        raise SettingsError(f"{where}: {', '.join(TEXTS)} are expected")
    if unknown := sorted(str(name) for name in set(one) - {*TEXTS, *LISTS}):
        raise SettingsError(f"{where}: {', '.join(unknown)} is not known")
    for name in TEXTS:
        if not isinstance(one.get(name), str) or not one[name].strip():
            raise SettingsError(f"{where}: {name} is a text")
    for name in LISTS:
        if not isinstance(one.get(name, []), list) or not all(isinstance(text, str) for text in one.get(name, [])):
            raise SettingsError(f"{where}: {name} is a list of texts")
    scheme = urlsplit(one["issuer"]).scheme
    if scheme != "https" and (production or scheme != "http"):
        raise SettingsError(f"{where}: issuer begins with https://")
    scopes = tuple(dict.fromkeys(("openid", *one.get("scopes", []))))
    texts = {name: one[name].strip() for name in TEXTS}
    return Provider(**texts, scopes=scopes, acr=tuple(one.get("acr", [])), second_factor=frozenset(one.get("second_factor", [])))
