"""Published weights by URL: fetched once, checked, cached, refused if damaged; from a server on this machine."""

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
from helpers.models import fetching, pretrained
from helpers.models.fetching import Source, fetch
from helpers.models.pretrained import load_backbone


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
    """Serve `files` by path and count requests; with `cut`, answer with fewer bytes than announced."""

    def __init__(self):
        self.files, self.requests, self.cut, self.md5, self.announced = {}, 0, 0, True, True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if outer.announced:
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
    monkeypatch.setenv(fetching.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Backbone(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3)


def test_fetched_once_and_loaded(server, cache, monkeypatch):
    origin = Backbone()
    state = {**origin.state_dict(), "classifier.weight": paddle.rand([4, 10])}
    content = archive(state)
    source = Source(server.offer(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(pretrained.IMAGENET, "tiny", source)
    for _ in range(2):
        net = Backbone()
        load_backbone(net, "tiny")
        np.testing.assert_array_equal(net.conv.weight.numpy(), origin.conv.weight.numpy())
    assert server.requests == 1
    assert sorted(path.name for path in cache.iterdir()) == ["weights.tar.gz", "weights.tar.gz.sha256"]


def test_built_networks_carry_them(server, monkeypatch):
    """From archive to network: the backbone has the weights of the archive, whatever the seed."""
    donor = models.build("uhrnet_w18_small", seed=1).backbone
    monkeypatch.setitem(pretrained.IMAGENET, "uhrnet_w18_small", Source(server.offer(archive(donor.state_dict()))))
    built = models.build("uhrnet_w18_small_ocr", seed=2, pretrained="imagenet").backbone.state_dict()
    for key, value in donor.state_dict().items():
        if not key.startswith("last_layer"):
            np.testing.assert_array_equal(built[key].numpy(), value.numpy(), err_msg=key)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cityscapes_weights_by_name(server, cache, capsys, monkeypatch, protocol):
    """A file in PaddleSeg's format, written by Paddle; the second use needs no server."""
    donor = models.build("fastscnn", seed=1)
    content = io.BytesIO()
    paddle.save(donor.state_dict(), content, protocol=protocol)
    url = server.offer(content.getvalue(), "/fastscnn_160k/model.pdparams")
    monkeypatch.setitem(pretrained.CITYSCAPES, "fastscnn", Source(url, name="fastscnn_160k.pdparams"))
    for _ in range(2):
        built = models.build("fastscnn", seed=2, pretrained="cityscapes")
        for key, value in donor.state_dict().items():
            np.testing.assert_array_equal(built.state_dict()[key].numpy(), value.numpy(), err_msg=key)
    assert server.requests == 1
    assert (cache / "fastscnn_160k.pdparams").is_file()
    assert f"SHA-256 {hashlib.sha256(content.getvalue()).hexdigest()}" in capsys.readouterr().err
    seven = models.build("fastscnn", num_classes=7, seed=2, pretrained="cityscapes").state_dict()
    fresh = models.build("fastscnn", num_classes=7, seed=2).state_dict()
    for key in ("classifier.conv.weight", "classifier.conv.bias"):
        np.testing.assert_array_equal(seven[key].numpy(), fresh[key].numpy())
    key = "classifier.dsconv1.depthwise_conv._conv.weight"
    np.testing.assert_array_equal(seven[key].numpy(), donor.state_dict()[key].numpy())


def test_files_in_the_cache_have_names_of_their_own():
    names = [source.file_name for source in [*pretrained.CITYSCAPES.values(), *pretrained.IMAGENET.values()]]
    assert len(set(names)) == len(names)
    assert all(source.url.endswith("/model.pdparams") for source in pretrained.CITYSCAPES.values())


def test_weights_of_another_network_leave_the_network_unchanged(server, monkeypatch):
    other = models.build("hrnet_w18_small_v1", seed=1)
    content = io.BytesIO()
    paddle.save({key: value for key, value in other.state_dict().items() if "conv_layer1" in key}, content)
    monkeypatch.setitem(pretrained.CITYSCAPES, "fastscnn", Source(server.offer(content.getvalue())))
    with pytest.raises(CourseError, match="weights of another network: .* tensors differ, the first is backbone"):
        models.build("fastscnn", pretrained="cityscapes")


@pytest.mark.parametrize("announced", [True, False])
def test_nothing_larger_than_the_network_needs_is_downloaded(server, cache, announced, monkeypatch):
    own = sum(4 * tensor.size for tensor in models.build("fastscnn").state_dict().values())
    content = bytes(round(1.9 * own))
    server.md5, server.announced = False, announced
    monkeypatch.setitem(pretrained.CITYSCAPES, "fastscnn", Source(server.offer(content)))
    with pytest.raises(CourseError, match=r"has 1[01]\.\d MB, and the network needs 10\.4 MB at most"):
        models.build("fastscnn", pretrained="cityscapes")
    assert list(cache.iterdir()) == []


def test_an_archive_that_unpacks_to_far_more_is_refused(server, monkeypatch):
    content = archive({"conv.weight": paddle.zeros([4, 3, 3, 300])})
    monkeypatch.setitem(pretrained.IMAGENET, "tiny", Source(server.offer(content)))
    with pytest.raises(CourseError, match="MB of weights, too many"):
        load_backbone(Backbone(), "tiny")


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


def test_a_change_in_the_cache_is_noticed(server):
    source = Source(server.offer(b"weights"))
    fetch(source).write_bytes(b"others")
    with pytest.raises(CourseError, match="has changed since it was fetched.*delete it"):
        fetch(source)


def test_a_file_saved_by_hand_needs_no_network(cache):
    cache.mkdir()
    (cache / "weights.tar.gz").write_bytes(b"by hand")
    assert fetch(Source("http://127.0.0.1:9/weights.tar.gz")).read_bytes() == b"by hand"
    assert (cache / "weights.tar.gz.sha256").read_text().strip() == hashlib.sha256(b"by hand").hexdigest()


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/none.tar.gz", "missing"])
def test_without_network_the_message_names_the_path(server, cache, path):
    url = path if "://" in path else f"{server.url}/none.tar.gz"
    with pytest.raises(CourseError, match=f"Could not fetch {url}.*save it as {cache}/none.tar.gz, and run again"):
        fetch(Source(url))


def test_an_archive_of_another_network(server, monkeypatch):
    monkeypatch.setitem(
        pretrained.IMAGENET, "tiny", Source(server.offer(archive({"conv.weight": paddle.rand([5, 3, 3, 3])})))
    )
    with pytest.raises(CourseError, match="weights of another network: 2 of 2 tensors differ, the first is conv.bias"):
        load_backbone(Backbone(), "tiny")


@pytest.mark.parametrize("content", [b"no archive", archive({}, member="other.txt")])
def test_no_weights_inside(server, monkeypatch, content):
    monkeypatch.setitem(pretrained.IMAGENET, "tiny", Source(server.offer(content)))
    with pytest.raises(CourseError, match="delete it and run again"):
        load_backbone(Backbone(), "tiny")


def test_networks_without_published_weights():
    with pytest.raises(CourseError, match="no imagenet weights for Fast-SCNN, only for hrnet_w18, "):
        models.build("fastscnn", pretrained="imagenet")
    with pytest.raises(CourseError, match="no cityscapes weights for U-Net, only for fastscnn, "):
        models.build("unet", pretrained="cityscapes")
    with pytest.raises(CourseError, match="no weights 'ade20k': choose one of miniscapes, imagenet, cityscapes"):
        models.build("unet", pretrained="ade20k")


def test_every_source_is_used_and_every_network_names_a_source():
    named = {network.imagenet for network in models.NETWORKS.values()} - {None}
    assert named == set(pretrained.IMAGENET)
