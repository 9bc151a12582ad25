"""The line that says what is copied, and to whom."""

import pytest

from inference.shadow import MOST_TARGETS, Shadow, ShadowError, read


def test_a_line_says_share_end_and_hosts() -> None:
    shadow = read("share=0.25 until=1767225600 10.0.11.7:8080 192.168.1.2:80")
    assert shadow == Shadow(0.25, 1767225600, ("10.0.11.7:8080", "192.168.1.2:80"))


def test_an_empty_line_ends_it() -> None:
    assert read("") is None


@pytest.mark.parametrize(
    "line",
    [
        " ",
        "10.0.11.7:8080",
        "share=0.5 until=1767225600",
        "share=nan until=1767225600 10.0.11.7:8080",
        "share=0 until=1767225600 10.0.11.7:8080",
        "share=0.0 until=1767225600 10.0.11.7:8080",
        "share=1.5 until=1767225600 10.0.11.7:8080",
        "share=1 until=1767225600" + " 10.0.0.1:80" * (MOST_TARGETS + 1),
        "share=0." + "1" * 256 + " until=1767225600 10.0.0.1:80",
        "share=1 until=1767225600 candidate.example.com:8080",
        "share=1 until=1767225600 10.0.0.256:8080",
        "share=1 until=1767225600 10.0.0.1:0",
        "share=1 until=1767225600 10.0.0.1:65536",
        "share=1 until=1767225600 10.0.0.1:80\n",
        "share=1 until=1767225600 93.184.216.34:80",
        "share=1 until=1767225600 172.32.0.1:80",
        "share=1 until=1767225600 169.254.169.254:80",
        "share=1 until=1767225600 0.0.0.0:80",
    ],
)
def test_any_other_line_is_refused(line: str) -> None:
    with pytest.raises(ShadowError, match="looks like this"):
        read(line)


@pytest.mark.parametrize("address", ["10.255.0.1:65535", "172.16.0.1:1", "172.31.255.254:8080", "127.0.0.1:49152"])
def test_private_addresses_are_taken(address: str) -> None:
    found = read(f"share=1.0 until=0 {address}")
    assert found == Shadow(1.0, 0, (address,))
