"""Settings of Paddle Inference for GPUs and TensorRT. Not run yet: no GPU with Paddle's build for it was available.

TensorRT compiles a graph for known sizes. Paddle measures the sizes of all maps in a run without TensorRT
(`collect_shape_range_info`) and builds from them (`enable_tuned_tensorrt_dynamic_shape`). A graph is therefore compiled
for each size of its input. The sizes and the compiled engines are kept in the folder `cache` of the export.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from paddle import inference

from helpers.common.files import atomic_path
from helpers.deployment import cards
from helpers.deployment.exports import Export

_POOL_MB = 256  # memory to allocate first


def tensorrt_missing() -> str | None:
    """Return what TensorRT in Paddle lacks on this machine, or None."""
    built_for = inference.get_trt_compile_version()
    if not any(built_for):
        return "this Paddle was built without TensorRT: use paddle-gpu"
    text = ".".join(map(str, built_for))
    try:
        ctypes.CDLL(f"libnvinfer.so.{built_for[0]}")
    except OSError:
        return f"Paddle was built for TensorRT {text}, which is not installed: pip install tensorrt=={text}"
    found = inference.get_trt_runtime_version()
    if found[:2] != built_for[:2]:
        return (
            f"Paddle was built for TensorRT {text}, but {'.'.join(map(str, found))} is installed: "
            f"pip install tensorrt=={text}"
        )
    return None


def use_gpu(config: inference.Config) -> None:
    """Run `config` on the chosen GPU, in float16 where an operator has a kernel for it."""
    config.enable_use_gpu(_POOL_MB, cards.chosen(), inference.PrecisionType.Half)


def use_tensorrt(config: inference.Config, exported: Export, kind: str, shape: tuple[int, ...]) -> None:
    """Run `config`, the graph `kind` of `exported`, on the chosen GPU with TensorRT, for inputs of `shape`."""
    config.enable_use_gpu(_POOL_MB, cards.chosen())
    shapes = collect_shapes(exported, kind, shape)
    config.set_optim_cache_dir(str(shapes.parent))
    config.enable_tensorrt_engine(
        workspace_size=1 << 30,
        max_batch_size=shape[0],
        min_subgraph_size=5,
        precision_mode=inference.PrecisionType.Half,
        use_static=True,
        use_calib_mode=False,
    )
    config.enable_tuned_tensorrt_dynamic_shape(str(shapes), True)


def collect_shapes(exported: Export, kind: str, shape: tuple[int, ...]) -> Path:
    """Return a file with the sizes of all maps of the graph `kind` for inputs of `shape`; it is written once."""
    path = exported.folder / "cache" / f"{kind}-{'x'.join(map(str, shape))}" / "shapes.pbtxt"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        config = inference.Config(*(str(file) for file in exported.files(kind)))
        config.disable_glog_info()
        config.enable_use_gpu(_POOL_MB, cards.chosen())
        config.collect_shape_range_info(str(temporary))
        predictor = inference.create_predictor(config)
        handle = predictor.get_input_handle(predictor.get_input_names()[0])
        labels = exported.graph == "labels" or kind == "frames"
        handle.copy_from_cpu(np.zeros(shape, np.uint8 if labels else np.float32))
        predictor.run()
        del predictor, handle  # Paddle writes the file when the predictor ends
    return path
