"""A certificate that is renewed under the running gateway."""

import datetime
import logging
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from gateway.edge.certificate import Certificate
from gateway.edge.sockets import TLSUnusable
from tests.support.certificates import CertificateFiles
from tests.support.edge import Recorder, serving


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return CertificateFiles(tmp_path)


def test_new_connections_get_the_renewed_certificate_and_open_ones_go_on(files: CertificateFiles) -> None:
    certificate = Certificate(files.cert, files.key)
    with serving(Recorder(), tls=certificate) as server:
        url = f"https://127.0.0.1:{server.address[1]}"
        first = files.serial
        assert files.shown(url) == first
        with (
            socket.create_connection(server.address, timeout=10) as sock,
            files.trust().wrap_socket(sock, server_hostname="localhost") as old,
        ):
            files.renew()
            certificate.reread()
            assert files.shown(url) == files.serial != first
            old.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert old.recv(12) == b"HTTP/1.1 200"
    assert certificate.failures == 0


def _half(files: CertificateFiles) -> None:
    files.renew(key=False)


def _garbage(files: CertificateFiles) -> None:
    files.cert.write_text("not a certificate")


def _gone(files: CertificateFiles) -> None:
    files.key.unlink()


def _directory(files: CertificateFiles) -> None:
    files.key.unlink()
    files.key.mkdir()


@pytest.mark.parametrize("broken", [_half, _garbage, _gone, _directory])
def test_a_broken_pair_changes_nothing_and_is_logged_and_counted(
    files: CertificateFiles, broken: Callable[[CertificateFiles], None], caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate(files.cert, files.key)
    before, ends = certificate.context, certificate.not_after
    broken(files)
    certificate.reread()
    assert certificate.context is before and certificate.not_after == ends and certificate.failures == 1
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "GATEWAY_TLS_" in said.getMessage() and "PRIVATE" not in said.getMessage()
    shutil.rmtree(files.key) if files.key.is_dir() else None
    files.renew()
    certificate.reread()
    assert certificate.context is not before and certificate.failures == 1


def test_it_looks_different_whenever_a_file_does_and_only_then(files: CertificateFiles) -> None:
    certificate = Certificate(files.cert, files.key)
    assert certificate.look() == certificate.loaded
    files.renew(cert=False)
    half = certificate.look()
    files.key.unlink()
    assert len({certificate.loaded, half, certificate.look()}) == 3


async def test_what_was_read_already_is_not_read_again(
    files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate(files.cert, files.key)
    files.renew(key=False)
    certificate.reread()
    await certificate.follow()
    assert certificate.failures == 1
    files.renew()
    await certificate.follow()
    assert certificate.failures == 1 and certificate.look() == certificate.loaded


def test_a_link_that_is_turned_to_another_directory_is_seen(tmp_path: Path) -> None:
    """How Kubernetes replaces the files of a Secret."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        CertificateFiles(tmp_path / name)
    link = tmp_path / "data"
    link.symlink_to("one")
    certificate = Certificate(link / "tls.crt", link / "tls.key")
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(link)
    assert certificate.look() != certificate.loaded
    certificate.reread()
    assert certificate.failures == 0


def test_when_it_ends_is_known(tmp_path: Path) -> None:
    authority = trustme.CA()
    ends = datetime.datetime(2031, 5, 6, tzinfo=datetime.UTC)
    issued = authority.issue_cert("localhost", not_after=ends)
    both = tmp_path / "both.pem"
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    assert Certificate(both, both).not_after == ends.timestamp()


def test_what_cannot_be_used_at_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TLSUnusable):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
