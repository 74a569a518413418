"""Source code cut at its definitions."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.extract import extract, sections

if TYPE_CHECKING:
    from ingestd.ports import Extracted


@pytest.fixture(autouse=True)
def _every_part_is_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a definition is here, it is looked for."""
    monkeypatch.setattr(sections, "SMALL_CHARS", 0)
    monkeypatch.setattr(sections, "_LEADING_CHARS", 0)


def read(name: bytes, source: str) -> Extracted:
    """The source, extracted."""
    return extract(dedent(source).encode(), name)


def paths(found: Extracted) -> list[str]:
    """The heading path of each definition."""
    return [".".join(block.headings) for block in found.blocks if block.heading]


def starts(found: Extracted) -> list[str]:
    """The first line of each definition's block."""
    return [found.text[b.start : b.end].partition("\n")[0] for b in found.blocks if b.heading]


def test_python() -> None:
    """Classes hold methods; decorators and comments directly above belong to what is below."""
    found = read(
        b"a.py",
        '''
        """def in_a_docstring():

        class Neither: of these.
        """
        import os

        # About f.
        @cache
        def f(
            a: int,
        ) -> int:
            def inner():
                return 1

            return inner()

        async def g(): ...

        class C(Base):
            """It."""

            x = 1

            @property
            def y(self) -> int:
                text = """
        def at_the_margin_of_a_string():
        """
                return 1

        if __name__ == "__main__":
            main()
        ''',
    )
    assert paths(found) == ["f", "g", "C", "C.y"]
    assert starts(found) == ["# About f.", "async def g(): ...", "class C(Base):", "    @property"]
    last = found.blocks[-1]
    assert last.headings == ()
    assert found.text[last.start :].startswith("if __name__")


def test_half_written_python_is_read() -> None:
    """What no parser takes is cut as well."""
    found = read(b"a.py", "def f(:\n    retrun 1\n\nprint 'x'\n\nclass D\n    def m(self\n")
    assert paths(found) == ["f", "D", "D.m"]


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            b"a.js",
            """
            import x from 'y';

            /** It. */
            export default function App({ a }) {
              const inner = () => {
                return `
            function in_a_string() {
            `;
              };
            }

            export const use = async (id) => {
              await f(id);
            };

            class Foo extends Bar {
              constructor(a) {
                super(a);
              }
              static async get(id) {
                if (id) {
                  return 2;
                }
              }
            }
            """,
            ["App", "use", "Foo", "Foo.constructor", "Foo.get"],
        ),
        (
            b"A.java",
            """
            package a.b;

            /** Doc. */
            @Service
            public class Users<T> implements Foo {
                public Users(Repo repo) {
                    this.repo = repo;
                }

                @Override
                public Optional<User> find(
                        String id,
                        int n) throws IOException {
                    for (int i = 0; i < n; i++) {
                        call(i);
                    }
                }

                abstract int size(
                    int n);

                interface Inner {
                    void a();
                }
            }
            """,
            ["Users", "Users.Users", "Users.find", "Users.Inner"],
        ),
        (
            b"a.cpp",
            """
            namespace foo {
            namespace bar {

            class A : public B {
            public:
                int get() const { return x; }
            };

            A::A()
                : x(1)
            {
            #ifdef Q
                if (x) {
            #else
                if (y) {
            #endif
                }
            }

            extern int declared(int a,
                                struct timespec *t);

            static inline int
            helper(int a, int b)
            {
                return a;
            }

            template <typename T>
            T most(T a, T b) {
                return a;
            }

            }  // namespace bar
            }  // namespace foo
            """,
            ["foo", "foo.bar", *(f"foo.bar.{name}" for name in ("A", "A::A", "helper", "most"))],
        ),
        (
            b"a.go",
            (
                "package x\n\ntype Server struct {\n\ta int\n}\n\n"
                "func (s *Server) Run(ctx context.Context) error {\n\treturn nil\n}\n\n"
                "func main() {\n}\n"
            ),
            ["Server", "Server.Run", "main"],
        ),
        (
            b"a.rs",
            """
            mod m {
                pub(crate) fn f<'a>(x: &'a str) -> u8 {
                    1
                }
            }

            impl<T> Trait for Type<T> {
                fn g(&self) {}
            }

            macro_rules! mac {
                () => {};
            }
            """,
            ["m", "m.f", "<T> Trait for Type<T>", "<T> Trait for Type<T>.g", "mac"],
        ),
        (
            b"a.kt",
            (
                "data class P(val a: Int)\n\nobject Main {\n    suspend fun run(x: Int): Int {\n"
                "        return x\n    }\n}\n"
            ),
            ["P", "Main", "Main.run"],
        ),
        (
            b"a.cs",
            (
                "namespace A.B\n{\n    public class C : D\n    {\n        public async Task<int> "
                "RunAsync(string a)\n        {\n            return 1;\n        }\n    }\n}\n"
            ),
            ["A.B", "A.B.C", "A.B.C.RunAsync"],
        ),
        (
            b"a.php",
            (
                "<?php\nfinal class User extends A\n{\n    public function name(): string\n    {\n"
                "        return 1;\n    }\n}\n\nfunction helper($a) {\n    return $a;\n}\n"
            ),
            ["User", "User.name", "helper"],
        ),
        (
            b"a.sh",
            "# don't `break\nset -e\n\nfoo() {\n  echo\n}\n\nfunction bar {\n  echo\n}\n",
            ["foo", "bar"],
        ),
        (
            b"main.tf",
            'resource "aws_s3_bucket" "logs" {\n  bucket = "x"\n}\n',
            ["resource aws_s3_bucket logs"],
        ),
        (
            b"a.rb",
            (
                "module A\n  class B < C\n    def self.x(a)\n    end\n\n    def y?\n      1\n"
                "    end\n  end\nend\n"
            ),
            ["A", "A.B", "A.B.self.x", "A.B.y?"],
        ),
        (
            b"a.lua",
            "local M = {}\n\nfunction M.x(a)\n  return a\nend\n\nM.y = function(b)\nend\n",
            ["M.x", "M.y"],
        ),
        (
            b"a.ex",
            "defmodule A.B do\n  def f(x) do\n    x\n  end\n\n  defp g(x), do: x\nend\n",
            ["A.B", "A.B.f", "A.B.g"],
        ),
        (
            b"a.sql",
            (
                '-- Users.\nCREATE TABLE IF NOT EXISTS "users" (\n    id int\n);\n\n'
                "create or replace function\n  f(a int) returns int as $$\nBEGIN\n"
                "CREATE TABLE inside ();\nEND\n$$;\n\nINSERT INTO users VALUES (1);\n"
            ),
            ['table "users"', "function f"],
        ),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_languages(name: bytes, source: str, expected: list[str]) -> None:
    """Definitions of each family are found; calls, declarations and strings are none."""
    assert paths(read(name, source)) == expected


def test_scripts_are_known_by_their_first_line() -> None:
    """A script without a suffix is read as what runs it."""
    assert paths(extract(b"#!/usr/bin/env python3\ndef f():\n    pass\n", b"run")) == ["f"]
    assert paths(extract(b"#!/bin/bash\nf() {\n  ls\n}\n", b"run")) == ["f"]


def test_small_definitions_share_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too short to stand alone is a block of the class, under the name of the class."""
    monkeypatch.setattr(sections, "SMALL_CHARS", 60)
    body = "        pass\n" * 10
    found = read(
        b"a.py",
        f"class C:\n    def a(self):\n        pass\n\n    def b(self):\n{body}\n"
        "    def c(self):\n        pass\n",
    )
    assert [(b.heading, ".".join(b.headings)) for b in found.blocks] == [
        (1, "C"),
        (0, "C"),
        (2, "C.b"),
        (0, "C"),
    ]


def test_words_above_a_definition_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment that stands alone between two sections begins the second."""
    monkeypatch.setattr(sections, "_LEADING_CHARS", 40)
    found = read(b"a.py", "def a():\n    pass\n\n# The others\n\ndef b():\n    pass\n")
    assert starts(found) == ["def a():", "# The others"]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (b"a.kt", "@Strip\nclass Registry\n@Strip\nprivate constructor(of: Factory) {\n}\n"),
        (b"a.scala", "trait X {}\nobject X\nclass Y\nopen object X:\nopen class Y:\n"),
        (b"a.nim", "proc a*(s: cint): cint\n  ## What a gives.\nproc b*(s: cint): cint\n  ## b.\n"),
        (b"a.py", "def a():\n    return 1\n    # This ends a.\ndef b():\n    return 2\n"),
    ],
)
@pytest.mark.parametrize("small", [0, 400])
def test_definitions_without_a_gap_lose_nothing(
    monkeypatch: pytest.MonkeyPatch, name: bytes, source: str, small: int
) -> None:
    """A definition, and a comment that ends one, never count as what stands above the next."""
    monkeypatch.setattr(sections, "SMALL_CHARS", small)
    found = extract(source.encode(), name)
    ends = [0, *(block.end for block in found.blocks)]
    assert [block.start for block in found.blocks] == ends[:-1]
    assert ends[-1] == len(source)
