"""Which paths are taken: built-in excludes, configuration, rule files, and git's own opinion."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestd.errors import ConfigError
from ingestd.watch.globs import translate
from ingestd.watch.ignorefile import MAX_RULE_FILE_BYTES
from ingestd.watch.patterns import parse
from ingestd.watch.rules import HARMLESS, IGNORED, SECRET, UNREADABLE, Rules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty source."""
    return tmp_path


def rules(root: Path, **options: object) -> Rules:
    """The rules of a source."""
    return Rules(os.fsencode(root), **options)  # type: ignore[arg-type]


def ignore(directory: Path, *lines: str) -> None:
    """Write a rule file."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".ingestignore").write_text("\n".join(lines) + "\n")


class TestBuiltIn:
    """What is left out unless somebody asks."""

    @pytest.mark.parametrize(
        "path",
        [
            ".env",
            "deploy/.env.production",
            "prod.env",
            "certs/server.key",
            "SERVER.KEY",
            "credentials",
            "infra/prod.tfstate.backup",
            "kubeconfig",
            ".ssh/id_ed25519",
            "home/.aws/credentials",
            "a/b/.kube/config",
            ".config/gcloud/token.json",
            "keys/store.jks",
            ".netrc",
        ],
    )
    def test_secrets(self, root: Path, path: str) -> None:
        """Files that hold secrets are known as secrets, whatever their case, and listed."""
        decision = rules(root).decide(path.encode())
        assert decision.reason == SECRET
        assert decision.taken == (not path.startswith(".config/gcloud"))

    @pytest.mark.parametrize(
        "path",
        [
            ".git/config",
            ".git",
            "sub/.hg/store/x",
            "node_modules/a/readme.md",
            "x/__pycache__/y.pyc",
            "notes.md~",
            ".notes.md.swp",
            "4913",
            ".#notes.md",
            "#notes.md#",
            "film.crdownload",
            "~$report.docx",
            ".~lock.report.odt#",
            ".DS_Store",
            "Thumbs.db",
            ".nfs0000000012",
            ".Trash-1000/files/a.md",
        ],
    )
    def test_noise(self, root: Path, path: str) -> None:
        """Version control, dependencies, editors' temporaries and system litter are ignored."""
        assert rules(root).decide(path.encode()).reason == IGNORED

    @pytest.mark.parametrize(
        "path",
        [
            "notes.md",
            ".hidden.md",
            ".config/notes.md",
            ".env.example",
            "id_rsa.pub",
            "certs/ca.pem",
            "credentials/guide.md",
            "secrets.md",
            "build/guide.md",
            "environment.md",
            "git/notes.md",
            "keys.md",
        ],
    )
    def test_ordinary_files_are_taken(self, root: Path, path: str) -> None:
        """Hidden files, templates of secrets and names that merely resemble are taken."""
        decision = rules(root).decide(path.encode())
        assert decision.taken, decision
        assert (decision.reason, decision.rule) == ("", "")

    def test_switched_off(self, root: Path) -> None:
        """Without the built-in excludes everything is taken."""
        assert rules(root, defaults=False).decide(b".git/config").taken

    def test_names_the_rule(self, root: Path) -> None:
        """The decision says which pattern ruled and that it is built in."""
        assert rules(root).decide(b"a/x.jks").rule == "*.jks (built-in)"


class TestConfiguration:
    """``exclude`` and ``include``."""

    def test_exclude(self, root: Path) -> None:
        """An exclude rules out, and is named."""
        decision = rules(root, exclude=["drafts/"]).decide(b"a/drafts/x.md")
        assert (decision.taken, decision.reason) == (False, IGNORED)
        assert decision.rule == "drafts/ (exclude)"

    def test_exclude_takes_back_a_default(self, root: Path) -> None:
        """A negated exclude wins over the built-in one."""
        ours = rules(root, exclude=["!public.key", "!.git"])
        assert ours.decide(b".git/config").taken
        assert ours.decide(b"public.key").reason == ""
        assert ours.decide(b"other.key").reason == SECRET

    def test_include_narrows(self, root: Path) -> None:
        """Where an include is given, only files that match are taken, at any depth."""
        ours = rules(root, include=["*.md", "/docs/", "!docs/old/"])
        taken = {b"a.md", b"x/y/a.md", b"docs/a.bin", b"docs/new/a.bin", b"docs/old/a.md"}
        left = {b"a.txt", b"x/docs/a.bin", b"docs/old/a.bin"}
        assert {path for path in taken | left if ours.decide(path).taken} == taken

    def test_include_keeps_directories_walkable(self, root: Path) -> None:
        """A directory is walked whatever the include says, or nothing below would be found."""
        assert rules(root, include=["*.md"]).decide(b"x/y", is_dir=True).taken

    def test_include_brings_nothing_back(self, root: Path) -> None:
        """An include does not take what is excluded, and a negated default does not escape it."""
        ours = rules(root, include=["*.key", "*.md"], exclude=["old.md"])
        for path in (b"old.md", b".env.example", b".netrc"):
            assert not ours.decide(path).taken
        assert ours.decide(b"x.key").reason == SECRET

    @pytest.mark.parametrize("pattern", ["", "  ", "# note", "[abc", "end\\", "a//b", "/", "!"])
    def test_a_pattern_that_matches_nothing_is_an_error(self, root: Path, pattern: str) -> None:
        """A slip in the configuration is told, not passed over."""
        with pytest.raises(ConfigError, match="exclude"):
            rules(root, exclude=[pattern])


class TestSecrets:
    """Files that are listed, and not opened."""

    def test_more_of_them(self, root: Path) -> None:
        """The configuration names more, and takes back what is none, whatever is found in it."""
        ours = rules(root, secret_rules=["*.vault", "!docs/**/*.key", "/team/"])
        found = ours.decide(b"a/x.vault")
        assert (found.taken, found.reason) == (True, SECRET)
        assert found.rule == "*.vault (extract.secret_rules)"
        assert ours.decide(b"team/notes.md").reason == SECRET
        assert ours.decide(b"docs/tls/demo.key") == HARMLESS
        assert ours.decide(b"demo.key").reason == SECRET

    def test_a_rule_file_asks_for_one(self, root: Path) -> None:
        """A negated rule takes a name back; the configuration's own word stays the last."""
        ignore(root, "!.env", "!x.vault", "!harmless.md")
        ours = rules(root, secret_rules=["x.vault", "!harmless.md"])
        assert ours.decide(b".env").reason == ""
        assert ours.decide(b"x.vault").reason == SECRET
        assert ours.decide(b"harmless.md") == HARMLESS

    def test_what_is_excluded_is_not_listed(self, root: Path) -> None:
        """Nor is what lies in a folder that nobody enters."""
        ours = rules(root, exclude=["*.env"])
        for path in (b"prod.env", b"node_modules/x/.env", b".gnupg/private.key"):
            assert not ours.decide(path).taken

    def test_folders_are_entered_whatever_their_names(self, root: Path) -> None:
        """A folder called credentials holds documents."""
        assert rules(root).decide(b"credentials", is_dir=True).taken
        assert rules(root).decide(b"secrets.yaml/a.md").reason == ""

    def test_switched_off(self, root: Path) -> None:
        """Every file is taken as it comes; folders of keys stay closed."""
        ours = rules(root, secrets=False, secret_rules=["*.vault"])
        for path in (b".env", b"id_rsa", b"x.vault"):
            assert ours.decide(path).reason == ""
        assert not ours.decide(b".gnupg", is_dir=True).taken

    def test_it_stands_apart_from_the_other_built_in_rules(self, root: Path) -> None:
        """Whoever wants all folders does not ask for keys by that."""
        assert rules(root, defaults=False).decide(b".env").reason == SECRET

    def test_a_wrong_pattern_is_told(self, root: Path) -> None:
        """With the key where it stands."""
        with pytest.raises(ConfigError, match="secret_rules"):
            rules(root, secret_rules=["[x"])


class TestRuleFiles:
    """``.ingestignore`` files."""

    def test_line_and_file_are_named(self, root: Path) -> None:
        """The decision names the line of the file that ruled."""
        ignore(root / "sub", "# comment", "", "drafts/")
        decision = rules(root).decide(b"sub/x/drafts/a.md")
        assert decision.rule == "drafts/ (sub/.ingestignore:3)"

    def test_deeper_wins(self, root: Path) -> None:
        """A deeper file takes back what a higher one ruled out, and the other way round."""
        ignore(root, "*.log", "!keep.md")
        ignore(root / "sub", "!*.log", "keep.md")
        ours = rules(root)
        assert not ours.decide(b"a.log").taken
        assert ours.decide(b"sub/a.log").taken
        assert not ours.decide(b"sub/keep.md").taken

    def test_wins_over_built_in_and_configuration(self, root: Path) -> None:
        """A rule file takes back a built-in exclude, a configured one, and an include."""
        ignore(root, "!demo.pem", "!x.md", "!a.bin")
        ours = rules(root, exclude=["x.md"], include=["*.txt"])
        for path in (b"demo.pem", b"x.md", b"a.bin", b"sub/demo.pem"):
            assert ours.decide(path).taken

    def test_nothing_comes_back_into_an_excluded_directory(self, root: Path) -> None:
        """A file below an excluded directory stays out, whatever stands in there."""
        ignore(root, "closed/", "!closed/a.md")
        ignore(root / "closed", "!a.md")
        assert not rules(root).decide(b"closed/a.md").taken

    def test_anchored_to_its_directory(self, root: Path) -> None:
        """A pattern with a slash counts from the directory of its file."""
        ignore(root / "sub", "/a.md", "x/b.md", "y/**/c.md", "z/**")
        ours = rules(root)
        out = {b"sub/a.md", b"sub/x/b.md", b"sub/y/c.md", b"sub/y/1/2/c.md", b"sub/z/q/r"}
        kept = {b"a.md", b"sub/q/a.md", b"sub/q/x/b.md", b"y/c.md", b"sub/y/d.md"}
        assert {path for path in out | kept if not ours.decide(path).taken} == out

    def test_double_star_inside_a_name_is_a_star(self, root: Path) -> None:
        """Only a segment of its own makes ``**`` cross directories."""
        ignore(root, "a**/b")
        ours = rules(root)
        assert not ours.decide(b"ax/b").taken
        assert ours.decide(b"a/x/b").taken
        assert ours.decide(b"ab").taken

    def test_is_not_taken_itself(self, root: Path) -> None:
        """The rule files are no documents."""
        assert not rules(root).decide(b"sub/.ingestignore").taken

    def test_change_is_seen(self, root: Path) -> None:
        """An edited, removed and new rule file holds from the next decision on."""
        ours = rules(root)
        (root / "sub").mkdir()
        assert ours.decide(b"sub/a.md").taken
        ignore(root / "sub", "a.md")
        assert not ours.decide(b"sub/a.md").taken
        ignore(root / "sub", "b.md")
        assert ours.decide(b"sub/a.md").taken
        ignore(root, "sub/")
        assert not ours.decide(b"sub/a.md").taken
        (root / ".ingestignore").unlink()
        (root / "sub" / ".ingestignore").unlink()
        assert ours.decide(b"sub/b.md").taken

    def test_line_ends_and_byte_order_mark(self, root: Path) -> None:
        """A file written on Windows rules as well."""
        (root / ".ingestignore").write_bytes(b"\xef\xbb\xbfa.md\r\nb.md\r\n")
        ours = rules(root)
        assert not ours.decide(b"a.md").taken
        assert not ours.decide(b"b.md").taken

    def test_useless_lines_are_passed_over(self, root: Path) -> None:
        """A line that can match nothing does no harm to the others."""
        ignore(root, "[", "a.md")
        assert not rules(root).decide(b"a.md").taken

    @pytest.mark.parametrize("kind", ["link", "pipe", "directory", "large"])
    def test_what_cannot_be_read_makes_all_below_unknown(self, root: Path, kind: str) -> None:
        """A link, a pipe, a directory or a huge file rules nothing in and nothing out."""
        path = root / "sub" / ".ingestignore"
        path.parent.mkdir()
        if kind == "link":
            path.symlink_to("/etc/hostname")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        else:
            path.write_bytes(b"a\n" * MAX_RULE_FILE_BYTES)
        ours = rules(root)
        assert ours.decide(b"a.md").taken
        decision = ours.decide(b"sub/deep/a.md")
        assert (decision.taken, decision.reason) == (False, UNREADABLE)
        assert decision.rule.startswith("sub: .ingestignore is ")


class TestNames:
    """Names as disks have them."""

    def test_not_utf_8(self, root: Path) -> None:
        """A name that is not UTF-8 is decided about like any other."""
        ours = rules(root, exclude=["*.log"])
        assert ours.decide(b"caf\xe9.md").taken
        assert not ours.decide(b"\xff\xfe/caf\xe9.log").taken

    def test_not_utf_8_in_a_rule_file(self, root: Path) -> None:
        """A rule file in the bytes of the name rules it, and is shown without breaking."""
        (root / ".ingestignore").write_bytes(b"caf\xe9.md\n")
        decision = rules(root).decide(b"caf\xe9.md")
        assert not decision.taken
        decision.rule.encode()

    def test_decomposed_hangul(self, root: Path) -> None:
        """A line typed composed rules a name that the disk holds decomposed."""
        name = unicodedata.normalize("NFD", "초안") + ".md"
        assert not rules(root, exclude=["초안.md"]).decide(name.encode()).taken
        assert not rules(root, exclude=["초?.md"]).decide(name.encode()).taken

    def test_newline(self, root: Path) -> None:
        """A newline in a name does not end it."""
        assert not rules(root, exclude=["a*.md"]).decide(b"a\nb.md").taken
        assert rules(root, exclude=["a"]).decide(b"a\n").taken

    @pytest.mark.parametrize("path", [b"/etc/passwd", b"../x", b"a/../b", b"a//b", b"a/", b"./a"])
    def test_a_path_that_is_not_ours_is_refused(self, root: Path, path: bytes) -> None:
        """An absolute path, or one that goes up, is a mistake of the caller."""
        with pytest.raises(ValueError, match="not a path relative"):
            rules(root).decide(path)

    def test_the_root_is_taken(self, root: Path) -> None:
        """The root itself is always walked."""
        assert rules(root, exclude=["*"]).decide(b"", is_dir=True).taken


class TestFolder:
    """The same answers without going down from the root each time."""

    def test_agrees_with_paths(self, root: Path) -> None:
        """A folder entered step by step decides as the rules do for whole paths."""
        ignore(root, "a/b/*.txt", "!a/b/keep.txt", "c/")
        ignore(root / "a", "b/x.md")
        ours = rules(root)
        folder = ours.enter(b"")
        for name in (b"a", b"b"):
            folder = ours.below(folder, name)
        for name in (b"x.md", b"y.txt", b"keep.txt", b".env", b"c"):
            assert folder.decide(name) == ours.decide(b"a/b/" + name)
        closed = ours.below(folder, b"c")
        assert closed.verdict == ours.decide(b"a/b/c", is_dir=True)


class TestHostile:
    """Whoever can write to a watched folder writes patterns and names."""

    def test_stars_do_not_explode(self) -> None:
        """Forty stars against the longest name take no time to speak of."""
        glob = translate("*a" * 40 + "*b")
        start = time.process_time()
        assert not glob.matches("a" * 255)
        assert time.process_time() - start < 0.5

    def test_double_stars_do_not_explode(self, root: Path) -> None:
        """Neither do a hundred double stars against a path a thousand deep."""
        ignore(root, "**/a/" * 100 + "b")
        start = time.process_time()
        assert rules(root, defaults=False).decide(b"a/" * 1000 + b"c").taken
        assert time.process_time() - start < 5

    @given(st.text(alphabet="ab*?[]!^-\\:. ", max_size=12), st.text("ab-]^!", max_size=6))
    def test_any_line_parses_or_is_refused(self, line: str, name: str) -> None:
        """No line makes anything else than a pattern, nothing, or a ValueError."""
        try:
            pattern = parse(line)
        except ValueError:
            return
        if pattern is not None and pattern.segments[0] is not None:
            pattern.segments[0].matches(name)


NAMES = ("a", "b", "ab", "c.x")
SEGMENT = st.sampled_from(
    (
        "a",
        "b",
        "ab",
        "*",
        "**",
        "?",
        "a*",
        "*b",
        "[ab]",
        "[!a]",
        "*.x",
        "c?x",
        "\\a",
        "[b-a]",
    )
)
LINE = st.builds(
    lambda negated, lead, parts, end: negated + lead + "/".join(parts) + end,
    st.sampled_from(("", "", "", "!")),
    st.sampled_from(("", "", "/")),
    st.lists(SEGMENT, min_size=1, max_size=4),
    st.sampled_from(("", "", "/", " ")),
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
class TestAsGitDoes:
    """git itself is the reference for the syntax."""

    @pytest.fixture(scope="class")
    @classmethod
    def tree(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Directories three deep with files of the same names, in a git repository."""
        root = tmp_path_factory.mktemp("tree")
        for one in NAMES[:3]:
            for two in NAMES[:3]:
                (root / one / two / "ab").mkdir(parents=True)
                for place in (root, root / one, root / one / two, root / one / two / "ab"):
                    (place / "c.x").touch()
                    (place / "bb").touch()
        subprocess.run(["git", "init", "-q", root], check=True)
        return root

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(LINE, max_size=5), st.lists(LINE, max_size=3))
    def test_same_files(self, tree: Path, top: list[str], nested: list[str]) -> None:
        """For any lines at the root and in a subdirectory, git and we ignore the same paths."""
        for directory, lines in ((tree, top), (tree / "a", nested)):
            for name in (".gitignore", ".ingestignore"):
                (directory / name).write_text("".join(f"{line}\n" for line in lines))
        ours = rules(tree, defaults=False)
        paths = sorted(
            path.relative_to(tree)
            for path in tree.rglob("*")
            if not path.name.startswith(".") and ".git" not in path.parts
        )
        taken = [str(p) for p in paths if ours.decide(bytes(p), is_dir=(tree / p).is_dir()).taken]
        ignored = self.ignored_by_git(tree, [str(path) for path in paths])
        assert taken == [str(path) for path in paths if str(path) not in ignored]

    @staticmethod
    def ignored_by_git(tree: Path, paths: list[str]) -> set[str]:
        """What git ignores of the paths."""
        done = subprocess.run(
            ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(paths),
            capture_output=True,
            text=True,
            cwd=tree,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return set(done.stdout.split("\0"))


def test_heavy_rule_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    """However many folders lie below a file of thousands of patterns, few are kept parsed."""
    patterns = "".join(f"/*/part-{number:05}.tmp\n" for number in range(6_000))
    (tmp_path / ".ingestignore").write_text(patterns, "ascii")
    rules = Rules(os.fsencode(tmp_path))
    for number in range(60):
        (tmp_path / f"folder-{number}").mkdir()
        inside = b"folder-%d/part-%05d.tmp" % (number, number)
        assert not rules.decide(inside).taken
        assert rules.decide(inside.replace(b".tmp", b".txt")).taken
    assert 2 <= rules.cached <= 20


def test_many_rule_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    """All that are kept parsed have a bound in bytes; the others are read again."""
    rules = Rules(os.fsencode(tmp_path))
    for number in range(30):
        folder = tmp_path / f"folder-{number}"
        folder.mkdir()
        lines = "".join(f"{name}-{number}.tmp\n" for name in range(6_000))
        (folder / ".ingestignore").write_text(lines, "ascii")
        assert not rules.decide(b"folder-%d/7-%d.tmp" % (number, number)).taken
    assert not rules.decide(b"folder-0/7-0.tmp").taken
    assert len(rules._files) <= 8  # noqa: SLF001 - what is kept
