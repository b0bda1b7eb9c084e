"""Hostile tokens: none is taken, each for a reason that has a word, and all at the same cost.

The table follows RFC 8725 (best current practices), Wycheproof's JWS and EdDSA cases, and the known tricks on `alg`,
`kid`, `jku`, `x5u`, `x5c`, `jwk`, `crit` and `b64`.
"""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.intents.claims import WORDS, IntentClaims, Step, TokenProblem
from gateway.intents.jws import LONGEST, sign
from gateway.intents.keyring import Key, KeyRing, key_of
from gateway.intents.tokens import CALL, INTENT, Verifier, mint_intent

ISSUER, AUDIENCE, NOW, AGENT = "https://gateway.test", "leuko", 1_800_000_000, "agt_one"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"b" * 32)
RETIRED = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group of Ed25519 (RFC 8032)


class CountedKey:
    """A public key that counts what it verifies."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._public = private.public_key()
        self.verified = 0

    def verify(self, signature: bytes, data: bytes) -> None:
        self.verified += 1
        self._public.verify(signature, data)

    def public_bytes_raw(self) -> bytes:
        return self._public.public_bytes_raw()


COUNTED = CountedKey(PRIVATE), CountedKey(RETIRED)
SIGNER, OTHER_SIGNER = key_of(PRIVATE), key_of(OTHER)
RING = KeyRing([
    Key(SIGNER.kid, PRIVATE, COUNTED[0], "current"),  # type: ignore[arg-type]
    Key(key_of(RETIRED).kid, None, COUNTED[1], "retired", NOW - 10.0),  # type: ignore[arg-type]
])  # fmt: skip
VERIFIER = Verifier(lambda: RING, ISSUER, AUDIENCE)

HEADER: dict[str, Any] = {"alg": "EdDSA", "kid": SIGNER.kid, "typ": INTENT}
STEP: dict[str, Any] = {"type": "tool_call", "id": "s", "tool": "read", "max_uses": 1}
PAYLOAD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "act": {"sub": AGENT},
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 900,
    "jti": "int_1",
    "execution": "execute_safe",
    "pol": "p",
    "authorization_details": [STEP],
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def made(header: Any, payload: Any, signature: Callable[[bytes], bytes] = PRIVATE.sign) -> str:
    """A token of these parts, which are JSON or already bytes."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    text = ".".join(map(b64, parts))
    return f"{text}.{b64(signature(text.encode()))}"


def headed(**members: Any) -> str:
    """Signed by us, but for members of the header."""
    return made(HEADER | members, PAYLOAD)


def headless(*names: str) -> str:
    return made({name: member for name, member in HEADER.items() if name not in names}, PAYLOAD)


def saying(**members: Any) -> str:
    """Signed by us, but for claims."""
    return made(HEADER, PAYLOAD | members)


def silent(*names: str) -> str:
    return made(HEADER, {name: member for name, member in PAYLOAD.items() if name not in names})


def stepping(**members: Any) -> str:
    return saying(authorization_details=[STEP | members])


def written(claims: str) -> str:
    """Signed by us, with a payload whose members are those and more, as text."""
    return made(HEADER, (json.dumps(PAYLOAD)[:-1] + f",{claims}}}").encode())


def rewritten(old: str, new: str) -> str:
    text = json.dumps(PAYLOAD)
    assert text.count(old) == 1
    return made(HEADER, text.replace(old, new).encode())


def hs(secret: bytes, alg: str = "HS256", **members: Any) -> str:
    return made(HEADER | {"alg": alg} | members, PAYLOAD, lambda text: hmac.digest(secret, text, hashlib.sha256))


GOOD = made(HEADER, PAYLOAD)
HEAD, BODY, SIGNATURE = GOOD.split(".")
PUBLIC = PRIVATE.public_key()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(PUBLIC.public_bytes_raw())}
OTHER_JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.public_key().public_bytes_raw())}
URL = "https://evil.example/keys.json"


def rs256(text: bytes) -> bytes:
    private = rsa.generate_private_key(65537, 2048)
    return private.sign(text, padding.PKCS1v15(), hashes.SHA256())


def es256(text: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(text, ec.ECDSA(hashes.SHA256()))


def malleable(times: int = 1) -> str:
    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    s = int.from_bytes(raw[32:], "little") + times * ORDER
    return f"{HEAD}.{BODY}.{b64(raw[:32] + s.to_bytes(32, 'little'))}"


def signature_of(raw: bytes) -> str:
    return f"{HEAD}.{BODY}.{b64(raw)}"


def spare_bits(part: str) -> str:
    """The same bytes with other bits behind them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def other_s(part: str) -> str:
    return part[:-2] + ("A" if part[-2] != "A" else "B") + part[-1]


def json_form(flat: bool) -> str:
    if flat:
        return json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE})
    return json.dumps({"payload": BODY, "signatures": [{"protected": HEAD, "signature": SIGNATURE}]})


def nested(depth: int) -> str:
    return rewritten('"pol": "p"', f'"pol": {"[" * depth}{"]" * depth}')


def _padded() -> str:
    """One whose payload needs padding."""
    token = next(t for n in range(4) if len((t := saying(pol="p" * (n + 1))).split(".")[1]) % 4)
    head, body, signature = token.split(".")
    return f"{head}.{body}{'=' * (-len(body) % 4)}.{signature}"


def _spared() -> str:
    token = next(t for n in range(4) if len((t := saying(pol="p" * (n + 1))).split(".")[1]) % 4)
    head, body, _ = token.split(".")
    text = f"{head}.{spare_bits(body)}"
    return f"{text}.{b64(PRIVATE.sign(text.encode()))}"


MALFORMED, BAD = "malformed", "bad_signature"
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    # No algorithm, and others than the key's.
    "alg none, no signature": (f"{b64(json.dumps(HEADER | {'alg': 'none'}).encode())}.{BODY}.", BAD),
    "alg none, ours appended": (headed(alg="none"), MALFORMED),
    "alg None": (headed(alg="None"), MALFORMED),
    "alg NONE": (headed(alg="NONE"), MALFORMED),
    "alg nOnE": (headed(alg="nOnE"), MALFORMED),
    "alg empty": (headed(alg=""), MALFORMED),
    "alg null": (headed(alg=None), MALFORMED),
    "alg missing": (headless("alg"), MALFORMED),
    "alg a list": (headed(alg=["EdDSA"]), MALFORMED),
    "alg a number": (headed(alg=1), MALFORMED),
    "alg an object": (headed(alg={"EdDSA": True}), MALFORMED),
    "alg in lower case": (headed(alg="eddsa"), MALFORMED),
    "alg with a space": (headed(alg="EdDSA "), MALFORMED),
    "alg Ed448": (headed(alg="Ed448"), MALFORMED),
    "alg ES256 with our signature": (headed(alg="ES256"), MALFORMED),
    "alg HS256 with our signature": (headed(alg="HS256"), MALFORMED),
    "HS256 of the raw public key": (hs(PUBLIC.public_bytes_raw()), BAD),
    "HS256 of the public key's PEM": (hs(PEM), BAD),
    "HS256 of the public key's JWK": (hs(json.dumps(JWK).encode()), BAD),
    "HS256 of nothing": (hs(b""), BAD),
    "HS256, doubled to 64 bytes": (
        made(HEADER | {"alg": "HS256"}, PAYLOAD, lambda t: hmac.digest(PEM, t, "sha512")),
        MALFORMED,
    ),
    "HS512 said to be EdDSA": (made(HEADER, PAYLOAD, lambda t: hmac.digest(PEM, t, "sha512")), BAD),
    "HS256 with kid of a file": (hs(b"", kid="../../../../dev/null"), BAD),
    "RS256 of another key": (made(HEADER | {"alg": "RS256"}, PAYLOAD, rs256), BAD),
    "RS256 said to be EdDSA": (made(HEADER, PAYLOAD, rs256), BAD),
    "ES256 of another key": (made(HEADER | {"alg": "ES256"}, PAYLOAD, es256), BAD),
    # Keys that the token brings along, or says where to get.
    "kid unknown": (made(HEADER | {"kid": OTHER_SIGNER.kid}, PAYLOAD, OTHER.sign), BAD),
    "kid missing": (headless("kid"), BAD),
    "kid null": (headed(kid=None), BAD),
    "kid empty": (headed(kid=""), BAD),
    "kid a list": (headed(kid=[SIGNER.kid]), BAD),
    "kid a number": (headed(kid=0), BAD),
    "kid an object": (headed(kid={"a": 1}), BAD),
    "kid a path": (headed(kid="/etc/passwd"), BAD),
    "kid SQL": (headed(kid="' OR 1=1 --"), BAD),
    "kid with a NUL": (headed(kid=f"{SIGNER.kid}\0"), BAD),
    "kid a prefix of ours": (headed(kid=SIGNER.kid[:-1]), BAD),
    "kid of a key that is out of force": (
        made(HEADER | {"kid": key_of(RETIRED).kid}, PAYLOAD, RETIRED.sign),
        BAD,
    ),
    "ours by kid, another signed": (made(HEADER, PAYLOAD, OTHER.sign), BAD),
    "jwk of another key": (made(HEADER | {"jwk": OTHER_JWK}, PAYLOAD, OTHER.sign), BAD),
    "jwk and kid of another key": (
        made(HEADER | {"jwk": OTHER_JWK, "kid": OTHER_SIGNER.kid}, PAYLOAD, OTHER.sign),
        BAD,
    ),
    "jwk alone": (made({"alg": "EdDSA", "typ": INTENT, "jwk": OTHER_JWK}, PAYLOAD, OTHER.sign), BAD),
    "jku": (made(HEADER | {"jku": URL}, PAYLOAD, OTHER.sign), BAD),
    "jku with kid": (made(HEADER | {"jku": URL, "kid": OTHER_SIGNER.kid}, PAYLOAD, OTHER.sign), BAD),
    "x5u": (made(HEADER | {"x5u": URL}, PAYLOAD, OTHER.sign), BAD),
    "x5c": (made(HEADER | {"x5c": ["MIIB"]}, PAYLOAD, OTHER.sign), BAD),
    "x5t": (made(HEADER | {"x5t": "AAAA", "x5t#S256": "AAAA"}, PAYLOAD, OTHER.sign), BAD),
    "iss of another, with its key": (made(HEADER | {"jwk": OTHER_JWK}, PAYLOAD | {"iss": URL}, OTHER.sign), BAD),
    # Extensions.
    "crit of an unknown member": (headed(crit=["leuko"], leuko=1), MALFORMED),
    "crit of exp": (headed(crit=["exp"], exp=NOW), MALFORMED),
    "crit empty": (headed(crit=[]), MALFORMED),
    "crit null": (headed(crit=None), MALFORMED),
    "b64 false": (headed(b64=False), MALFORMED),
    "b64 false and critical": (headed(b64=False, crit=["b64"]), MALFORMED),
    "b64 true": (headed(b64=True), MALFORMED),
    "zip": (headed(zip="DEF"), MALFORMED),
    "encrypted": (headed(enc="A128GCM"), MALFORMED),
    # What it is.
    "typ missing": (headless("typ"), MALFORMED),
    "typ JWT": (headed(typ="JWT"), MALFORMED),
    "typ of call tokens": (headed(typ=CALL), MALFORMED),
    "typ in capitals": (headed(typ="INTENT+JWT"), MALFORMED),
    "typ with application/": (headed(typ="application/intent+jwt"), MALFORMED),
    "typ a list": (headed(typ=[INTENT]), MALFORMED),
    # For whom, by whom.
    "aud missing": (silent("aud"), MALFORMED),
    "aud another": (saying(aud="somebody"), MALFORMED),
    "aud a list with us": (saying(aud=[AUDIENCE]), MALFORMED),
    "aud a prefix": (saying(aud=AUDIENCE[:-1]), MALFORMED),
    "aud longer": (saying(aud=AUDIENCE + ".evil.example"), MALFORMED),
    "aud in capitals": (saying(aud=AUDIENCE.upper()), MALFORMED),
    "aud null": (saying(aud=None), MALFORMED),
    "iss missing": (silent("iss"), MALFORMED),
    "iss a list": (saying(iss=[ISSUER]), MALFORMED),
    "iss a prefix": (saying(iss=ISSUER[:-1]), MALFORMED),
    "iss longer": (saying(iss=ISSUER + ".evil.example"), MALFORMED),
    "iss with a slash": (saying(iss=ISSUER + "/"), MALFORMED),
    "iss null": (saying(iss=None), MALFORMED),
    "act missing": (silent("act"), MALFORMED),
    "act a text": (saying(act=AGENT), MALFORMED),
    "act without sub": (saying(act={}), MALFORMED),
    "act sub a list": (saying(act={"sub": [AGENT]}), MALFORMED),
    "act with something inside": (saying(act={"sub": AGENT, "act": "agt_two"}), MALFORMED),
    "act too deep": (
        saying(
            act={
                "sub": AGENT,
                "act": {"sub": "a", "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d", "act": {"sub": "e"}}}}},
            }
        ),
        MALFORMED,
    ),
    "another agent": (saying(act={"sub": "agt_two"}), "wrong_agent"),
    "another agent, this one above it": (saying(act={"sub": "agt_two", "act": {"sub": AGENT}}), "wrong_agent"),
    "agent with a space": (saying(act={"sub": AGENT + " "}), "wrong_agent"),
    "agent in sub alone": (made(HEADER, {**PAYLOAD, "sub": AGENT, "act": {"sub": "agt_two"}}), "wrong_agent"),
    # When.
    "exp missing": (silent("exp"), MALFORMED),
    "exp a text": (saying(exp=str(NOW + 900)), MALFORMED),
    "exp a float": (saying(exp=NOW + 900.5), MALFORMED),
    "exp a whole float": (rewritten(f'"exp": {NOW + 900}', f'"exp": {NOW + 900}.0'), MALFORMED),
    "exp with an exponent": (rewritten(f'"exp": {NOW + 900}', '"exp": 18000009e2'), MALFORMED),
    "exp not a number": (rewritten(f'"exp": {NOW + 900}', '"exp": NaN'), MALFORMED),
    "exp infinite": (rewritten(f'"exp": {NOW + 900}', '"exp": Infinity'), MALFORMED),
    "exp beyond doubles": (rewritten(f'"exp": {NOW + 900}', '"exp": 1e999'), MALFORMED),
    "exp null": (saying(exp=None), MALFORMED),
    "exp true": (saying(exp=True), MALFORMED),
    "exp negative": (saying(exp=-1), MALFORMED),
    "exp zero": (saying(exp=0), MALFORMED),
    "exp huge": (saying(exp=2**53 - 1), MALFORMED),
    "exp beyond 2^53": (saying(exp=2**53), MALFORMED),
    "exp of 5000 digits": (rewritten(f'"exp": {NOW + 900}', f'"exp": {"9" * 5000}'), MALFORMED),
    "exp more than a day after iat": (saying(exp=NOW + 24 * 3600 + 1), MALFORMED),
    "exp before iat": (saying(exp=NOW - 1), MALFORMED),
    "exp a list": (saying(exp=[NOW + 900]), MALFORMED),
    "expired": (saying(iat=NOW - 900, nbf=NOW - 900, exp=NOW - 6), "expired"),
    "nbf missing": (silent("nbf"), MALFORMED),
    "nbf a text": (saying(nbf=str(NOW)), MALFORMED),
    "nbf a float": (saying(nbf=NOW + 0.5), MALFORMED),
    "nbf not a number": (rewritten(f'"nbf": {NOW}', '"nbf": NaN'), MALFORMED),
    "nbf minus infinity": (rewritten(f'"nbf": {NOW}', '"nbf": -Infinity'), MALFORMED),
    "nbf negative": (saying(nbf=-NOW), MALFORMED),
    "nbf false": (saying(nbf=False), MALFORMED),
    "nbf in the future": (saying(nbf=NOW + 6), "not_yet_valid"),
    "nbf huge": (saying(nbf=2**53 - 1), "not_yet_valid"),
    "iat missing": (silent("iat"), MALFORMED),
    "iat a text": (saying(iat=str(NOW)), MALFORMED),
    "iat true": (saying(iat=True), MALFORMED),
    "iat in the future": (saying(iat=NOW + 6), "not_yet_valid"),
    # Two readings of one text.
    "payload with exp twice": (written(f'"exp": {NOW + 901}'), MALFORMED),
    "payload with exp twice, spelled otherwise": (written(f'"\\u0065xp": {NOW + 901}'), MALFORMED),
    "payload with a member twice inside": (written('"x": {"a": 1, "a": 1}'), MALFORMED),
    "payload with iss twice": (written(f'"iss": "{ISSUER}"'), MALFORMED),
    "header with alg twice": (made(b'{"alg":"none",' + json.dumps(HEADER)[1:].encode(), PAYLOAD), MALFORMED),
    "header with kid twice": (made(json.dumps(HEADER)[:-1].encode() + b',"kid":"x"}', PAYLOAD), MALFORMED),
    "payload with half a surrogate pair": (written('"x": "\\ud800"'), MALFORMED),
    "payload with a large integer": (written('"x": 9007199254740993'), MALFORMED),
    "payload with a trailing comma": (made(HEADER, json.dumps(PAYLOAD)[:-1].encode() + b",}"), MALFORMED),
    "payload with more behind it": (made(HEADER, json.dumps(PAYLOAD).encode() + b"{}"), MALFORMED),
    "payload with a NUL behind it": (made(HEADER, json.dumps(PAYLOAD).encode() + b"\0"), MALFORMED),
    "payload with a byte order mark": (made(HEADER, b"\xef\xbb\xbf" + json.dumps(PAYLOAD).encode()), MALFORMED),
    "payload in UTF-16": (made(HEADER, json.dumps(PAYLOAD).encode("utf-16")), MALFORMED),
    "payload not UTF-8": (made(HEADER, json.dumps(PAYLOAD).encode()[:-1] + b',"x":"\xff"}'), MALFORMED),
    "payload a list": (made(HEADER, [PAYLOAD]), MALFORMED),
    "payload a text": (made(HEADER, "x"), MALFORMED),
    "payload null": (made(HEADER, None), MALFORMED),
    "payload empty": (made(HEADER, b""), MALFORMED),
    "payload a token": (made(HEADER | {"cty": "JWT"}, GOOD.encode()), MALFORMED),
    "payload nested deeply": (nested(1500), MALFORMED),
    "header a list": (made([HEADER], PAYLOAD), MALFORMED),
    "header empty": (made(b"", PAYLOAD), MALFORMED),
    "header not JSON": (made(b"{'alg':'EdDSA'}", PAYLOAD), MALFORMED),
    # The writing.
    "padded": (_padded(), MALFORMED),
    "padded signature": (GOOD + "==", MALFORMED),
    "spare bits in the payload": (_spared(), MALFORMED),
    "spare bits in the signature": (f"{HEAD}.{BODY}.{spare_bits(SIGNATURE)}", MALFORMED),
    "white space in front": (" " + GOOD, MALFORMED),
    "newline behind": (GOOD + "\n", MALFORMED),
    "newline inside": (f"{HEAD}.{BODY[:9]}\n{BODY[9:]}.{SIGNATURE}", MALFORMED),
    "NUL behind": (GOOD + "\0", MALFORMED),
    "ordinary base64 alphabet": (f"{HEAD}.{BODY}.{SIGNATURE[:-2]}+/", MALFORMED),
    "beyond ASCII": (GOOD + "é", MALFORMED),
    "half a surrogate pair": (GOOD + "\ud800", MALFORMED),
    "not UTF-8": (b"\xff" + GOOD.encode(), MALFORMED),
    "a length that base64 has not": (f"{HEAD}.{BODY}.{SIGNATURE}AAA", MALFORMED),
    "empty": ("", MALFORMED),
    "dots": ("..", BAD),
    "two parts": (f"{HEAD}.{BODY}", MALFORMED),
    "four parts": (f"{GOOD}.{SIGNATURE}", MALFORMED),
    "five parts": (f"{HEAD}.{BODY}.{BODY}.{BODY}.{SIGNATURE}", MALFORMED),
    "no payload": (f"{HEAD}..{SIGNATURE}", BAD),
    "no signature": (f"{HEAD}.{BODY}.", BAD),
    "with Bearer": ("Bearer " + GOOD, MALFORMED),
    "flattened JSON": (json_form(True), MALFORMED),
    "general JSON": (json_form(False), MALFORMED),
    "too long": (saying(pol="p" * LONGEST), MALFORMED),
    "a megabyte of dots": ("." * 1_000_000, MALFORMED),
    # The signature.
    "signature truncated": (GOOD[:-2], BAD),
    "signature of 65 bytes": (signature_of(base64.urlsafe_b64decode(SIGNATURE + "==") + b"\0"), BAD),
    "signature of zeros": (signature_of(bytes(64)), BAD),
    "signature of the neutral element": (signature_of(b"\1" + bytes(63)), BAD),
    "signature of ones": (signature_of(b"\xff" * 64), BAD),
    "signature with S plus the order": (malleable(), BAD),
    "signature with S plus seven orders": (malleable(7), BAD),
    "signature with another bit": (f"{HEAD}.{BODY}.{other_s(SIGNATURE)}", BAD),
    "signature of another token": (f"{HEAD}.{BODY}.{saying(jti='int_2').split('.')[2]}", BAD),
    "signature over the payload alone": (made(HEADER, PAYLOAD, lambda t: PRIVATE.sign(t.split(b".")[1])), BAD),
    "signature over the decoded parts": (
        made(HEADER, PAYLOAD, lambda t: PRIVATE.sign(json.dumps(PAYLOAD).encode())),
        BAD,
    ),
    "signature over a hash": (made(HEADER, PAYLOAD, lambda t: PRIVATE.sign(hashlib.sha512(t).digest())), BAD),
    "payload exchanged": (f"{HEAD}.{b64(json.dumps(PAYLOAD | {'jti': 'int_2'}).encode())}.{SIGNATURE}", BAD),
    "header exchanged": (f"{b64(json.dumps(HEADER | {'x': 1}).encode())}.{BODY}.{SIGNATURE}", BAD),
    # What it permits.
    "steps missing": (silent("authorization_details"), MALFORMED),
    "steps empty": (saying(authorization_details=[]), MALFORMED),
    "steps an object": (saying(authorization_details=STEP), MALFORMED),
    "steps of texts": (saying(authorization_details=["read"]), MALFORMED),
    "too many steps": (saying(authorization_details=[STEP | {"id": str(n)} for n in range(51)]), MALFORMED),
    "two steps of one id": (saying(authorization_details=[STEP, STEP]), MALFORMED),
    "a step of another type": (stepping(type="account_information"), MALFORMED),
    "a step with a demand that is not known": (stepping(only_on_weekdays=True), MALFORMED),
    "a step without a tool": (stepping(tool=None), MALFORMED),
    "a step with a tool of no name": (stepping(tool=""), MALFORMED),
    "a step with a tool of a long name": (stepping(tool="t" * 501), MALFORMED),
    "a step with uses as text": (stepping(max_uses="1"), MALFORMED),
    "a step with uses that are true": (stepping(max_uses=True), MALFORMED),
    "a step with half a use": (stepping(max_uses=1.5), MALFORMED),
    "a step with no uses": (stepping(max_uses=0), MALFORMED),
    "a step with a million uses and one": (stepping(max_uses=1_000_001), MALFORMED),
    "a step with arguments as text": (stepping(arguments="{}"), MALFORMED),
    "a step with constraints as a list": (stepping(constraints=[]), MALFORMED),
    "a step with a constraint that is none": (stepping(constraints={"path": "/sim"}), MALFORMED),
    "a step after one that is not there": (stepping(after=["x"]), MALFORMED),
    "a step after a text": (stepping(after="s"), MALFORMED),
    "a step after a number": (stepping(after=[1]), MALFORMED),
    "a step on a server that is a list": (stepping(server=["files"]), MALFORMED),
    "parents a text": (saying(parents="int_0", parent="int_0"), MALFORMED),
    "parents that do not end with the parent": (saying(parents=["int_0", "int_9"], parent="int_0"), MALFORMED),
    "a parent without parents": (saying(parent="int_0"), MALFORMED),
    "parents without a parent": (saying(parents=["int_0"]), MALFORMED),
    "too many parents": (saying(parents=list("abcde"), parent="e"), MALFORMED),
    "execution that there is not": (saying(execution="execute"), MALFORMED),
    "jti missing": (silent("jti"), MALFORMED),
    "jti a number": (saying(jti=1), MALFORMED),
    "cnf a text": (saying(cnf="x"), MALFORMED),
    "cnf without kid": (saying(cnf={"jwk": OTHER_JWK}), MALFORMED),
}


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*args: object, **members: object) -> None:
        raise AssertionError("something was fetched")

    with monkeypatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, refuse)
        yield


def verifications() -> int:
    return sum(key.verified for key in COUNTED)


def test_the_token_that_the_table_starts_from_is_good() -> None:
    before = verifications()
    assert VERIFIER.intent(GOOD, NOW, AGENT).jti == "int_1"
    assert VERIFIER.intent(headed(alg="Ed25519"), NOW, AGENT).agent_id == AGENT  # RFC 9864's name
    assert verifications() - before == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_token_is_taken_and_each_costs_the_same(name: str) -> None:
    token, word = HOSTILE[name]
    before = verifications()
    with pytest.raises(TokenProblem) as caught:
        VERIFIER.intent(token, NOW, AGENT)
    assert caught.value.word == word in WORDS
    assert verifications() - before == 1
    assert caught.value.detail


def test_no_character_of_a_token_can_be_another_one() -> None:
    """Nor be missing, nor stand there twice: one token has one spelling."""
    for position in range(len(GOOD)):
        for instead in ("", "A", "w", ".", "=", GOOD[position] * 2):
            changed = GOOD[:position] + instead + GOOD[position + 1 :]
            if changed != GOOD:
                with pytest.raises(TokenProblem):
                    VERIFIER.intent(changed, NOW, AGENT)


def test_addresses_of_keys_in_a_header_change_nothing() -> None:
    token = headed(jku=URL, x5u=URL, jwk=OTHER_JWK, x5c=["MIIB"])
    assert VERIFIER.intent(token, NOW, AGENT).jti == "int_1"


def test_a_call_token_is_no_intent_and_an_intent_no_call_token() -> None:
    with pytest.raises(TokenProblem, match="malformed"):
        VERIFIER.call(GOOD, NOW, AUDIENCE)


def test_nothing_is_signed_without_the_private_key_nor_beyond_eight_kilobytes() -> None:
    with pytest.raises(ValueError, match="private part"):
        sign({}, INTENT, Key("k", None, PUBLIC))
    with pytest.raises(ValueError, match="at most 8192"):
        sign({"a": "x" * LONGEST}, INTENT, SIGNER)
    steps = (Step("s", "read", None, {"id": 2**53}),)
    claims = IntentClaims("int_1", AGENT, None, steps, NOW, NOW + 1, NOW, policy="p")
    with pytest.raises(ValueError):
        mint_intent(claims, SIGNER, ISSUER, AUDIENCE)
