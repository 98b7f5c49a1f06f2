"""The headers of a retry: there and back, however odd what is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.headers.retries import Retry, retry_headers, retry_of, with_retry
from tests.shared_fixtures import QUICK

HEADERS = st.lists(
    st.tuples(st.sampled_from(["schema", "retry-of", "retry-number", "retry-import"]), st.binary(max_size=12))
)


def test_a_message_is_no_retry_until_it_is_sent_again() -> None:
    plain = [("schema", b"x/1"), ("schema", b"y")]
    assert retry_of(plain) is None
    assert retry_headers(plain) == []
    first = with_retry(plain, "ab12", "i1")
    assert first[:2] == plain
    assert retry_of(first) == Retry("ab12", 1, "i1")
    second = with_retry(first, "cd34")
    assert retry_of(second) == Retry("cd34", 2, "")
    assert len(with_retry(second, "ef56")) == len(second)  # however often: the headers do not grow


@pytest.mark.parametrize("number", [b"", b"-3", b"x", b"9" * 4000, "²".encode(), "٣".encode(), b"0"])
def test_a_number_that_is_none_counts_as_one(number: bytes) -> None:
    assert retry_of([("retry-of", b"ab"), ("retry-number", number)]) == Retry("ab", 1)


@QUICK
@given(HEADERS, st.text("0123456789abcdef", min_size=16, max_size=16))
def test_whatever_the_headers_were_the_newest_retry_is_read(
    headers: list[tuple[str, bytes]], letter_id: str
) -> None:
    before = retry_of(headers)
    sent = with_retry(headers, letter_id)
    assert retry_of(sent) == Retry(letter_id, 1 if before is None else before.number + 1)
    assert [each for each in sent if each[0] == "schema"] == [each for each in headers if each[0] == "schema"]
