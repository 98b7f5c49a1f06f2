"""The collection's properties are those of the contract, each with the index its use needs."""

from __future__ import annotations

import pytest
from weaviate.classes.config import DataType, Tokenization

from schemas.errors import RefusedError
from schemas.messages.tickets import TicketFacts
from streams.weaviate.collection import properties, tenant_of
from streams.weaviate.reading import PROPERTIES

INTEGERS = {"ticket_id", "chunk_index", "merged_into"}
DATES = {"created_at", "updated_at"}
SEARCHED = {"words", "subject_words"}
NOT_FILTERED = {"chunk_index", "text", "content_hash", "subject", *SEARCHED}


def test_properties_of_the_contract() -> None:
    found = {each.name: each for each in properties()}
    chunk = {"ticket_id", "chunk_index", "text", "content_hash", "visibility"}
    assert set(found) - SEARCHED == chunk | set(TicketFacts.__struct_fields__) == set(PROPERTIES)
    for name, each in found.items():
        kind = DataType.INT if name in INTEGERS else DataType.DATE if name in DATES else DataType.TEXT
        assert each.dataType == (DataType.TEXT_ARRAY if name == "tags" else kind)
        assert each.indexFilterable == (name not in NOT_FILTERED)
        if kind == DataType.TEXT:
            assert each.indexSearchable == (name in SEARCHED)
            assert each.tokenization == (Tokenization.LOWERCASE if name in SEARCHED else Tokenization.FIELD)


@pytest.mark.parametrize("account", ["acme", "Acme-2", "a_b", "a" * 64])
def test_account_is_its_tenant(account: str) -> None:
    assert tenant_of(account) == account


@pytest.mark.parametrize("account", ["", "a.b", "a/b", "ä", "a b", "a" * 65, "a\n"])
def test_accounts_that_are_no_tenant(account: str) -> None:
    with pytest.raises(RefusedError, match="tenant"):
        tenant_of(account)
