"""TLS and proxies on the loopback interface.

    python3 tls.py certificates DIRECTORY          ca.pem, signed.pem/.key, self-signed.pem/.key, stranger.pem
    python3 tls.py serve PORT CERTIFICATE KEY TO   TLS on PORT, in front of what listens on TO
    python3 tls.py proxy PORT                      a proxy for CONNECT, and for requests that name a whole URL
"""

import asyncio
import datetime
import ipaddress
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HEAD_BYTES = 64 * 1024


def certificates(directory):
    directory = Path(directory)
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(name, authority, issuer=None, names=None):
        """A certificate, signed by its own key or by that of its issuer."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (directory / f"{name}.key").write_bytes(key.private_bytes(*encoding))
        return certificate, key

    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    make("signed", False, issuer=make("ca", True), names=here)
    # As `openssl req -x509` makes it: an authority, which signs itself.
    make("self-signed", True, names=here)
    make("stranger", True)


async def pump(reader, writer):
    try:
        while data := await reader.read(HEAD_BYTES):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def join(reader, writer, host, port, first=b""):
    try:
        there_reader, there_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.close()
        return
    there_writer.write(first)
    await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))


async def serve(port, certificate, key, to):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def accept(reader, writer):
        await join(reader, writer, "127.0.0.1", int(to))

    server = await asyncio.start_server(accept, "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


async def proxy(port):
    async def accept(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        line, rest = head.split(b"\r\n", 1)
        method, target, version = line.decode().split(" ")
        if method == "CONNECT":
            print("CONNECT", target, flush=True)
            host, to = target.rsplit(":", 1)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await join(reader, writer, host, int(to))
            return
        url = urlsplit(target)
        print(method, url.netloc, flush=True)
        path = url.path or "/"
        path = f"{path}?{url.query}" if url.query else path
        first = f"{method} {path} {version}\r\n".encode() + rest
        await join(reader, writer, url.hostname, url.port or 80, first)

    server = await asyncio.start_server(accept, "127.0.0.1", int(port), limit=HEAD_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "certificates":
        certificates(*arguments)
    else:
        asyncio.run({"serve": serve, "proxy": proxy}[command](*arguments))
