"""Compiles what generated texts are made of: ``python -m benchmarks.compile_parts``.

Faker makes the names, companies, addresses and phrases of each language once; they are kept in
``benchmarks/parts``, so that the generator needs no package, starts at once, and writes the same
bytes whatever version of Faker somebody has. Needs the environment that
``python -m benchmarks.setup faker`` makes.
"""

# Checked where Faker is not installed, hence without its types.
# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = Path(__file__).resolve().parent / "parts"
LOCALES = {"en": "en_US", "ko": "ko_KR"}
SEED = 20_250_101
COUNTS = {
    "names": 600,
    "companies": 300,
    "cities": 150,
    "addresses": 300,
    "jobs": 300,
    "phrases": 500,
    "plans": 400,
    "words": 600,
    "users": 300,
    "slugs": 300,
    "hosts": 100,
}
MOST_TRIES = 50
"""Times the wanted number; a locale may have less of a kind than is asked for."""


def compiled(language: str) -> dict[str, Any]:
    """The parts of a language: lists of distinct strings, by kind."""
    import faker  # noqa: PLC0415 - only where the parts are made

    fake = faker.Faker(LOCALES[language])
    english = faker.Faker(LOCALES["en"])  # code is in English everywhere
    makers: dict[str, Callable[[], str]] = {
        "names": fake.name,
        "companies": fake.company,
        "cities": fake.city,
        "addresses": lambda: fake.address().replace("\n", ", "),
        "jobs": fake.job,
        "phrases": fake.catch_phrase,
        "plans": fake.bs,
        "words": english.word,
        "users": fake.user_name,
        "slugs": english.slug,
        "hosts": fake.domain_word,
    }
    pools = {}
    for kind, make in makers.items():
        fake.seed_instance(SEED)
        english.seed_instance(SEED)
        pools[kind] = distinct(make, COUNTS[kind])
    return {"faker": faker.VERSION, "locale": LOCALES[language], **pools}


def distinct(make: Callable[[], str], count: int) -> list[str]:
    """Different values in the order in which they are made; fewer where there are no more."""
    found: dict[str, None] = {}
    for _ in range(count * MOST_TRIES):
        found.setdefault(re.sub(r"\s+", " ", make()).strip())
        if len(found) == count:
            break
    return list(found)


def main() -> None:
    """Write the parts of all languages."""
    PARTS.mkdir(exist_ok=True)
    for language in LOCALES:
        file = PARTS / f"{language}.json"
        lines = [
            f" {json.dumps(kind)}: {json.dumps(values, ensure_ascii=False)}"
            for kind, values in compiled(language).items()
        ]
        text = ",\n".join(lines)  # a line a kind
        file.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
        print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
