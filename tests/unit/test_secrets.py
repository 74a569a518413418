"""Keys and tokens in text: those that are real are found, those that people make up are not.

Everything here is drawn from a seed; nothing was ever valid anywhere.
"""

from __future__ import annotations

import base64
import random
import string
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.guarded import guarded
from ingestd.embed.reading.parts import Batch, End, Head
from ingestd.embed.secrets.likely import entropy, is_random
from ingestd.embed.secrets.search import Search, find
from ingestd.errors import ExtractionError
from ingestd.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE64 = WORDS + "+/"
CAPITALS = string.ascii_uppercase + "234567"


def draw(rng: random.Random, number: int, alphabet: str = WORDS) -> str:
    """So many random characters."""
    return "".join(rng.choice(alphabet) for _ in range(number))


def pem(rng: random.Random, kind: str, size: int = 1190) -> str:
    """A key with the structure of its kind, and random numbers in it."""
    if kind.startswith("OPENSSH"):
        data = b"openssh-key-v1\0" + rng.randbytes(size)
    elif kind.startswith("PGP"):
        data = b"\x95" + rng.randbytes(size)
    else:
        data = b"\x30\x82" + size.to_bytes(2, "big") + rng.randbytes(size)
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


def real(seed: int) -> dict[str, str]:
    """One of each kind."""
    rng = random.Random(seed)
    access, secret = draw(rng, 16, CAPITALS), draw(rng, 37, BASE64) + "aZ7"
    key = pem(rng, "PRIVATE KEY")
    escaped = key.replace("\n", "\\n")
    return {
        "pkcs8": key,
        "rsa": pem(rng, "RSA PRIVATE KEY"),
        "ec": pem(rng, "EC PRIVATE KEY", 300),
        "encrypted": pem(rng, "ENCRYPTED PRIVATE KEY"),
        "openssh": pem(rng, "OPENSSH PRIVATE KEY", 380),
        "pgp": pem(rng, "PGP PRIVATE KEY BLOCK").replace("-----\n", "-----\nVersion: 1\n\n", 1),
        "old encryption": pem(rng, "DSA PRIVATE KEY").replace(
            "-----\n", f"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,{draw(rng, 32, HEX)}\n\n", 1
        ),
        "indented": "key: |\n" + "\n".join("    " + line for line in key.splitlines()),
        "in source": "KEY = (\n"
        + "".join(f'    "{line}\\n"\n' for line in key.splitlines())
        + ")\n",
        "service account": f'{{"type": "service_account", "private_key": "{escaped}"}}',
        "kubeconfig": "client-key-data: " + base64.b64encode(key.encode()).decode(),
        "github": f"token: ghp_{draw(rng, 36)}",
        "github app": f"ghs_{draw(rng, 36)}",
        "github fine": f"github_pat_{draw(rng, 22)}_{draw(rng, 59)}",
        "gitlab": f"glpat-{draw(rng, 20)}",
        "slack": f"xoxb-{draw(rng, 12, string.digits)}-{draw(rng, 12, string.digits)}"
        f"-{draw(rng, 24)}",
        "webhook": "https://hooks.slack.com/services/"
        f"T{draw(rng, 8, CAPITALS)}/B{draw(rng, 8, CAPITALS)}/{draw(rng, 24)}",
        "aws pair": f"aws_access_key_id = AKIA{access}\nsecret = {secret}",
        "aws file": f"aws_secret_access_key={secret}",
        "aws python": f"boto3.client('s3', 'AKIA{access}', '{secret}')",
        "google": f'"AIza{draw(rng, 35)}"',
        "google client": f"GOCSPX-{draw(rng, 28)}",
        "stripe": f"sk_live_{draw(rng, 24)}",
        "npm": f"npm_{draw(rng, 36)}",
        "npmrc": f"//registry.example.org/:_authToken={draw(rng, 36)}",
        "npm login": "//registry.example.org/:_auth = "
        + base64.b64encode(b"deploy:" + draw(rng, 20).encode()).decode(),
        "npm password": "//registry.example.org/:_password="
        + base64.b64encode(draw(rng, 20).encode()).decode(),
        "pypi": f"pypi-AgEIcHlwaS5vcmc{draw(rng, 80)}",
        "hugging face": f"hf_{draw(rng, 34, string.ascii_letters)}",
        "anthropic": f"sk-ant-api03-{draw(rng, 93)}AA",
        "openai": f"sk-proj-{draw(rng, 40)}T3BlbkFJ{draw(rng, 40)}",
        "sendgrid": f"SG.{draw(rng, 22)}.{draw(rng, 43)}",
        "digitalocean": f"dop_v1_{draw(rng, 64, HEX)}",
        "azure": f"AccountName=a;AccountKey={draw(rng, 86, BASE64)}==;",
        "age": f"AGE-SECRET-KEY-1{draw(rng, 58, '023456789ACDEFGHJKLMNPQRSTUVWXYZ')}",
        "putty": f"Private-Lines: 14\n{draw(rng, 64, BASE64)}\n",
        "wireguard": f"[Interface]\nPrivateKey = {draw(rng, 43, BASE64)}=\n",
        "registry": '{"auths": {"https://r.example": {"auth": "'
        + base64.b64encode(b"deploy:" + draw(rng, 20).encode()).decode()
        + '"}}}',
    }


HARMLESS = {
    "outline": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCA...\n-----END RSA PRIVATE KEY-----",
    "cut short": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AH"
    "B7MaGHYn2Lw8Pb\n-----END RSA PRIVATE KEY-----",
    "header": 'if line.startswith("-----BEGIN PRIVATE KEY-----"):',
    "both ends": '"-----BEGIN PRIVATE KEY-----" and "-----END PRIVATE KEY-----"',
    "made up": "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----",
    "public": "-----BEGIN PUBLIC KEY-----\n" + "MIIB" * 80 + "\n-----END PUBLIC KEY-----",
    "manual": "AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "id alone": "the key id AKIA2OGYBAH6STMMNXWB belongs to the build",
    "x": "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "ones": "ghp_111111111111111111111111111111111111",
    "alphabet": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "yours": "xoxb-your-token-here, glpat-YOUR_TOKEN_GOES_HERE1, sk_live_yourSecretKey123456789",
    "variable": "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n//r.org/:_password=${WORD}",
    "attribute": "self._auth = authentication\nclient_auth=(user, password)",
    "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "emulator": "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"
    "/K1SZFPTOtr/KBHBeksoGMGw==",
    "test key": "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "words": "risk-based, desk-top, xox, SG. and hf_ and npm_install and PrivateKey = None",
    "korean": "비밀번호는 저장하지 마세요. 토큰은 ghp_ 로 시작합니다.",
}


@pytest.mark.parametrize("seed", range(5))
def test_real_ones_are_found(seed: int) -> None:
    """Each kind, within prose before and behind it; and where it begins is told."""
    for name, text in real(seed).items():
        prose = "Some words before it.\n" * 50
        found = find(f"{prose}{text}\nand behind.")
        assert found is not None, name
        assert len(prose) <= found.at < len(prose) + len(text)


@pytest.mark.parametrize("name", HARMLESS)
def test_examples_are_no_secrets(name: str) -> None:
    """What a manual prints to explain keys does not hide the manual."""
    assert find(HARMLESS[name]) is None


def test_a_file_for_keys_needs_a_header_only() -> None:
    """By its name, a torn key is one as well."""
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKC"
    assert find(text) is None
    for name, expected in ((b"server.PEM", True), (b"notes.md", False)):
        search = Search(name)
        assert (search.feed(text, 0) or search.search() is not None) == expected


def test_keys_that_a_program_makes(tmp_path: Path) -> None:
    """Of ssh-keygen, in the forms that it has; their public halves are none."""
    for number, options in enumerate(
        (["-t", "ed25519"], ["-t", "rsa", "-b", "2048", "-m", "PEM"], ["-t", "ecdsa", "-N", "pass"])
    ):
        path = tmp_path / str(number)
        line = ["ssh-keygen", "-q", "-f", str(path), *options]
        if "-N" not in options:
            line += ["-N", ""]
        try:
            subprocess.run(line, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("no ssh-keygen")
        assert find(path.read_text()) is not None, options
        assert find(path.with_suffix(".pub").read_text()) is None


def test_a_secret_in_two_pieces_is_found() -> None:
    """However the text is cut, and wherever in it the secret is."""
    rng = random.Random(3)
    key = pem(rng, "RSA PRIVATE KEY", 4_700)
    for before in (0, 100, 250_000, 262_000, 600_000):
        text = "word " * (before // 5) + key + "tail " * 100_000
        for step in (977, 40_000):
            search = Search()
            found = None
            for at in range(0, len(text), step):
                found = found or search.feed(text[at : at + step], at)
            found = found or search.search()
            assert found is not None, (before, step)
            assert found.at == before // 5 * 5


def test_a_text_without_end_is_searched_in_time() -> None:
    """As long as the text is, whatever it repeats; what is held is bounded."""
    spots = (
        "-----BEGIN PRIVATE KEY-----",
        "ghp_",
        "AKIA",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "SG.",
    )
    spots += (
        "T3BlbkFJ",
        "sk-",
        "xoxb-1-",
        '"auths" "auth": "',
        "-----BEGIN PRIVATE KEY-----\n\n  ",
    )
    spots += ("client-key-data: ", "AKIA2OGYBAH6STMMNXWB ", "Proc-Type: 4\n", " ", "A")
    for spot in spots:
        took = []
        for size in (200_000, 800_000):
            text = spot * (size // len(spot))
            started = time.process_time()
            search = Search()
            for at in range(0, len(text), 50_000):
                assert search.feed(text[at : at + 50_000], at) is None
            assert search.search() is None
            took.append(time.process_time() - started)
        assert took[1] < 1.0, (spot, took)


def test_randomness_is_told_from_words() -> None:
    """Entropy, digits and letters, and no signs of a person."""
    rng = random.Random(1)
    assert all(is_random(draw(rng, 36) + "a1") for _ in range(20))
    assert entropy("aaaa") == 0
    for text in ("password", "0000000000000001a", "my-example-key-a8Bx9Q2", "hello1hello1hello1"):
        assert not is_random(text)


def chunk(text: str, start: int) -> Chunk:
    """A chunk at a place."""
    return Chunk(0, start, start + len(text), text, "", (), b"")


def test_parts_are_watched() -> None:
    """They pass until there is a secret in them; titles and overlapping windows count as well."""
    token = real(1)["github"].removeprefix("token: ")
    calm = [Head("Title", "text/plain"), Batch([chunk("words", 0)]), End(b"x" * 32)]
    assert list(guarded(calm, b"a.md")) == calm
    half = len(token) // 2
    for parts in (
        [Head(token, "text/plain")],
        [Head("", "text/plain"), Batch([chunk(f"words {token}", 0)])],
        [Batch([chunk(f"a {token[:half]}", 0)]), Batch([chunk(token[half:], 2 + half)])],
        [Batch([chunk(f"a {token[:-3]}", 0), chunk(token[3:], 5)])],
        [Batch([chunk("head\none", 0), chunk(f"head\n{token}", 5)])],
    ):
        with pytest.raises(SkipDocument) as skipped:
            list(guarded([*parts, End(b"x" * 32)], b"a.md"))
        assert skipped.value.reason == "secret"
        assert token not in str(skipped.value)


def test_an_error_tells_no_secret() -> None:
    """Parsers quote what they stumble over."""
    token = real(1)["github"]

    def failing() -> Iterator[Head]:
        yield Head("", "text/plain")
        raise ExtractionError(f"line 3: unexpected {token}")

    with pytest.raises(ExtractionError) as failed:
        list(guarded(failing(), b"a.md"))
    assert token[-20:] not in str(failed.value)
    assert failed.value.__cause__ is None
