"""The command of the proxy container: HAProxy, and a certificate that is followed.

DUMB_TRUSTED_UPSTREAMS: addresses and networks of proxies in front of this one, with commas between.
Their X-Forwarded-For and X-Forwarded-Proto are believed; from all others both are replaced.

DUMB_TLS_CERT and DUMB_TLS_KEY name two PEM files; without them the proxy speaks plain HTTP. HAProxy
reads both from one file of ours. When they change, the new pair is handed over through HAProxy's
runtime API, which replaces it between two connections: a reload would begin without servers, and
answer 503 until it has found them again. A pair that cannot be used leaves the old one in use.

Only the standard library: the image has nothing else.
"""

import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = os.environ.get("DUMB_PROXY_CONFIG", "/etc/haproxy/haproxy.cfg")
LOOK_S = 2.0
EX_CONFIG = 78


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def pem_of(cert: str, key: str) -> str:
    """Certificate, chain and key in one text.

    Raises:
        OSError, ValueError: a file cannot be read, or the key is not that of the certificate.
    """
    for path in (Path(cert), Path(key)):
        if path.exists() and not path.is_file():  # reading a FIFO would never end
            raise ValueError(f"{path} is not a file")
    text = f"{Path(cert).read_text(encoding='ascii')}\n{Path(key).read_text(encoding='ascii')}"
    text = "".join(f"{line}\n" for line in text.splitlines() if line.strip())
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # it is for our eyes only
        file.write(text)
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name, password=lambda: "")
    return text


def networks_of(listed: str) -> str:
    """`listed`, with commas between, as HAProxy takes it: with spaces between.

    Raises:
        ValueError: one is not an address or a network, or is a network of everybody.
    """
    found = []
    for item in filter(None, (part.strip() for part in listed.split(","))):
        network = ipaddress.ip_network(item, strict=False)
        if network.prefixlen == 0:
            raise ValueError(f"{item} are all addresses: everybody could choose theirs")
        found.append(str(network))
    return " ".join(found)


def stamp(*paths: str) -> list[tuple[int, int, int]]:
    """What differs after a change. Links are followed: renewal tools swap them."""
    found = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_ctime_ns, status.st_size))
    return found


def ask(control: str, command: str) -> str:
    """One command of HAProxy's runtime API; its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(control)
        connection.sendall(command.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(4096):
            answer += data
    return answer.decode(errors="replace").strip()


def hand_over(control: str, file: Path, pem: str) -> None:
    """Make HAProxy show another certificate from now on.

    Raises:
        OSError, ValueError: it does not take it.
    """
    said = ask(control, f"set ssl cert {file} <<\n{pem}\n")
    if "Transaction" in said:
        said = ask(control, f"commit ssl cert {file}\n")
    if "Success" not in said:
        raise ValueError(f"HAProxy says: {said[:200]}")


def follow(haproxy: "subprocess.Popen[bytes]", cert: str, key: str, run: Path) -> int:
    """Until HAProxy ends, which is when we are told to; its exit code."""
    file, control = run / "site.pem", str(run / "control")
    seen = stamp(cert, key)
    while True:
        try:
            code = haproxy.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return code if code >= 0 else 128 - code
        found = stamp(cert, key)
        if found == seen:
            continue
        seen = found
        try:
            hand_over(control, file, pem_of(cert, key))
        except (OSError, ValueError) as error:
            say(f"The old certificate stays in use: {cert}, {key}: {error}.")
        else:
            say(f"New connections get the new certificate of {cert}.")


def main() -> int:
    cert, key = os.environ.get("DUMB_TLS_CERT", ""), os.environ.get("DUMB_TLS_KEY", "")
    if bool(cert) != bool(key):
        say("DUMB_TLS_CERT and DUMB_TLS_KEY: set both, or neither.")
        return EX_CONFIG
    try:
        upstreams = networks_of(os.environ.get("DUMB_TRUSTED_UPSTREAMS", ""))
    except ValueError as error:
        say(f"DUMB_TRUSTED_UPSTREAMS: name addresses or networks, with commas: {error}.")
        return EX_CONFIG
    os.environ.pop("DUMB_PROXY_UPSTREAMS", None)
    if upstreams:
        os.environ["DUMB_PROXY_UPSTREAMS"] = upstreams
    command = ["haproxy", "-W", "-db", "-f", CONFIG]
    if not cert:
        os.environ.pop("DUMB_PROXY_TLS", None)
        os.execvp(command[0], command)  # noqa: S606 - this container's program
    with tempfile.TemporaryDirectory(prefix="dumb-proxy-") as directory:
        run = Path(directory)
        try:
            pem = pem_of(cert, key)
        except (OSError, ValueError) as error:
            say(f"DUMB_TLS_CERT and DUMB_TLS_KEY: {cert} and {key} cannot be used: {error}.")
            return EX_CONFIG
        file = run / "site.pem"
        file.touch(0o600)
        file.write_text(pem, encoding="ascii")
        haproxy = subprocess.Popen(command, env={**os.environ, "DUMB_PROXY_TLS": directory})
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, lambda received, _frame: haproxy.send_signal(received))
        return follow(haproxy, cert, key, run)


if __name__ == "__main__":
    sys.exit(main())
