"""One file from a server that behaves badly: it arrives whole and checked, or a sentence says why not."""

import hashlib

import pytest

from lcnb.errors import DownloadError
from tests.downloads.conftest import BODY
from tests.downloads.server import answering, doing, reset, serve, stall, trickle

trust = pytest.mark.trust("downloads")


def wrong(text):
    return pytest.raises(DownloadError, match=text)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_good_server(fetching, size, tmp_path):
    assert fetching(size=size) == BODY
    assert fetching.ranges == [None]
    assert left(tmp_path) == ["file.bin"]


@trust
@pytest.mark.parametrize(
    "end", [doing(send=100_000), doing(send=100_000, then=reset), doing(send=100_000, then=stall)],
    ids=["closes", "resets", "stalls"],
)  # fmt: skip
def test_a_connection_that_ends_early_is_taken_up_where_it_ended(fetching, end, tmp_path):
    """A connection that closes, breaks or falls silent halfway: the rest is asked for, not the whole"""
    fetching.plan(end, end)
    assert fetching() == BODY
    assert fetching.ranges[0] is None
    starts = [int(asked[6:-1]) for asked in fetching.ranges[1:]]
    assert len(starts) == 2
    assert 50_000 < starts[0] <= 100_000 < starts[1] <= 200_000
    assert fetching.server.log[1][2] == '"one"'
    assert left(tmp_path) == ["file.bin"]


@trust
def test_what_came_before_a_stop_is_built_on(fetching, tmp_path):
    """A fetch that gave up is taken up by the next call, where the first one ended"""
    fetching.plan(*[doing(send=k, then=reset) for k in (100_000, 10, 10, 10)])
    with wrong("the connection to localhost:.* broke .*, 3 times in a row. What has come stays: run the same command"):
        fetching()
    assert left(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    fetching.plan()
    assert fetching() == BODY
    assert int(fetching.ranges[-1][6:-1]) >= 50_000


@trust
def test_a_server_without_ranges_starts_again(fetching):
    """A server that ignores what part was asked for: the file starts again from its beginning"""
    fetching.plan(doing(send=100_000), doing(ranges=False))
    assert fetching() == BODY
    assert fetching.ranges == [None, "bytes=100000-"]


@trust
@pytest.mark.parametrize("careless", [False, True])
def test_a_file_that_changes_halfway(fetching, careless):
    """A file that is replaced on the server halfway: no mixture of old and new is ever kept"""
    old = bytes(len(BODY))

    def first(handler, body):
        serve(handler, old, tag='"old"', send=100_000)

    def mixed(handler, body):  # sends a part although the version asked for is gone
        del handler.headers["If-Range"]
        serve(handler, body, tag='"new"')

    fetching.plan(first, *([mixed] if careless else []), doing(tag='"new"'), doing(tag='"new"'))
    assert fetching() == BODY


@trust
def test_an_old_beginning_that_does_not_belong(fetching, tmp_path):
    """A partial file of unknown origin with a wrong beginning: found out by its checksum, fetched anew"""
    fetching.part.write_bytes(bytes(1000))
    assert fetching() == BODY
    assert fetching.ranges == ["bytes=1000-", None]
    assert left(tmp_path) == ["file.bin"]


def test_without_a_checksum_an_old_beginning_needs_its_version(fetching):
    fetching.part.write_bytes(bytes(1000))
    assert fetching(digest="") == BODY
    assert fetching.ranges == [None]


@trust
@pytest.mark.parametrize("old", [BODY, BODY + b"more", b""])
def test_a_part_of_another_length(fetching, old):
    """A partial file that is already whole, too long or empty"""
    fetching.part.write_bytes(old)
    assert fetching() == BODY


@trust
def test_corruption(fetching, tmp_path):
    """A file of the right length with one wrong byte is refused and not kept"""
    fetching.server.files[fetching.path] = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with wrong(r"localhost:\d+/file.bin is not the published file \(sha256 .* instead of .*\); it was not kept"):
        fetching(size=len(BODY))
    assert left(tmp_path) == []


@trust
def test_a_login_page_in_place_of_the_file(fetching, tmp_path):
    """A hotel's login page in place of the file: refused by its length, before anything is written"""
    fetching.server.files[fetching.path] = b"<html>Welcome! Please log in</html>"
    with wrong("offers 35 bytes where 300,000 are published, so it is another file"):
        fetching(size=len(BODY))
    assert left(tmp_path) == []


@trust
@pytest.mark.parametrize(("claimed", "text"), [(1000, "not the published file"), (310_000, "ended after 300,000 of")])
def test_a_wrong_content_length(fetching, claimed, text):
    """A Content-Length that is too small or too large: nothing gets the file's name"""
    fetching.plan(*[doing(length=claimed, ranges=False)] * 9)
    with wrong(text):
        fetching()
    assert not fetching.target.exists()


@trust
def test_a_file_without_end(fetching, tmp_path):
    """A server that never stops sending is cut off"""

    def endless(handler, body):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(bytes(100_000))

    fetching.plan(endless)
    with wrong("sends more than the file can have"):
        fetching()
    assert left(tmp_path) == []


@trust
def test_a_trickle(fetching):
    """A server that sends a byte now and then counts as stalled"""
    fetching.plan(*[doing(length=len(BODY), send=10, then=trickle)] * 3)
    with wrong("sends next to nothing, 3 times in a row"):
        fetching()


@trust
def test_a_server_that_never_answers(fetching):
    """A server that takes the request and says nothing"""
    fetching.plan(*[lambda handler, body: stall(handler)] * 3)
    with wrong("localhost:.* does not answer, 3 times in a row"):
        fetching()


@trust
@pytest.mark.parametrize(
    ("code", "text", "tries"),
    [
        (401, "wants a login", 1),
        (403, "refuses it", 1),
        (404, "no longer has it", 1),
        (410, "no longer has it", 1),
        (418, "gives no file", 1),
        (204, "gives no file", 1),
        (429, "has had too many requests from here", 3),
        (500, "has trouble", 3),
        (503, "has trouble", 3),
    ],
)
def test_refusals(fetching, code, text, tries):
    """A server that refuses: asked again only where that can help, and the sentence says who refused and how"""
    fetching.plan(*[answering(code)] * 9)
    with wrong(rf"^localhost:\d+ {text} \({code}\).*or fetch it by hand$|gives no file \({code}\)"):
        fetching()
    assert len(fetching.ranges) == tries


@trust
def test_busy_for_a_moment(fetching, said):
    """A server that is busy for a moment, with and without a time to wait: the file arrives"""
    fetching.plan(answering(503), answering(429, Retry_After="0"))
    assert fetching() == BODY
    assert len(said) == 2
    assert "has trouble (503); again in" in said[0]


@trust
@pytest.mark.parametrize("when", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_busy_for_an_hour(fetching, when):
    """A server that asks to come back in an hour: said at once, not waited for"""
    fetching.plan(answering(429, Retry_After=when))
    with wrong("too many requests from here \\(429\\); it asks to wait \\d+ s. What has come stays"):
        fetching()
    assert len(fetching.ranges) == 1


def test_nonsense_to_wait_for_is_no_time(fetching):
    fetching.plan(answering(503, Retry_After="soon"))
    assert fetching() == BODY


@trust
@pytest.mark.parametrize("head", [b"HELLO\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"])
def test_no_http(fetching, head):
    """An answer that is no HTTP, or nothing at all"""

    def act(handler, body):
        handler.wfile.write(head)
        handler.close_connection = True

    fetching.plan(*[act] * 3)
    with wrong("the connection to localhost:.* broke"):
        fetching()


def test_md5_is_a_checksum_too(fetching):
    assert fetching(digest=f"md5:{hashlib.md5(BODY).hexdigest()}") == BODY
