"""Bringing models to this machine: what is taken, what is refused, and what is left behind."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import pickle
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from small_model import make_model

from ingestd.embed.model import locate
from ingestd.embed.models import (
    about,
    adding,
    answers,
    archive,
    note,
    removing,
    tensors,
    verifying,
    vetting,
)
from ingestd.embed.models.intake import Intake
from ingestd.embed.models.library import Library, names
from ingestd.errors import DiskFullError, ModelDamagedError, ModelRefusedError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.embed.models.adding import Added


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as sentence-transformers writes one: tiny, with prompts and a licence."""
    folder = tmp_path_factory.mktemp("made") / "tiny-e5"
    make_model(folder)
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    front = "---\nlanguage:\n- ko\n- en\nlicense: mit\n---\n# Tiny\n"
    (folder / "README.md").write_text(front)
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "carried" / "tiny-e5"))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty library."""
    return Library(tmp_path / "state" / "models")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory for all: the export of the tiny model is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def add(library: Library, cache: Path) -> Callable[..., Added]:
    """Adds a path to the library."""

    def add(path: Path, **options: Any) -> Added:
        return adding.add(library, adding.of_path(path), cache_dir=cache, **options)

    return add


def zipped(folder: Path, target: Path) -> Path:
    """A ZIP of a folder, with the folder in it."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.rglob("*")):
            out.write(file, file.relative_to(folder.parent))
    return target


def tarred(folder: Path, target: Path) -> Path:
    """A compressed TAR of a folder, with the folder in it."""
    with tarfile.open(target, "w:gz") as out:
        out.add(folder, folder.name)
    return target


def test_a_folder_is_added(model: Path, library: Library, add: Callable[..., Added]) -> None:
    """It is copied, described by its note, and found by its name, prompts and all."""
    done = add(model)
    assert (done.name, names(library.root)) == ("tiny-e5", ["tiny-e5"])
    told = library.note("tiny-e5")
    assert told == done.note
    assert set(told.files) == {
        path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()
    }
    spec = locate("tiny-e5", added=library.root)
    assert (spec.query_prefix, spec.document_prefix) == ("query: ", "passage: ")
    assert spec.path == library.root / "tiny-e5"
    assert (told.fingerprint, told.dimension) == (spec.fingerprint, spec.dimension)
    assert (told.licence, told.languages) == ("mit", ("ko", "en"))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_give_the_same_model(
    pack: Callable[[Path, Path], Path],
    model: Path,
    library: Library,
    add: Callable[..., Added],
    tmp_path: Path,
) -> None:
    """A ZIP and a compressed TAR give the files of the folder, under the folder's name."""
    target = tmp_path / ("packed.zip" if pack is zipped else "packed.tar.gz")
    done = add(pack(model, target))
    assert done.name == "tiny-e5"
    assert done.note.fingerprint == locate(str(model)).fingerprint
    for path in done.note.files:
        assert (library.root / "tiny-e5" / path).read_bytes() == (model / path).read_bytes()


def test_a_dry_run_keeps_nothing(
    model: Path, library: Library, cache: Path, tmp_path: Path
) -> None:
    """Everything is checked, the model is opened, and nothing of it stays anywhere."""
    fresh = tmp_path / "fresh"
    done = adding.add(library, adding.of_path(model), cache_dir=fresh, dry_run=True)
    assert done.note.answers["documents"]
    assert not library.root.exists()
    assert not fresh.exists()


def test_other_formats_are_left_out(model: Path, add: Callable[..., Added]) -> None:
    """What ingestd has no use for is named, and not copied."""
    (model / "onnx").mkdir()
    (model / "onnx" / "model.onnx").write_bytes(b"graph")
    (model / "logo.png").write_bytes(b"picture")
    done = add(model)
    assert done.left_out == ["logo.png", "onnx/model.onnx"]
    assert not set(done.left_out) & set(done.note.files)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("pytorch_model.bin", b"weights", "pickle"),
        ("extra/data.PKL", pickle.dumps({}), "pickle"),
        ("1_Pooling/state.pt", b"weights", "pickle"),
        ("custom.py", b"import os", "code"),
        ("lib/native.so", b"\x7fELF", "code"),
        ("notes.txt", pickle.dumps({"a": 1}) + b"\0", "not the text"),
        ("extra.json", b"{", "no JSON"),
        ("deep.json", b"[" * 100_000, "no JSON"),
        ("more.safetensors", b"short", "no safetensors"),
        ("more.safetensors", (2).to_bytes(8, "little") + b"{}tail", "cut off"),
        ("adapter.json", b'{"a": [{"auto_map": {"AutoModel": "x.Y"}}]}', "auto_map"),
        ("a:b.json", b"{}", "no path"),
    ],
)
def test_what_could_run_is_refused(
    model: Path,
    library: Library,
    add: Callable[..., Added],
    name: str,
    content: bytes,
    reason: str,
) -> None:
    """A pickle, code, or a file that is not what its name says: the whole model is refused."""
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(content)
    with pytest.raises(ModelRefusedError, match=reason) as caught:
        add(model)
    assert caught.value.hint
    assert not library.root.exists()


def test_a_model_with_code_of_its_own_is_refused(model: Path, add: Callable[..., Added]) -> None:
    """Neither in its configuration nor as a module may a model name code."""
    config = json.loads((model / "config.json").read_text())
    auto = {"auto_map": {"AutoModel": "modeling.Own"}}
    (model / "config.json").write_text(json.dumps(config | auto))
    with pytest.raises(ModelRefusedError, match="auto_map"):
        add(model)
    (model / "config.json").write_text(json.dumps(config))
    modules = json.loads((model / "modules.json").read_text())
    modules[1]["type"] = "own.Pooling"
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelRefusedError, match="code of its own"):
        add(model)


def test_links_and_pipes_are_refused(model: Path, add: Callable[..., Added]) -> None:
    """A link may lead anywhere; the hint says how to make a copy without."""
    (model / "secret.json").symlink_to("/etc/hostname")
    with pytest.raises(ModelRefusedError, match="link") as caught:
        add(model)
    assert "cp -rL" in caught.value.hint
    (model / "secret.json").unlink()
    os.mkfifo(model / "pipe.json")
    with pytest.raises(ModelRefusedError, match="neither"):
        add(model)


HOSTILE = {
    "a/../../x.json": "no path",
    "/etc/x.json": "no path",
    "a\\b.json": "no path",
    "a/b/c/d/e/f/g/h/i.json": "no path",
    "new\nline.json": "no path",
    "pytorch_model.bin": "pickle",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_archives_are_refused(
    tmp_path: Path, add: Callable[..., Added], name: str
) -> None:
    """No member leaves the folder, and none is unpacked before it was vetted."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr(name, "{}")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as out:
        member = tarfile.TarInfo(name)
        member.size = 2
        out.addfile(member, io.BytesIO(b"{}"))
    for packed in ("a.zip", "a.tar.gz"):
        with pytest.raises(ModelRefusedError, match=HOSTILE[name]):
            add(tmp_path / packed)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_archives_are_refused(
    tmp_path: Path, add: Callable[..., Added], kind: bytes
) -> None:
    """Also where they are called as a file that would be taken."""
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        member = tarfile.TarInfo("config.json")
        member.type, member.linkname = kind, "/etc/passwd"
        out.addfile(member)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        info = zipfile.ZipInfo("config.json")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        out.writestr(info, "/etc/passwd")
    for packed in ("a.tar", "a.zip"):
        with pytest.raises(ModelRefusedError, match="link"):
            add(tmp_path / packed)


def test_absurd_archives_are_refused(
    tmp_path: Path, add: Callable[..., Added], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bombs end by what they say of themselves, long before the disk or the memory is full."""
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("tokenizer.json", b" " * (vetting.MOST_TEXT_BYTES + 1))
    with pytest.raises(ModelRefusedError, match="no model needs that"):
        add(tmp_path / "large.zip")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as out:
        for number in range(vetting.MOST_FILES + 1):
            out.writestr(f"{number}.json", "{}")
    with pytest.raises(ModelRefusedError, match="more than 1,000 files"):
        add(tmp_path / "many.zip")
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 4 * 1024**3
    with gzip.open(tmp_path / "header.tar.gz", "wb") as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ModelRefusedError, match="absurdly long"):
        add(tmp_path / "header.tar.gz")
    monkeypatch.setattr(archive, "_MOST_DIRECTORY", 100)
    with pytest.raises(ModelRefusedError, match="absurdly long"):
        add(tmp_path / "many.zip")
    assert archive.directory_bytes(tmp_path / "many.zip") > 40_000


@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 100, b"PK\x03\x04 torn"])
def test_what_is_no_archive_is_refused(
    tmp_path: Path, add: Callable[..., Added], content: bytes
) -> None:
    """The error names what is expected."""
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ModelRefusedError) as caught:
        add(tmp_path / "a.zip")
    assert caught.value.hint


def test_a_torn_archive_leaves_nothing(
    model: Path, tmp_path: Path, library: Library, add: Callable[..., Added]
) -> None:
    """An archive whose end did not arrive is refused."""
    packed = tarred(model, tmp_path / "a.tar.gz")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    with pytest.raises(ModelRefusedError):
        add(packed)
    assert not library.root.exists()


def test_a_file_twice_is_refused(tmp_path: Path, add: Callable[..., Added]) -> None:
    """Which of the two would count?"""
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for content in (b"{}", b"[]"):
            member = tarfile.TarInfo("config.json")
            member.size = 2
            out.addfile(member, io.BytesIO(content))
    with pytest.raises(ModelRefusedError, match="twice"):
        add(tmp_path / "a.tar")


def test_a_full_disk_is_told_before_it_is_full(model: Path, add: Callable[..., Added]) -> None:
    """What must stay free, stays free."""
    with pytest.raises(DiskFullError):
        add(model, keep_free=2**60)


def test_two_models_in_one_archive_are_told_apart(
    model: Path, tmp_path: Path, add: Callable[..., Added]
) -> None:
    """Nobody can tell which one is meant."""
    import shutil

    shutil.copytree(model, model.parent / "another")
    with pytest.raises(ModelRefusedError, match="several models"):
        add(tarred(model.parent, tmp_path / "a.tar.gz"))


def test_a_name_is_given_once(model: Path, library: Library, add: Callable[..., Added]) -> None:
    """A second model needs a name of its own; names of other models cannot be taken."""
    add(model)
    with pytest.raises(ModelRefusedError, match="already"):
        add(model)
    add(model, name="second")
    assert library.names() == ["second", "tiny-e5"]
    for name in ("default", "hash", "hash:64", "all-MiniLM-L6-v2", "../up", ".hidden", "a/b", ""):
        with pytest.raises(ModelRefusedError, match="cannot be the name"):
            add(model, name=name or " ")


def test_nothing_is_not_found(tmp_path: Path) -> None:
    """A path where nothing is, and a package that nobody knows."""
    with pytest.raises(NotFoundError):
        adding.of_path(tmp_path / "nothing")
    with pytest.raises(NotFoundError, match="known to carry"):
        adding.of_package("requests")


def test_a_note_that_was_carried_along_is_held_to(
    model: Path, library: Library, add: Callable[..., Added], tmp_path: Path, cache: Path
) -> None:
    """A model that another ingestd packed arrives as it left, or not at all."""
    add(model)
    packed = tarred(library.root / "tiny-e5", tmp_path / "a.tar.gz")
    other = Library(tmp_path / "other")
    done = adding.add(other, adding.of_path(packed), cache_dir=cache)
    assert "before that: folder" in done.note.source
    changed = library.root / "tiny-e5" / "README.md"
    changed.write_text(changed.read_text() + "more\n")
    packed = tarred(library.root / "tiny-e5", tmp_path / "b.tar.gz")
    with pytest.raises(ModelRefusedError, match=r"not what was packed.*README\.md"):
        adding.add(other, adding.of_path(packed), cache_dir=cache, name="again")


def checks(library: Library, cache: Path) -> dict[str, bool]:
    """What a verification says."""
    return {one.name: one.ok for one in verifying.verify(library, "tiny-e5", cache)}


def test_a_sound_model_is_verified(
    model: Path, library: Library, add: Callable[..., Added], cache: Path
) -> None:
    """Digests, content, fingerprint and answers are as they were."""
    add(model)
    names_of = ("digests", "content", "fingerprint", "answers")
    assert checks(library, cache) == dict.fromkeys(names_of, True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", None),
        ("config.json", b"{}"),
        ("pytorch_model.bin", b"pickle"),
        ("README.md", b"another"),
    ],
)
def test_a_changed_model_is_told(
    model: Path,
    library: Library,
    add: Callable[..., Added],
    cache: Path,
    name: str,
    content: bytes | None,
) -> None:
    """A file that is missing, that changed, or that is new: it is named, and the check ends."""
    add(model)
    file = library.root / "tiny-e5" / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    [one] = verifying.verify(library, "tiny-e5", cache)
    assert (one.name, one.ok) == ("digests", False)
    assert name in one.found


def test_a_file_that_became_a_link_is_told(
    model: Path, library: Library, add: Callable[..., Added], cache: Path, tmp_path: Path
) -> None:
    """Also where it leads to the same bytes: they may be others tomorrow."""
    add(model)
    file = library.root / "tiny-e5" / "config.json"
    file.rename(tmp_path / "config.json")
    file.symlink_to(tmp_path / "config.json")
    assert checks(library, cache) == {"digests": False}


def test_another_answer_is_told(
    model: Path, library: Library, add: Callable[..., Added], cache: Path
) -> None:
    """A model that opens and answers otherwise is not the one that was added."""
    add(model)
    file = library.root / "tiny-e5" / note.NAME
    told = json.loads(file.read_text())
    width = told["dimension"]
    other = base64.b64encode(bytes([1] * width)).decode()
    told["answers"]["documents"] = [other, other]
    file.write_text(json.dumps(told))
    assert checks(library, cache)["answers"] is False


def test_a_damaged_note_is_told(
    model: Path, library: Library, add: Callable[..., Added], cache: Path
) -> None:
    """Without its note nothing can be verified; it still can be removed."""
    add(model)
    (library.root / "tiny-e5" / note.NAME).write_text('{"format": 7, "files": {}}')
    with pytest.raises(ModelDamagedError):
        checks(library, cache)
    removing.plan(library, "tiny-e5", cache).carry_out()
    assert library.names() == []


def test_removing_gives_everything_back(model: Path, library: Library, tmp_path: Path) -> None:
    """The model and its export go; the export stays as long as another model shares it."""
    cache = tmp_path / "cache"
    origin = adding.of_path(model)
    for name in ("one", "two"):
        adding.add(library, origin, cache_dir=cache, name=name)
    planned = removing.plan(library, "one", cache)
    assert planned.made == []
    planned.carry_out()
    assert library.names() == ["two"]
    planned = removing.plan(library, "two", cache)
    assert planned.bytes > sum(file.stat().st_size for file in planned.made)
    planned.carry_out()
    assert list((cache / "onnx").iterdir()) == []
    assert [path.name for path in library.root.iterdir()] == [".lock"]
    with pytest.raises(NotFoundError):
        library.remove("two")


def test_what_a_killed_process_left_is_deleted(
    model: Path, library: Library, add: Callable[..., Added]
) -> None:
    """The next add clears it away; until then it is no model."""
    (library.root / ".new-left").mkdir(parents=True)
    (library.root / ".gone-left").mkdir()
    assert library.names() == []
    add(model)
    assert not list(library.root.glob(".new-*")) + list(library.root.glob(".gone-*"))


def test_languages_and_licence_are_read_as_they_stand(tmp_path: Path) -> None:
    """Both forms of a list; what is odd is nothing."""
    for text, expected in (
        ("---\nlanguage: [en, Ko]\nlicense: 'apache-2.0'\n---\n", (("en", "ko"), "apache-2.0")),
        ("---\nlanguage: en\ntags:\n- x\n---\nlicense: no\n", (("en",), "")),
        ("# A model\nlanguage: en\n", ((), "")),
        ("---\nlanguage:\n  - multilingual\n  - <script>\n", (("multilingual",), "")),
    ):
        (tmp_path / "README.md").write_text(text)
        assert (about.languages(tmp_path), about.licence(tmp_path)) == expected


def test_written_tensors_are_read_by_others(tmp_path: Path) -> None:
    """The library that everybody reads with finds the values; a wrong shape is no file."""
    from safetensors.numpy import load_file

    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    parts = [values[:2], values[2:]]
    tensors.write(tmp_path / "a.safetensors", [tensors.Tensor("w", (3, 4), lambda: parts)])
    tensors.check(tmp_path / "a.safetensors")
    assert np.array_equal(load_file(tmp_path / "a.safetensors")["w"], values)
    with pytest.raises(ValueError, match="shape"):
        tensors.write(tmp_path / "b", [tensors.Tensor("w", (9, 9), lambda: parts)])


def test_answers_survive_their_rounding() -> None:
    """What is written down is near enough to tell the same model, and no other."""

    class Fixed:
        dimension = 384

        def __init__(self, seed: int) -> None:
            rows = np.random.default_rng(seed).normal(size=(4, 384)).astype(np.float32)
            self.rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)

        def embed(self, texts: Any) -> Any:
            return self.rows[:2]

        def embed_query(self, text: str) -> Any:
            return self.rows[2 + answers.QUERIES.index(text)]

        def close(self) -> None: ...

    recorded = answers.of(Fixed(1))
    assert answers.least_cosine(Fixed(1), recorded) > 0.9999
    assert answers.least_cosine(Fixed(2), recorded) < 0.5
    assert answers.least_cosine(Fixed(1), {"documents": ["%"], "queries": []}) == 0.0


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """What was vetted is what is written."""
    intake = Intake(tmp_path, 0)
    with pytest.raises(ModelRefusedError, match="size"):
        intake.take(PurePosixPath("a.json"), 2, io.BytesIO(b"{}   "))
