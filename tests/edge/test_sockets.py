"""Listening sockets and certificates."""

import os
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from gateway.edge.sockets import (
    SOCKETS_VARIABLE,
    AddressInUse,
    AddressNotUsable,
    TLSUnusable,
    bind,
    describe,
    inherited_sockets,
    tls_context,
    url_of,
)


def close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def test_port_0_takes_one_free_port_for_every_address_of_the_host() -> None:
    sockets = bind("localhost", 0)
    try:
        ports = {sock.getsockname()[1] for sock in sockets}
        assert len(ports) == 1
        assert ports != {0}
    finally:
        close(sockets)


def test_ipv6_is_bound_for_itself() -> None:
    sockets = bind("::1", 0)
    try:
        assert sockets[0].family is socket.AF_INET6
        assert sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        assert url_of(sockets[0], tls=True) == f"https://[::1]:{sockets[0].getsockname()[1]}"
    finally:
        close(sockets)


def test_a_port_in_use_is_named_with_its_host() -> None:
    taken = bind("127.0.0.1", 0)
    taken[0].listen()
    port = taken[0].getsockname()[1]
    try:
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port} is in use"):
            bind("127.0.0.1", port)
    finally:
        close(taken)


def test_a_port_may_be_taken_again_at_once_after_a_stop() -> None:
    first = bind("127.0.0.1", 0)
    first[0].listen()
    port = first[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        first[0].setblocking(True)
        accepted, _ = first[0].accept()
        accepted.close()  # this side closes first and so waits in TIME_WAIT
        client.recv(1)
    close(first)
    close(bind("127.0.0.1", port))


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(AddressNotUsable, match=host):
        bind(host, 0)


def test_sockets_are_found_again_by_name() -> None:
    main, admin = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    try:
        described = describe({"main": [*main, *admin], "admin": admin, "none": []})
        copies = {SOCKETS_VARIABLE: " ".join(duplicate(group) for group in described.split())}
        found = inherited_sockets(copies)
        assert found is not None
        names = {name: [sock.getsockname() for sock in group] for name, group in found.items()}
        assert names == {
            "main": [main[0].getsockname(), admin[0].getsockname()],
            "admin": [admin[0].getsockname()],
        }
        for group in found.values():
            close(group)
    finally:
        close([*main, *admin])


def duplicate(group: str) -> str:
    name, fds = group.split("=")
    return f"{name}={','.join(str(os.dup(int(fd))) for fd in fds.split(','))}"


def test_a_process_that_is_no_worker_inherits_nothing() -> None:
    assert inherited_sockets({}) is None


# TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    for name in ("one", "other"):
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(str(place / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(place / f"{name}.crt"))
    (place / "garbage").write_text("not a certificate")
    return {path.name: path for path in place.iterdir()}


def test_only_modern_tls_and_http_1_1_are_offered(files: dict[str, Path]) -> None:
    context = tls_context(files["one.crt"], files["one.key"])
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("certificate", "key", "named"),
    [
        ("missing", "one.key", "GATEWAY_TLS_CERT_FILE=.*missing.*No such file"),
        ("one.crt", "missing", "GATEWAY_TLS_KEY_FILE=.*missing.*No such file"),
        ("one.crt", "other.key", "GATEWAY_TLS_KEY_FILE=.*other.key"),
        ("garbage", "one.key", "GATEWAY_TLS_CERT_FILE=.*garbage"),
        ("one.crt", "garbage", "GATEWAY_TLS_KEY_FILE=.*garbage"),
    ],
)
def test_an_unusable_file_is_named_with_its_setting(
    files: dict[str, Path], certificate: str, key: str, named: str
) -> None:
    place = files["garbage"].parent
    with pytest.raises(TLSUnusable, match=named):
        tls_context(place / certificate, place / key)
