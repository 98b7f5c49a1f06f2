"""Keys go where every Kafka client would put them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.partitions import partition_of
from tests.shared_fixtures import QUICK

# The hashes that Kafka's own Java client is tested with: clients/src/test/java/org/apache/kafka/
# common/utils/UtilsTest.java, testMurmur2.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA)
def test_partitions_are_those_of_the_java_client(key: bytes) -> None:
    # BuiltInPartitioner.partitionForKey: Utils.toPositive(Utils.murmur2(key)) % partitions
    for partitions in (1, 12, 2**31):
        assert partition_of(key, partitions) == (JAVA[key] & 0x7FFFFFFF) % partitions


@QUICK
@given(st.binary(max_size=40), st.integers(1, 1024))
def test_every_key_has_one_partition(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(bytes(bytearray(key)), partitions)


def test_tickets_are_spread_over_all_partitions() -> None:
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of(f"acme:{number}".encode(), 8)] += 1
    assert min(counts) > 800
    assert max(counts) < 1_200
