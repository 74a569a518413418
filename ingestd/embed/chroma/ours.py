"""What marks a collection as made by ingestd, and for which model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestd.errors import ForeignCollectionError, ModelMismatchError

if TYPE_CHECKING:
    from ingestd.embed.model import ModelSpec

MARK = "ingestd"
"""Metadata key of the collections that ingestd made; its value is the contract's version."""
CONTRACT = 1


def check_filled_by(handle: Any, spec: ModelSpec) -> Any:
    """See that the vectors of a collection come from this model.

    Raises:
        ModelMismatchError: they come from another one.
    """
    if handle.metadata.get("model_fingerprint") != spec.fingerprint:
        raise ModelMismatchError(
            f"the collection {handle.name!r} was filled by the model "
            f"{handle.metadata.get('model')!r}, not by {spec.public_name!r}"
        )
    return handle


def check_ours(handle: Any, spec: ModelSpec) -> Any:
    """See that ingestd made a collection, for vectors of this model's dimension.

    Raises:
        ForeignCollectionError: somebody else made it.
        ModelMismatchError: it holds vectors of another dimension.
    """
    found = handle.metadata or {}
    if MARK not in found:
        raise ForeignCollectionError(f"the collection {handle.name!r} was not made by ingestd")
    if found.get("dimension") != spec.dimension:
        raise ModelMismatchError(
            f"the collection {handle.name!r} holds vectors of {found.get('dimension')} dimensions "
            f"(model {found.get('model')!r}); the model {spec.public_name!r} gives "
            f"{spec.dimension}"
        )
    return handle


def metadata_of(spec: ModelSpec) -> dict[str, Any]:
    """What a collection of ours tells of itself, for vectors of this model."""
    return {
        MARK: CONTRACT,
        "model": spec.public_name,
        "model_fingerprint": spec.fingerprint,
        "dimension": spec.dimension,
    }
