"""Weights by URL: fetched once, checked, kept, refused when damaged; from a server on this machine."""

import hashlib
import http.server
import io
import tarfile
import threading
from base64 import b64encode

import numpy as np
import paddle
import pytest
from paddle import nn

from helpers import models
from helpers.common.errors import CourseError
from helpers.models import pretrained
from helpers.models.pretrained import Source, fetch, load_backbone


def archive(state: dict, member: str = "backbone/model.pdparams") -> bytes:
    content = io.BytesIO()
    paddle.save(state, content)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        entry = tarfile.TarInfo(member)
        entry.size = content.getbuffer().nbytes
        tar.addfile(entry, io.BytesIO(content.getvalue()))
    return packed.getvalue()


class Server:
    """Serves `files` by path; counts requests; `cut` answers with fewer bytes than it announces."""

    def __init__(self):
        self.files, self.requests, self.cut, self.md5 = {}, 0, 0, True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                if outer.md5:
                    self.send_header("Content-MD5", b64encode(hashlib.md5(outer.files["original"]).digest()).decode())
                self.end_headers()
                self.wfile.write(content[: len(content) - outer.cut])

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def offer(self, content: bytes, path: str = "/weights.tar.gz") -> str:
        self.files[path] = self.files["original"] = content
        return self.url + path


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(pretrained.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Backbone(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3)


def test_fetched_once_and_loaded(server, cache, monkeypatch):
    origin = Backbone()
    state = {**origin.state_dict(), "classifier.weight": paddle.rand([4, 1000])}
    content = archive(state)
    source = Source(server.offer(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(pretrained.SOURCES, "tiny", source)
    for _ in range(2):
        net = Backbone()
        load_backbone(net, "tiny")
        np.testing.assert_array_equal(net.conv.weight.numpy(), origin.conv.weight.numpy())
    assert server.requests == 1
    assert sorted(path.name for path in cache.iterdir()) == ["weights.tar.gz", "weights.tar.gz.sha256"]


def test_built_networks_carry_them(server, monkeypatch):
    """The whole way: a network by name whose backbone has the weights of the archive, whatever the seed."""
    donor = models.build("uhrnet_w18_small", seed=1).backbone
    monkeypatch.setitem(pretrained.SOURCES, "uhrnet_w18_small", Source(server.offer(archive(donor.state_dict()))))
    built = models.build("uhrnet_w18_small_ocr", seed=2, pretrained=True).backbone.state_dict()
    for key, value in donor.state_dict().items():
        if not key.startswith("last_layer"):
            np.testing.assert_array_equal(built[key].numpy(), value.numpy(), err_msg=key)


def test_wrong_checksum_leaves_nothing(server, cache):
    with pytest.raises(CourseError, match="SHA-256.*expected 000000000000"):
        fetch(Source(server.offer(b"weights"), "0" * 64))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("how", ["short", "changed"])
def test_damaged_on_the_way_leaves_nothing(server, cache, how):
    url = server.offer(bytes(range(256)) * 8)
    if how == "short":
        server.cut = 100
    else:
        server.files["/weights.tar.gz"] = bytes(2048)
    with pytest.raises(CourseError, match=f"{url}.*(damaged|fetch)"):
        fetch(Source(url))
    assert list(cache.iterdir()) == []


def test_changed_in_the_cache_is_noticed(server):
    source = Source(server.offer(b"weights"))
    fetch(source).write_bytes(b"others")
    with pytest.raises(CourseError, match="has changed since it was fetched.*delete it"):
        fetch(source)


def test_put_there_by_hand_needs_no_network(cache):
    cache.mkdir()
    (cache / "weights.tar.gz").write_bytes(b"by hand")
    assert fetch(Source("http://127.0.0.1:9/weights.tar.gz")).read_bytes() == b"by hand"
    assert (cache / "weights.tar.gz.sha256").read_text().strip() == hashlib.sha256(b"by hand").hexdigest()


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/none.tar.gz", "missing"])
def test_no_network_tells_the_way_by_hand(server, cache, path):
    url = path if "://" in path else f"{server.url}/none.tar.gz"
    with pytest.raises(CourseError, match=f"Could not fetch {url}.*put it at {cache}/none.tar.gz.*pretrained = false"):
        fetch(Source(url))


def test_an_archive_of_another_network(server, monkeypatch):
    monkeypatch.setitem(
        pretrained.SOURCES, "tiny", Source(server.offer(archive({"conv.weight": paddle.rand([5, 3, 3, 3])})))
    )
    with pytest.raises(CourseError, match="does not fit the backbone tiny: 2 of 2 tensors.*conv"):
        load_backbone(Backbone(), "tiny")


@pytest.mark.parametrize("content", [b"no archive", archive({}, member="other.txt")])
def test_no_weights_inside(server, monkeypatch, content):
    monkeypatch.setitem(pretrained.SOURCES, "tiny", Source(server.offer(content)))
    with pytest.raises(CourseError, match="delete it and run again"):
        load_backbone(Backbone(), "tiny")


def test_networks_without_published_weights():
    with pytest.raises(CourseError, match="No ImageNet weights are published for Fast-SCNN.*pretrained = false"):
        models.build("fastscnn", pretrained=True)


def test_every_source_is_used_and_every_network_names_a_source():
    named = {network.imagenet for network in models.NETWORKS.values()} - {None}
    assert named == set(pretrained.SOURCES)
