"""The embedding function of a collection: written down for readers, never built by ingestd.

Chroma stores the name and configuration of an embedding function with a collection, and its
client builds the function from them: for a query by text, but also at every write. What is stored
decides which model is loaded and with which arguments, remote code among them, and anybody who
reaches the server can store it. So ingestd writes it, and takes it away from all that it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def without_stored_functions(handle: Any) -> Any:
    """Make the handle of a collection forget the embedding functions stored with it."""
    model = handle._model  # noqa: SLF001 - there is no public way
    model.serialized_schema = None
    if model.configuration_json:
        model.configuration_json = {**model.configuration_json, "embedding_function": None}
    return handle


def recorded_function(config: Mapping[str, Any]) -> Any:
    """An embedding function that is only written down.

    Args:
        config: what Chroma's ``sentence_transformer`` function is built from in readers.
    """
    from chromadb.api.types import EmbeddingFunction  # noqa: PLC0415 - slow to import

    class Recorded(EmbeddingFunction):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:  # noqa: A002 - the name is Chroma's
            raise NotImplementedError

        @staticmethod
        def name() -> str:
            return "sentence_transformer"

        def get_config(self) -> dict[str, Any]:
            return dict(config)

        @staticmethod
        def build_from_config(_config: dict[str, Any]) -> Any:
            return Recorded()

        def default_space(self) -> str:
            return "cosine"

        def supported_spaces(self) -> list[str]:
            return ["cosine"]

        def validate_config_update(self, old_config: Any, new_config: Any) -> None:
            """Any change is meant: the model was changed."""

    return Recorded()
