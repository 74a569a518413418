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
    """Source code and structured data of other kinds: blank lines and the left margin."""
    BRACES = "braces"
    """Source code whose definitions stand in braces."""
    INDENTED = "indented"
    """Source code whose definitions end where the indentation does."""
    SQL = "sql"
    """SQL in any of its dialects."""
    DELIMITED = "delimited"
    """Rows of columns."""
    JSON = "json"
    """JSON in any of its dialects."""
    JSONL = "jsonl"
    """A JSON record a line."""
    YAML = "yaml"
    """YAML."""
    TOML = "toml"
    """TOML, INI and their like."""
    NOTEBOOK = "notebook"
    """Jupyter notebooks."""
    LATEX = "latex"
    """TeX and LaTeX."""
    ASCIIDOC = "asciidoc"
    """AsciiDoc."""
    ORG = "org"
    """Org."""
    SUBTITLES = "subtitles"
    """Subtitles of films."""
    DOCUMENT = "document"
    """No text, but a reader of its own: see `ingestd.embed.extract.documents`."""
    ARCHIVE = "archive"
    """Files packed together, which are read where the configuration says so."""
    PLUGIN = "plugin"
    """Read by somebody else's package: see `ingestd.embed.extract.plugin`."""
    BINARY = "binary"
    """No text that we can read."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type and how it is read."""

    mime: str
    kind: Kind


SOURCES = frozenset({Kind.CODE, Kind.BRACES, Kind.INDENTED, Kind.SQL})
"""Where a character stands for itself."""

PLAIN = Format("text/plain", Kind.PLAIN)
HTML = Format("text/html", Kind.HTML)
SCRIPT = Format("text/x-script", Kind.CODE)
SHELL_SCRIPT = Format("text/x-script", Kind.BRACES)
MAIL = "message/rfc822"
INDENTED_SCRIPT = Format("text/x-script", Kind.INDENTED)

_TEXTS = {
    "text/plain": (Kind.PLAIN, "txt text log asc me 1st nfo"),
    "text/csv": (Kind.DELIMITED, "csv"),
    "text/tab-separated-values": (Kind.DELIMITED, "tsv tab"),
    "application/json": (Kind.JSON, "json jsonc json5 geojson webmanifest"),
    "application/x-ndjson": (Kind.JSONL, "jsonl ndjson"),
    "application/x-ipynb+json": (Kind.NOTEBOOK, "ipynb"),
    "application/yaml": (Kind.YAML, "yaml yml"),
    "application/toml": (Kind.TOML, "toml"),
    "text/x-ini": (
        Kind.TOML,
        "ini cfg conf cnf properties desktop service timer socket mount target",
    ),
    "text/x-sql": (Kind.SQL, "sql ddl"),
    "text/x-org": (Kind.ORG, "org"),
    "text/asciidoc": (Kind.ASCIIDOC, "adoc asciidoc"),
    "application/x-tex": (Kind.LATEX, "tex ltx sty cls"),
    "application/x-bibtex": (Kind.CODE, "bib"),
    "application/x-subrip": (Kind.SUBTITLES, "srt"),
    "text/vtt": (Kind.SUBTITLES, "vtt"),
    "text/markdown": (Kind.MARKDOWN, "md markdown mdx mkd mkdn mdown qmd rmd"),
    "text/x-rst": (Kind.RST, "rst rest"),
    "text/html": (Kind.HTML, "html htm xht"),
    "application/xhtml+xml": (Kind.HTML, "xhtml"),
}
_IN_BRACES = {
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
    "text/x-go": "go",
    "text/x-rust": "rs",
    "text/x-zig": "zig",
    "text/x-dart": "dart",
    "text/x-swift": "swift",
    "text/x-php": "php phtml",
    "text/x-perl": "pl pm",
    "text/x-r": "r",
    "text/x-sh": "sh bash zsh ksh fish bats",
    "text/x-powershell": "ps1 psm1 psd1",
    "text/x-terraform": "tf tfvars hcl",
    "text/x-proto": "proto",
    "text/x-graphql": "graphql gql",
    "text/x-solidity": "sol",
}
_INDENTED = {
    "text/x-python": "py pyi pyx pyw",
    "text/x-fsharp": "fs fsi fsx",
    "text/x-nim": "nim",
    "text/x-ruby": "rb rake gemspec",
    "text/x-lua": "lua",
    "text/x-julia": "jl",
    "text/x-ocaml": "ml mli",
    "text/x-elixir": "ex exs",
    "text/x-clojure": "clj cljs cljc edn",
    "text/x-lisp": "lisp el scm rkt",
    "text/x-fortran": "f f90 f95 for",
    "text/x-tcl": "tcl",
}
_OTHERS = {
    "text/x-haskell": "hs lhs",
    "text/x-erlang": "erl hrl",
    "text/x-asm": "asm s",
    "text/x-batch": "bat cmd",
    "text/x-vim": "vim",
    "text/x-cmake": "cmake",
    "text/x-makefile": "mk mak",
    "text/x-dockerfile": "dockerfile containerfile",
    "text/x-nix": "nix",
    "text/x-diff": "diff patch",
    "text/x-jinja": "j2 jinja jinja2 tmpl tpl mustache hbs",
    "text/css": "css",
    "text/x-scss": "scss sass",
    "text/x-less": "less",
    "text/x-vue": "vue",
    "text/x-svelte": "svelte",
    "text/xml": "xml xsd xsl xslt rng wsdl plist",
    "image/svg+xml": "svg",
    "text/x-verilog": "v sv svh vhd vhdl",
    "text/x-pascal": "pas pp dpr",
    "text/x-visual-basic": "vb bas vbs",
}
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_PICTURES = {
    "image/png": "png",
    "image/jpeg": "jpg jpeg jpe",
    "image/gif": "gif",
    "image/bmp": "bmp dib",
    "image/tiff": "tif tiff",
    "image/webp": "webp",
}
PICTURES = frozenset(_PICTURES)
"""Media types of pictures that may be pictures of text."""
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
    MAIL: "eml mht mhtml",
    "application/vnd.ms-outlook": "msg",
    **_PICTURES,
}
_ARCHIVES = {
    "application/zip": "zip",
    "application/x-tar": "tar tgz tbz2 tbz txz",
}
_PACKERS = frozenset({"gz", "bz2", "xz"})
_BINARIES = {
    "application/x-mobipocket-ebook": "mobi azw azw3",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "image/*": "ico cur avif heic heif jxl psd xcf raw cr2 nef dng exr hdr icns tga",
    "audio/*": "mp3 wav flac ogg oga opus m4a aac wma aif aiff mid midi",
    "video/*": "mp4 m4v mkv webm avi mov wmv flv mpg mpeg 3gp ogv m2ts",
    "font/*": "ttf otf woff woff2 eot ttc",
    "application/x-archive": "gz bz2 xz zst lz lz4 lzma 7z rar jar war ear "
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
    "makefile": ("text/x-makefile", Kind.CODE),
    "gnumakefile": ("text/x-makefile", Kind.CODE),
    "dockerfile": ("text/x-dockerfile", Kind.CODE),
    "containerfile": ("text/x-dockerfile", Kind.CODE),
    "cmakelists.txt": ("text/x-cmake", Kind.CODE),
    "jenkinsfile": ("text/x-groovy", Kind.BRACES),
    "gemfile": ("text/x-ruby", Kind.INDENTED),
    "rakefile": ("text/x-ruby", Kind.INDENTED),
    "vagrantfile": ("text/x-ruby", Kind.INDENTED),
    "podfile": ("text/x-ruby", Kind.INDENTED),
    "procfile": ("application/yaml", Kind.YAML),
    "justfile": ("text/x-makefile", Kind.CODE),
    "build": ("text/x-python", Kind.INDENTED),
    "workspace": ("text/x-python", Kind.INDENTED),
    "sconstruct": ("text/x-python", Kind.INDENTED),
    ".bashrc": ("text/x-sh", Kind.BRACES),
    ".profile": ("text/x-sh", Kind.BRACES),
    ".zshrc": ("text/x-sh", Kind.BRACES),
    ".editorconfig": ("text/x-ini", Kind.TOML),
    ".gitconfig": ("text/x-ini", Kind.TOML),
}
_TABLES = (
    (Kind.BRACES, _IN_BRACES),
    (Kind.INDENTED, _INDENTED),
    (Kind.CODE, _OTHERS),
    (Kind.DOCUMENT, _DOCUMENTS),
    (Kind.ARCHIVE, _ARCHIVES),
    (Kind.BINARY, _BINARIES),
)


def _by_suffix() -> dict[str, Format]:
    """The tables above as one, keyed by suffix."""
    table = {
        suffix: Format(mime, kind)
        for mime, (kind, suffixes) in _TEXTS.items()
        for suffix in suffixes.split()
    }
    for kind, rows in _TABLES:
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
        return Format(*_NAMES[name])
    stem, dot, suffix = name.rpartition(".")
    if suffix in _PACKERS and stem.endswith(".tar"):
        suffix = "tar"
    return _SUFFIXES.get(suffix) if dot and stem else None
