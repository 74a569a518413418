"""Everything that touches Chroma: this package is the only importer of chromadb."""
