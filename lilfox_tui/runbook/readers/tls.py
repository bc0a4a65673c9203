"""Certificates and keys."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Call, Context, Fed, Spec, Verdict

_READING = "-in=local-file -inform=word -noout -text -passin=/(?:pass|file|env|fd|stdin)(?::[^\\x00-\\x1f]*)?/"


def _s_client(_call: Call, context: Context) -> Verdict:
    """It sends what it is fed."""
    return "read" if context.fed < Fed.DATA else "change"


def _openssl(reads: str, operands: str = "", needs: str = "") -> Spec:
    return Spec(reads=reads, operands=operands, needs=needs, single=True, ends=False)


TABLE: dict[str, Spec] = {
    "openssl": Spec(
        alone="interactive",
        single=True, ends=False,
        subs={
            "version": _openssl("-a -v -b -d"),
            "x509": _openssl(
                f"{_READING} -subject -issuer -dates -startdate -enddate -serial -fingerprint -md5 -sha1 -sha256 "
                f"-modulus -pubkey "
                "-ext=text -nameopt=text -certopt=text -checkend=number -checkhost=text -checkip=text -purpose -email "
                "-hash "
                "-subject_hash -issuer_hash -ocsp_uri -alias -outform=word"
            ),
            "crl": _openssl(f"{_READING} -issuer -lastupdate -nextupdate -hash -fingerprint -CAfile=local-file "
                f"-crlnumber"),
            "req": _openssl(f"{_READING} -verify -subject -pubkey -modulus -nameopt=text -reqopt=text", needs=
                "-in -noout -text"),
            **dict.fromkeys(("rsa", "ec", "pkey", "dsa"), _openssl(f"{_READING} -check -pubin -pubout -modulus "
                f"-text_pub",
                                                                   needs="-in")),
            "pkcs12": _openssl("-in=local-file -info -noout -nokeys -nocerts -clcerts -cacerts -legacy "
                               "-passin=/(?:pass|file|env|fd|stdin)(?::[^\\x00-\\x1f]*)?/", needs="-in -info"),
            "crl2pkcs7": _openssl("-nocrl -certfile=local-file -in=local-file -inform=word"),
            "pkcs7": _openssl("-print_certs -noout -text -in=local-file -inform=word"),
            "verify": _openssl("-CAfile=local-file -CApath=local-file -untrusted=local-file -trusted=local-file "
                "-verbose -purpose=word "
                "-partial_chain "
                               "-crl_check -show_chain -verify_hostname=text", "local-file*"),
            "s_client": Spec(
                reads="-connect=text -host=text -port=number -servername=text -noservername -showcerts "
                    "-CAfile=local-file "
                    "-CApath=local-file "
                "-verify=number -verify_return_error -verify_hostname=text -verify_quiet -brief -tls1 -tls1_1 -tls1_2 "
                "-tls1_3 "
                "-no_tls1_3 -starttls=word -alpn=text -status -cert=local-file -key=local-file -debug -state -quiet "
                "-no_ign_eof "
                "-prexit -4 "
                "-6 -cipher=text -ciphersuites=text -nocommands",
                operands="/[A-Za-z0-9_.:-]+/", single=True, ends=False, check=_s_client,
            ),
            "ciphers": _openssl("-v -V -s -tls1_2 -tls1_3", "/[A-Za-z0-9_:!+@=-]+/"),
            "dgst": _openssl("-md5 -sha1 -sha256 -sha384 -sha512 -r -hex -c", "local-file*"),
            "asn1parse": _openssl("-in=local-file -inform=word -i -dump -offset=number -length=number "
                "-strparse=number"),
        },
    ),
    "keytool": Spec(
        reads="-list -v -rfc -keystore=local-file -storepass=text -alias=text -storetype=word -printcert "
            "-file=local-file "
            "-sslserver=text",
        needs="-list -printcert", single=True, ends=False,
    ),
    "certbot": Spec(alone="change", subs={"certificates": Spec()}),
    "gpg": Spec(reads="-k -K --list-keys --list-secret-keys --fingerprint",
                needs="-k -K --list-keys --list-secret-keys --fingerprint", operands="text*"),
    "cfssl": Spec(subs={"certinfo": Spec(reads="-cert=local-file -domain=text -csr=path", single=True)}),
    "kubeadm": Spec(subs={"certs": Spec(subs={"check-expiration": Spec()}), "version": Spec(reads="-o=word "
        "--output=word")}),
}  # fmt: skip
