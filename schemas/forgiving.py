"""Values of settings as people write them, turned into the form that is used.

Only what can mean one thing is forgiven. What is not clear raises ValueError with words for the person, which
never repeat the value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel

_QUOTES: Final = "\"'“”‘’"
_SUBDOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_ZENDESK_HOST: Final = ".zendesk.com"
_THOUSANDS: Final = re.compile(r"\d{1,3}([,_' ]\d{3})+")
_HEADER: Final = re.compile(r"(?:authorization\s*:\s*)?(?:bearer\s+)?", re.IGNORECASE)
_IN_HEADERS: Final = re.compile(r"[ -~]+")
_SLIP: Final = re.compile(r"(https?|grpcs?)(?::/(?!/)|//)", re.IGNORECASE)
"""A scheme with a sign too few behind it."""
_BASIC: Final = re.compile(r"(?:authorization\s*:\s*)?basic\s", re.IGNORECASE)
_PLAIN_KAFKA: Final = re.compile(r"(?:kafka|plaintext|http|tcp)://", re.IGNORECASE)
_OF_ZENDESK: Final = re.compile(r"/(?:api|agent|admin|hc)(?:/.*)?")
_VERSION: Final = re.compile(r"/v\d+(?:beta\d*|alpha\d*)?(?:/traces|/\.well-known.*|/models.*)?")


def tidied(kind: type[BaseModel], given: Any) -> Any:
    """Return the values of a group of settings without blanks and quotes around them.

    One of blanks only counts as not set. Numbers lose the marks between their thousands, and words of which
    there are only some to choose from are put into small letters.
    """
    if not isinstance(given, dict):
        return given
    found: dict[str, Any] = {}
    for name, value in given.items():
        field = kind.model_fields.get(name)
        if isinstance(value, str):
            value = _bare(value)
            if not value:
                continue
            annotation = field.annotation if field else None
            if _is_choice(annotation):
                value = value.lower()
            elif _THOUSANDS.fullmatch(value) and ({int, float} & {annotation, *get_args(annotation)}):
                value = re.sub(r"\D", "", value)
        found[name] = value
    return found


def _bare(text: str) -> str:
    text = text.strip()
    while len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def _is_choice(annotation: Any) -> bool:
    arguments = get_args(annotation)
    words = arguments + tuple(word for one in arguments for word in get_args(one))
    return any(isinstance(word, str) for word in words)


def subdomain(text: str) -> str:
    """Return the account's name of a subdomain, its host, or any address in it."""
    text = text.lower()
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    name = host.removesuffix(_ZENDESK_HOST)
    if _SUBDOMAIN.fullmatch(name) and name not in ("www", "zendesk"):
        return name
    if "." in name and _is_host(host):
        raise ValueError(
            "is a host, and no account's name: set it to what stands before .zendesk.com, and a host of your "
            "own in TICKETSTREAM_ZENDESK__BASE_URL"
        )
    raise ValueError("is no account's name: set it to `acme` for https://acme.zendesk.com")


def with_account(given: Any) -> Any:
    """Return what is given for Zendesk, with the account where only its own address is."""
    if (
        isinstance(given, dict)
        and not given.get("subdomain")
        and (name := _account_of(given.get("base_url")))
    ):
        return {**given, "subdomain": name}
    return given


def _account_of(base_url: Any) -> str | None:
    if not isinstance(base_url, str):
        return None
    text = _bare(base_url).lower()
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    name = host.removesuffix(_ZENDESK_HOST)
    return name if name != host and _SUBDOMAIN.fullmatch(name) and name != "www" else None


def zendesk_url(text: str) -> str:
    """Return the address of an account without what follows its host in a browser or the API."""
    return _cut(url(text), _OF_ZENDESK)


def api_url(text: str) -> str:
    """Return the address of a service without the version of its API behind it."""
    return _cut(url(text), _VERSION)


def collector_url(text: str) -> str:
    """Return the address of a collector, which may have a login in it, without the path of an API."""
    return _cut(url(text, login=True), _VERSION)


def url(text: str, *, plain: str = "http", safe: str = "https", login: bool = False) -> str:
    """Return an address with its scheme, without a slash at the end and what a browser has after ? or #.

    A machine of one's own (``localhost``, an IP address, a name without dots) is reached by ``plain``, a name
    with dots and no port, or port 443, by ``safe``. ``login`` says whether ``NAME:PASSWORD@`` may stand
    before the host.
    """
    text = re.split(r"[?#]", text, maxsplit=1)[0]
    if slip := _SLIP.match(text):
        text = f"{slip[1]}://{text[slip.end() :]}"
    if "://" not in text:
        text = f"{_scheme(text.lstrip('/'), plain, safe)}://{text.lstrip('/')}"
    scheme, _, rest = text.partition("://")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not _is_host(host):
        raise ValueError(f"is no address: set it as {safe}://HOST or {plain}://HOST:PORT")
    name, at, _ = parts.netloc.rpartition("@")
    if at and not login:
        raise ValueError("has a login in it: set that in settings of its own")
    host, slash, below = rest.removeprefix(name + at).partition("/")
    return f"{scheme.lower()}://{name}{at}{host.lower()}{slash}{below}".rstrip("/")


def grpc_url(text: str) -> str:
    """Return the address of a gRPC service with its scheme."""
    return url(text, plain="grpc", safe="grpcs")


def _scheme(text: str, plain: str, safe: str) -> str:
    host, _, port = (
        text.partition("/")[0].rpartition(":") if ":" in text else (text.partition("/")[0], "", "")
    )
    if not port.isdecimal() and port:
        raise ValueError(f"is no address: set it as {safe}://HOST or {plain}://HOST:PORT")
    if "." not in host or _is_ip(host):
        return plain
    if port in ("", "443"):
        return safe
    raise ValueError(f"has no scheme: begin it with {plain}:// or {safe}://")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_host(host: str) -> bool:
    return _is_ip(host) or re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", host) is not None


def _cut(text: str, path: re.Pattern[str]) -> str:
    scheme, _, rest = text.partition("://")
    host, slash, below = rest.partition("/")
    return f"{scheme}://{host}" if path.fullmatch(slash + below) else text


def email(text: str) -> str:
    """Return an agent's address without the ``/token`` that the API wants behind it."""
    address = re.sub(r"/token\s*(?::.*)?$", "", text, flags=re.IGNORECASE).removeprefix("mailto:")
    if "@" not in address:
        raise ValueError("is no e-mail address: set it to that of the agent who made the API token")
    return address


def token(text: str) -> str:
    """Return a token without the word that a header has before it."""
    if _BASIC.match(text):
        raise ValueError("is a header for a login by name: set only the token itself, without `Basic`")
    found = _bare(_HEADER.sub("", f"{text} ", count=1))
    if not _IN_HEADERS.fullmatch(found):
        raise ValueError("is empty, or has line ends or letters in it that no token has: copy it again")
    return found


def api_token(text: str) -> str:
    """Return an API token without the address that stands before it in a login."""
    return token(re.sub(r"^\S+@\S+/token:", "", text))


def servers(text: str) -> str:
    """Return Kafka's addresses as ``host:port,host:port``."""
    found = []
    for one in re.split(r"[\s,;]+", text):
        bare = _PLAIN_KAFKA.sub("", one).rstrip("/")
        if "://" in bare:
            raise ValueError("has a scheme: set it as host:port; Kafka is reached without TLS")
        if bare:
            found.append(bare)
    if not found or not all(
        re.fullmatch(r"[^/:@]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", one) for one in found
    ):
        raise ValueError("is no address: set it as host:port[,host:port]")
    return ",".join(found)


def model(text: str) -> str:
    """Return a model's name without the folder that Gemini's API puts before it."""
    return text.removeprefix("models/")


def level(text: str) -> str:
    """Return a log level by the name it has here."""
    return "warning" if text == "warn" else text


def forgiven(forgive: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return a validator that forgives texts, and lets everything else pass."""

    def validate(value: Any) -> Any:
        return forgive(value) if isinstance(value, str) else value

    return validate
