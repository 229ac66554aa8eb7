"""A certificate that nobody has signed but itself, as Heroku's databases have, and databases that show it."""

import datetime
import ipaddress
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import free_port

LOOPBACK = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """Both files, PEM; `chain` is what a client must be told to trust."""

    chain: Path
    key: Path

    def for_redis(self) -> tuple[int, list[str]]:
        """A port with TLS, and the options that open it."""
        port = free_port()
        files = ["--tls-cert-file", str(self.chain), "--tls-key-file", str(self.key), "--tls-ca-cert-file", str(self.chain)]
        return port, ["--tls-port", str(port), *files, "--tls-auth-clients", "no"]

    def for_postgres(self) -> tuple[int, list[str]]:
        """A port with TLS, and the options that open it; PostgreSQL wants to own its key."""
        if os.geteuid() == 0:
            shutil.chown(self.key, "postgres")
        port = free_port()
        settings = [
            "listen_addresses=127.0.0.1",
            "ssl=on",
            f"ssl_cert_file={self.chain}",
            f"ssl_key_file={self.key}",
        ]
        return port, [word for setting in settings for word in ("-c", setting)]


def self_signed(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1, in `folder`, which its servers can read."""
    folder.chmod(0o755)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a database of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "chain.pem", folder / "key.pem")
    files.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    files.key.chmod(0o600)
    return files
