"""HTTP to addresses that a person typed: what may be asked, and how long for.

Private addresses are where Seerr lives, so they are allowed. Link-local ones are not: there the
metadata services of clouds answer, and hand out credentials. A name is looked up here, every
address that it has is judged, and the connection goes to the address that was judged.
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
import orjson

from shared.errors import DumbError

CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
MAX_BODY: Final = 16 * 1024 * 1024
MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_SAFE: Final = frozenset({"GET", "HEAD"})

_REFUSED_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": connects to the loopback under another name
        "169.254.0.0/16",
        "100.100.100.200/32",  # metadata of Alibaba's cloud
        "192.0.0.0/24",  # metadata of Oracle's cloud, and nothing else
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::/32",  # metadata of Amazon's cloud
        "fd20:ce::/32",  # metadata of Google's cloud
        "ff00::/8",
    )
)
_PLAIN: Final = re.compile(r"[^\s\x00-\x1f\x7f]+")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundError(DumbError):
    """There was no answer; one sentence says why, without credentials."""

    code = "outbound"


class RefusedTargetError(OutboundError):
    """We do not ask there, however often it is tried."""

    code = "outbound_refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `retry_after` is the header as it was, "" when absent."""

    status: int
    body: bytes
    retry_after: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; None for an empty one. Raises `ValueError`."""
        return orjson.loads(self.body) if self.body.strip() else None


def check_url(url: str) -> str:
    """A base URL that may be asked, without a slash at its end.

    Raises:
        RefusedTargetError: not http(s), no host, credentials, a query, or a refused address.
    """
    text = url.strip().rstrip("/")
    if not _PLAIN.fullmatch(text):
        raise RefusedTargetError("The URL cannot be read.")
    try:
        parsed = httpx.URL(text)
        port = parsed.port
    except (httpx.InvalidURL, ValueError, TypeError):
        raise RefusedTargetError("The URL cannot be read.") from None
    if parsed.scheme not in {"http", "https"}:
        raise RefusedTargetError("The URL must begin with http:// or https://.")
    if not parsed.host or (port is not None and not 0 < port < 65536):
        raise RefusedTargetError("The URL names no host.")
    if "@" in text:
        raise RefusedTargetError("The URL must not hold a user or a password.")
    if parsed.query or parsed.fragment:
        raise RefusedTargetError("The URL must not hold a query.")
    try:
        literal = ipaddress.ip_address(parsed.host)
    except ValueError:
        return text
    if is_refused(literal):
        raise RefusedTargetError(f"{parsed.host} is not asked: it is no address of a service.")
    return text


def is_refused(address: Address) -> bool:
    """Whether this address is never connected to, in whatever form it is written."""
    inner = _inner(address)
    if inner is not None and is_refused(inner):
        return True
    return any(address.version == net.version and address in net for net in _REFUSED_NETWORKS)


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    number = int(address)
    if address in _NAT64 or 1 < number < 1 << 32:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


class Outbound:
    """A pool of connections. `connections` at once; close it, or use `async with`."""

    def __init__(self, connections: int = 8) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(
            transport=_Judged(httpx.AsyncHTTPTransport(limits=limits, retries=0)),
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,  # a proxy would look the name up for us, unjudged
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: Any = None,
        seconds: float = ANSWER_S,
    ) -> Answer:
        """One request, within `seconds`. `body` is sent as JSON.

        A redirect is followed within the same scheme, host and port.

        Raises:
            RefusedTargetError: the address, or the target of a redirect, is not asked.
            OutboundError: no answer, a cut one, one of more than 16 MiB, or too late.
        """
        content = orjson.dumps(body) if body is not None else None
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(method, httpx.URL(url), headers, content)
        except UnicodeEncodeError:
            raise RefusedTargetError("the key holds a character that no header can") from None
        except TimeoutError:
            raise OutboundError(f"no answer within {seconds:g} s") from None
        except httpx.TimeoutException:
            raise OutboundError("the server does not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise OutboundError(_in_words(error)) from None

    async def _follow(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None
    ) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream(
                method, url, headers=headers, content=content
            ) as response:
                location = response.headers.get("location", "")
                if response.status_code not in _REDIRECTS or not location:
                    return await _read(response)
            target = url.join(location)
            if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
                raise RefusedTargetError("the server redirects to another host or scheme")
            if method not in _SAFE and response.status_code in {301, 302}:
                raise RefusedTargetError("the server redirects a change")
            url = target
        raise OutboundError("the server redirects without end")


async def _read(response: httpx.Response) -> Answer:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BODY:
            raise OutboundError("the answer has more than 16 MiB")
    return Answer(response.status_code, bytes(body), response.headers.get("retry-after", ""))


class _Judged(httpx.AsyncBaseTransport):
    """Looks names up, judges every address, and connects to the one that was judged."""

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = await _judged_address(host, request.url.port or _PORTS[request.url.scheme])
        request.headers.setdefault("Host", request.url.netloc.decode("ascii"))
        request.url = request.url.copy_with(host=address)
        # The certificate is that of the name, not of the address.
        request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


_PORTS: Final = {"http": 80, "https": 443}


async def _judged_address(host: str, port: int) -> str:
    """Raises `RefusedTargetError`, or `OutboundError` when the name is unknown."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if is_refused(literal):
            raise RefusedTargetError(f"{host} is not asked: it is no address of a service")
        return host
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundError(f"the name {host} is unknown") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise OutboundError(f"the name {host} is unknown")
    for address in addresses:
        if is_refused(ipaddress.ip_address(address.partition("%")[0])):
            raise RefusedTargetError(f"{host} is not asked: {address} is no address of a service")
    return addresses[0]


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError):
        return "the server cannot be reached"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return "the connection was cut"
    return f"the request failed ({type(error).__name__})"
