"""What was replaced: Weaviate's WORD tokens of whole chunks, and its own fusion of words and meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import weaviate
from google.protobuf.struct_pb2 import Value  # type: ignore[import-untyped]
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.query import HybridFusion
from weaviate.proto.v1 import batch_pb2

from schemas.vectors import Vector
from streams.weaviate.collection import properties

_LATER: Final = {"words", "subject_words", "merged_into"}
"""Properties that collections of the first schema do not have."""


async def make_collection(client: weaviate.WeaviateAsyncClient, name: str) -> None:
    """Make a collection whose texts and subjects are cut into words by Weaviate."""
    kept = [each for each in properties() if each.name not in {*_LATER, "text", "subject"}]
    searched = [
        Property(
            name=name,
            data_type=DataType.TEXT,
            tokenization=Tokenization.WORD,
            index_searchable=True,
            index_filterable=False,
        )
        for name in ("text", "subject")
    ]
    await client.collections.create(
        name,
        properties=[*kept, *searched],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(
                distance_metric=VectorDistances.COSINE,
                ef_construction=64,
                max_connections=16,
                quantizer=Configure.VectorIndex.Quantizer.rq(bits=8),
            )
        ),
        inverted_index_config=Configure.inverted_index(
            index_null_state=False, index_property_length=False, index_timestamps=False
        ),
        multi_tenancy_config=Configure.multi_tenancy(enabled=True, auto_tenant_creation=True),
    )


def without_words(made: Sequence[batch_pb2.BatchObject]) -> list[batch_pb2.BatchObject]:
    """Return the objects without what is searched now."""
    found = []
    for each in made:
        copy = batch_pb2.BatchObject()
        copy.CopyFrom(each)
        fields: dict[str, Value] = copy.properties.non_ref_properties.fields
        for name in _LATER:
            fields.pop(name, None)
        found.append(copy)
    return found


async def search(objects: Any, text: str, vector: Vector, limit: int) -> list[tuple[int, str]]:
    """Return tickets with their passages, best first, as searches were made."""
    chunks = limit * 4
    reply = await objects.query.hybrid(
        query=text,
        vector=vector.tolist(),
        alpha=0.5,
        query_properties=["text", "subject"],
        fusion_type=HybridFusion.RELATIVE_SCORE,
        limit=chunks,
        return_properties=["ticket_id", "text"],
    )
    best: dict[int, str] = {}
    for each in reply.objects:
        best.setdefault(int(each.properties["ticket_id"]), str(each.properties["text"]))
    return list(best.items())[:limit]
