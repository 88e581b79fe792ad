"""`antiphon cert`: the local certificate authority, and how each platform trusts it."""

from typing import Annotated

import typer

from antiphon.cli.output import COULD_NOT_RUN, fail, show, show_json


def cert(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show where the local certificate authority is, and how clients trust it."""
    from antiphon.app import prepare_authority
    from antiphon.certificates import fingerprint

    try:
        authority = prepare_authority()
        certificate = authority.read()
    except (OSError, ValueError) as error:
        fail(f"The local authority cannot be used: {error}")
        raise typer.Exit(COULD_NOT_RUN) from error
    ca, bundle = str(authority.certificate), str(authority.bundle)
    trust = _trust(ca, bundle)
    if as_json:
        show_json(
            {
                "certificate": ca,
                "bundle": bundle,
                "server": str(authority.server),
                "sha256": fingerprint(certificate),
                "not_after": certificate.not_valid_after_utc.isoformat(),
                "trust": trust,
            }
        )
        return
    show(f"certificate  {ca}")
    show(f"bundle       {bundle}  (the public authorities and this one)")
    show(f"sha256       {fingerprint(certificate)}")
    show(f"valid until  {certificate.not_valid_after_utc:%Y-%m-%d}")
    show("vouches for  local names and private addresses only")
    for client, how in trust.items():
        show()
        show(client)
        for line in how.splitlines():
            show(f"  {line}")


def _trust(ca: str, bundle: str) -> dict[str, str]:
    return {
        "Python (openai, websockets, httpx, requests)": (
            f'export SSL_CERT_FILE="{bundle}"\nexport REQUESTS_CA_BUNDLE="{bundle}"'
        ),
        "Node.js": f'export NODE_EXTRA_CA_CERTS="{ca}"',
        "Java": (
            "keytool -importcert -noprompt -alias antiphon -storepass changeit "
            f'-keystore antiphon.p12 -file "{ca}"\n'
            "java -Djavax.net.ssl.trustStore=antiphon.p12 "
            "-Djavax.net.ssl.trustStorePassword=changeit …"
        ),
        ".NET and Go on Linux": f'export SSL_CERT_FILE="{bundle}"',
        "Linux, for all users (Debian, Ubuntu)": (
            f'sudo cp "{ca}" /usr/local/share/ca-certificates/antiphon.crt\n'
            "sudo update-ca-certificates"
        ),
        "macOS (Safari, Chrome, .NET, Go)": (
            "security add-trusted-cert -r trustRoot "
            f'-k ~/Library/Keychains/login.keychain-db "{ca}"'
        ),
        "Windows (Edge, Chrome, .NET, Go)": f'certutil -user -addstore Root "{ca}"',
        "Chrome and Chromium on Linux": (
            f'certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n antiphon -i "{ca}"'
        ),
        "Firefox": "Settings > Privacy & Security > View Certificates > Authorities > Import",
        "curl": f'curl --cacert "{ca}" https://127.0.0.1:8443/health',
    }
