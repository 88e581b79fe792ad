"""The local authority: what it makes, keeps, renews and may not do."""

import ipaddress
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from antiphon import certificates

LOCAL = {"localhost", "127.0.0.1", "::1"}


def names(server: Path) -> set[str]:
    """Return the names that a server's certificate is for."""
    certificate = x509.load_pem_x509_certificate(server.read_bytes())
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in alternative}


def test_the_authority_and_a_certificate_for_this_machine_are_made(tmp_path: Path) -> None:
    authority = certificates.prepare(tmp_path)
    assert names(authority.server) >= LOCAL
    certificate = x509.load_pem_x509_certificate(authority.server.read_bytes())
    certificate.verify_directly_issued_by(authority.read())


def test_private_keys_belong_to_their_owner_alone(tmp_path: Path) -> None:
    authority = certificates.prepare(tmp_path / "certificates")
    for path in (authority.key, authority.server):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "certificates").stat().st_mode) == 0o700


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = certificates.prepare(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert certificates.prepare(tmp_path) == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_another_address_gets_a_new_certificate_of_the_same_authority(tmp_path: Path) -> None:
    authority = certificates.prepare(tmp_path)
    ca = authority.certificate.read_bytes()
    certificates.prepare(tmp_path, ["192.168.7.9", "laptop.local"])
    assert names(authority.server) >= LOCAL | {"192.168.7.9", "laptop.local"}
    assert authority.certificate.read_bytes() == ca


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "2001:4860::1", "notlocal"])
def test_the_authority_does_not_vouch_for_public_names(tmp_path: Path, host) -> None:
    authority = certificates.prepare(tmp_path, [host])
    assert host not in names(authority.server)


def test_the_authority_is_limited_to_local_names_and_private_addresses(tmp_path: Path) -> None:
    authority = certificates.prepare(tmp_path).read()
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = [each.value for each in constraints.value.permitted_subtrees or []]
    networks = [each for each in permitted if not isinstance(each, str)]
    assert all(ipaddress.ip_network(str(each)).is_private for each in networks)
    assert {"localhost", "local"} <= set(permitted) - set(networks)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_spoilt_or_missing_certificate_is_made_anew(tmp_path: Path, content) -> None:
    authority = certificates.prepare(tmp_path)
    authority.server.unlink()
    if content is not None:
        authority.server.write_bytes(content)
    certificates.prepare(tmp_path)
    assert names(authority.server) >= LOCAL


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    mine = certificates.prepare(tmp_path / "mine")
    other = certificates.prepare(tmp_path / "other")
    mine.server.write_bytes(other.server.read_bytes())
    certificates.prepare(tmp_path / "mine")
    certificate = x509.load_pem_x509_certificate(mine.server.read_bytes())
    certificate.verify_directly_issued_by(mine.read())


def test_the_bundle_holds_the_public_authorities_and_this_one(tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_bytes(certificates.prepare(tmp_path / "other").certificate.read_bytes())
    authority = certificates.prepare(tmp_path / "mine", public_authorities=public)
    held = x509.load_pem_x509_certificates(authority.bundle.read_bytes())
    assert held[-1] == authority.read()
    assert len(held) == 2


def test_processes_that_start_at_once_share_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: certificates.prepare(tmp_path).read(), range(8)))
    assert len(set(made)) == 1
    assert names(certificates.prepare(tmp_path).server) >= LOCAL
