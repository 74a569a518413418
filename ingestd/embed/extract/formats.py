"""Which name means which format: media types by suffix and by file name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the text of a format is read."""

    PLAIN = "plain"
    """Paragraphs between blank lines."""
    MARKDOWN = "markdown"
    """Markdown in any of its dialects."""
    RST = "rst"
    """reStructuredText."""
    HTML = "html"
    """HTML and XHTML."""
    CODE = "code"
    """Source code and structured data."""
    DOCUMENT = "document"
    """No text, but a reader of its own: see `ingestd.embed.extract.documents`."""
    PLUGIN = "plugin"
    """Read by somebody else's package: see `ingestd.embed.extract.plugin`."""
    BINARY = "binary"
    """No text that we can read."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type and how it is read."""

    mime: str
    kind: Kind


PLAIN = Format("text/plain", Kind.PLAIN)
HTML = Format("text/html", Kind.HTML)
SCRIPT = Format("text/x-script", Kind.CODE)

_TEXTS = {
    "text/plain": (Kind.PLAIN, "txt text log asc me 1st nfo"),
    "text/csv": (Kind.PLAIN, "csv"),
    "text/tab-separated-values": (Kind.PLAIN, "tsv tab"),
    "text/x-org": (Kind.PLAIN, "org"),
    "text/asciidoc": (Kind.PLAIN, "adoc asciidoc"),
    "application/x-tex": (Kind.PLAIN, "tex ltx bib"),
    "application/x-subrip": (Kind.PLAIN, "srt vtt"),
    "text/markdown": (Kind.MARKDOWN, "md markdown mdx mkd mkdn mdown qmd rmd"),
    "text/x-rst": (Kind.RST, "rst rest"),
    "text/html": (Kind.HTML, "html htm xht"),
    "application/xhtml+xml": (Kind.HTML, "xhtml"),
}
_SOURCES = {
    "text/x-python": "py pyi pyx pyw",
    "text/javascript": "js mjs cjs jsx",
    "text/typescript": "ts tsx mts cts",
    "text/x-java": "java",
    "text/x-kotlin": "kt kts",
    "text/x-groovy": "groovy gradle",
    "text/x-scala": "scala sc",
    "text/x-c": "c h",
    "text/x-c++": "cpp hpp cc cxx hh hxx inl ino cu cuh",
    "text/x-objective-c": "m mm",
    "text/x-csharp": "cs",
    "text/x-fsharp": "fs fsi fsx",
    "text/x-go": "go",
    "text/x-rust": "rs",
    "text/x-zig": "zig",
    "text/x-nim": "nim",
    "text/x-dart": "dart",
    "text/x-swift": "swift",
    "text/x-ruby": "rb rake gemspec",
    "text/x-php": "php phtml",
    "text/x-perl": "pl pm",
    "text/x-lua": "lua",
    "text/x-r": "r",
    "text/x-julia": "jl",
    "text/x-haskell": "hs lhs",
    "text/x-ocaml": "ml mli",
    "text/x-elixir": "ex exs",
    "text/x-erlang": "erl hrl",
    "text/x-clojure": "clj cljs cljc edn",
    "text/x-lisp": "lisp el scm rkt",
    "text/x-asm": "asm s",
    "text/x-sql": "sql ddl",
    "text/x-sh": "sh bash zsh ksh fish bats",
    "text/x-powershell": "ps1 psm1 psd1",
    "text/x-batch": "bat cmd",
    "text/x-vim": "vim",
    "text/x-cmake": "cmake",
    "text/x-makefile": "mk mak",
    "text/x-dockerfile": "dockerfile containerfile",
    "text/x-terraform": "tf tfvars hcl",
    "text/x-nix": "nix",
    "text/x-proto": "proto",
    "text/x-graphql": "graphql gql",
    "text/x-diff": "diff patch",
    "text/x-jinja": "j2 jinja jinja2 tmpl tpl mustache hbs",
    "text/css": "css",
    "text/x-scss": "scss sass",
    "text/x-less": "less",
    "text/x-vue": "vue",
    "text/x-svelte": "svelte",
    "text/xml": "xml xsd xsl xslt rng wsdl plist",
    "image/svg+xml": "svg",
    "application/json": "json jsonc json5 geojson webmanifest",
    "application/x-ndjson": "jsonl ndjson",
    "application/x-ipynb+json": "ipynb",
    "application/yaml": "yaml yml",
    "application/toml": "toml",
    "text/x-ini": "ini cfg conf cnf properties desktop service timer socket mount target",
    "text/x-solidity": "sol",
    "text/x-verilog": "v sv svh vhd vhdl",
    "text/x-pascal": "pas pp dpr",
    "text/x-fortran": "f f90 f95 for",
    "text/x-visual-basic": "vb bas vbs",
    "text/x-tcl": "tcl",
}
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_DOCUMENTS = {
    "application/pdf": "pdf",
    _WORD: "docx docm dotx dotm",
    _EXCEL: "xlsx xlsm xltx xltm",
    _POWERPOINT: "pptx pptm ppsx ppsm potx potm",
    "application/msword": "doc dot",
    "application/vnd.ms-excel": "xls xlt",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xlsb",
    "application/vnd.ms-powerpoint": "ppt pps pot",
    "application/vnd.oasis.opendocument.text": "odt ott",
    "application/vnd.oasis.opendocument.spreadsheet": "ods ots",
    "application/vnd.oasis.opendocument.presentation": "odp otp",
    "application/epub+zip": "epub",
    "application/rtf": "rtf",
    "application/x-hwp": "hwp",
    "application/hwp+zip": "hwpx",
}
_BINARIES = {
    "application/x-mobipocket-ebook": "mobi azw azw3",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "image/*": "png jpg jpeg jpe gif bmp ico cur tif tiff webp avif heic heif jxl psd xcf raw cr2 "
    "nef dng exr hdr icns tga",
    "audio/*": "mp3 wav flac ogg oga opus m4a aac wma aif aiff mid midi",
    "video/*": "mp4 m4v mkv webm avi mov wmv flv mpg mpeg 3gp ogv m2ts",
    "font/*": "ttf otf woff woff2 eot ttc",
    "application/x-archive": "zip tar gz tgz bz2 tbz2 xz txz zst lz lz4 lzma 7z rar jar war ear "
    "whl egg deb rpm apk ipa cab iso img dmg msi crx xpi nupkg gem cpio ar snap flatpak",
    "application/x-executable": "exe dll so dylib o a lib ko elf class pyc pyo pyd "
    "wasm bc beam node",
    "application/x-database": "sqlite sqlite3 db db3 mdb accdb dbf ldb frm ibd parquet feather "
    "arrow orc avro lmdb",
    "application/x-data": "bin pkl pickle npy npz h5 hdf5 pt pth ckpt onnx safetensors gguf "
    "tflite pb joblib mat rdata rds blend fbx glb stl dwg pcap swf p12 pfx jks keystore der mo "
    "swp swo ds_store lnk",
}
_NAMES = {
    "makefile": "text/x-makefile",
    "gnumakefile": "text/x-makefile",
    "dockerfile": "text/x-dockerfile",
    "containerfile": "text/x-dockerfile",
    "cmakelists.txt": "text/x-cmake",
    "jenkinsfile": "text/x-groovy",
    "gemfile": "text/x-ruby",
    "rakefile": "text/x-ruby",
    "vagrantfile": "text/x-ruby",
    "podfile": "text/x-ruby",
    "procfile": "application/yaml",
    "justfile": "text/x-makefile",
    "build": "text/x-python",
    "workspace": "text/x-python",
    "sconstruct": "text/x-python",
    ".bashrc": "text/x-sh",
    ".profile": "text/x-sh",
    ".zshrc": "text/x-sh",
    ".editorconfig": "text/x-ini",
    ".gitconfig": "text/x-ini",
}


def _by_suffix() -> dict[str, Format]:
    """The tables above as one, keyed by suffix."""
    table = {
        suffix: Format(mime, kind)
        for mime, (kind, suffixes) in _TEXTS.items()
        for suffix in suffixes.split()
    }
    for kind, rows in (
        (Kind.CODE, _SOURCES),
        (Kind.DOCUMENT, _DOCUMENTS),
        (Kind.BINARY, _BINARIES),
    ):
        for mime, suffixes in rows.items():
            table.update(dict.fromkeys(suffixes.split(), Format(mime, kind)))
    return table


_SUFFIXES = _by_suffix()


def format_of(path: bytes) -> Format | None:
    """The format that a path's last part names; None when it names none.

    Args:
        path: bytes as on disk, POSIX; letters of either case.
    """
    name = path.rpartition(b"/")[2].lower().decode("utf-8", "replace")
    if name in _NAMES:
        return Format(_NAMES[name], Kind.CODE)
    stem, dot, suffix = name.rpartition(".")
    return _SUFFIXES.get(suffix) if dot and stem else None
