"""ONNX Runtime on a GPU: the frame is copied to the card, everything runs there, and the labels are copied back.

Use it with the graph "labels": of a frame of 1024 x 2048 pixels, 6.3 MB are copied to the card and 2.1 MB back. It runs
the other graphs too, but then normalises frames and chooses classes on the CPU. Not run on a GPU yet: the tests run the
same class with ONNX Runtime's CPU provider.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec

import numpy as np

from helpers.common.errors import CourseError
from helpers.deployment import cards
from helpers.deployment.exports import Export

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PRECISIONS = ("float32", "tf32", "float16")
_DTYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
# While one thread captures a CUDA graph, no other may allocate memory on the card.
_capture_lock = threading.Lock()
_RUNS_BEFORE_REPLAY = 3  # ONNX Runtime allocates in the first run and captures in the next one


def missing(provider: str) -> str | None:
    """Return what this machine lacks for an ONNX Runtime `provider`, or None."""
    install = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
    if not cards.names():
        return f"it needs an NVIDIA GPU with a driver, and {install}"
    if find_spec("onnxruntime") is None or provider not in _providers():
        return f"it needs ONNX Runtime for GPUs: {install}"
    if provider == TENSORRT and find_spec("tensorrt") is None:
        return "TensorRT is not installed: pip install tensorrt"
    return None


class CardRunner:
    """ONNX Runtime with buffers on the card, allocated once per size. A file takes one frame, so a batch is a loop.

    Parameters
    ----------
    exported : Export
        An export with ONNX files.
    threads : int
        CPU threads for what does not run on the card.
    precision : str, default "float32"
        "float32" with TF32 off; "tf32", which rounds the inputs of convolutions to 10 bits; "float16".
    provider : str, default CUDA
        ONNX Runtime's provider. CPU runs on the CPU, for tests.
    capture : bool, default True
        Record the kernels of a frame in a CUDA graph and launch it at once, if all of them run on the card.
    """

    takes_frames = False

    def __init__(
        self, exported: Export, threads: int, precision: str = "float32", provider: str = CUDA, capture: bool = True
    ):
        if precision not in PRECISIONS:
            raise CourseError(f"Expected a precision of {', '.join(PRECISIONS)}, got {precision!r}.")
        if not exported.onnx:
            raise CourseError(
                f"{exported.folder} has no ONNX file: export the network with onnx_hw=[(height, width)] of your "
                'frames, and graph="labels" to run everything on a GPU.'
            )
        self._settings = exported, threads, precision, provider, capture
        self._bound: dict[tuple[int, int], _Bound] = {}

    def clone(self) -> CardRunner:
        """Return another runner, for another thread, with its own buffers and weights."""
        return CardRunner(*self._settings)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        exported, *settings = self._settings
        size_hw = array.shape[1:3] if exported.graph == "labels" else array.shape[2:]
        if size_hw not in self._bound:
            with _capture_lock:
                self._bound[size_hw] = _Bound(exported, size_hw, *settings)
        return np.concatenate([self._bound[size_hw](image) for image in array])


class _Bound:
    """A session whose input and output are bound to buffers on the card, for frames of one size."""

    def __init__(
        self, exported: Export, size_hw: tuple[int, int], threads: int, precision: str, provider: str, capture: bool
    ):
        self._on_card = provider != CPU
        self.captured = capture and self._on_card
        settings = exported, size_hw, threads, precision, provider
        try:
            self._open(*settings, self.captured)
        except Exception:  # ONNX Runtime's have no common base class; an operator may run on the CPU
            if not self.captured:
                raise
            self.captured = False
            self._open(*settings, False)

    def _open(self, exported, size_hw, threads, precision, provider, capture) -> None:
        import onnxruntime

        self._session = create_session(exported, size_hw, threads, precision, provider, capture)
        self._binding = self._session.io_binding()
        kind, index = ("cuda", cards.chosen()) if self._on_card else ("cpu", 0)
        (into,), (out_of,) = self._session.get_inputs(), self._session.get_outputs()
        allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._input = allocate(into.shape, _DTYPES[into.type], kind, index)
        self._output = allocate(out_of.shape, _DTYPES[out_of.type], kind, index)
        self._binding.bind_ortvalue_input(into.name, self._input)
        self._binding.bind_ortvalue_output(out_of.name, self._output)
        self._host, self.page_locked = np.zeros(into.shape, _DTYPES[into.type]), False
        if self._on_card:
            for _ in range(_RUNS_BEFORE_REPLAY):
                self._session.run_with_iobinding(self._binding)
            self._host, self.page_locked = cards.page_locked(tuple(into.shape), _DTYPES[into.type], index)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the output (1, ...) for one image, without the dimension of the batch."""
        np.copyto(self._host[0], image)
        self._input.update_inplace(self._host)
        self._session.run_with_iobinding(self._binding)
        output = self._output.numpy()
        return output if self._on_card else output.copy()  # on the CPU, the buffer itself, which is overwritten


def create_session(
    exported: Export, size_hw: tuple[int, int], threads: int, precision: str, provider: str, capture: bool
):
    """Return a session of ONNX Runtime for frames of `size_hw`, with the settings of `CardRunner`.

    Raises CourseError if ONNX Runtime cannot load the file or start the provider.
    """
    import onnxruntime

    path = exported.onnx_file(size_hw)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # TensorRT rounds by itself, and its cache is named after the file.
    half = precision == "float16" and provider != TENSORRT
    model = half_precision(str(path)) if half else str(path)
    if provider != CPU:
        getattr(onnxruntime, "preload_dlls", lambda: None)()  # CUDA and cuDNN from pip's packages
    providers = provider_options(exported, precision, provider, capture)
    try:
        # Without fallback: ONNX Runtime would try again without these options, and then on the CPU.
        session = onnxruntime.InferenceSession(model, options, providers, enable_fallback=0)
    except Exception as error:
        raise CourseError(f"ONNX Runtime cannot load {path}: {str(error).splitlines()[0]}") from error
    if provider not in session.get_providers():
        raise CourseError(
            f"ONNX Runtime could not start {provider} and would run on the CPU: check that its CUDA and cuDNN match "
            "(pip install 'onnxruntime-gpu[cuda,cudnn]')."
        )
    return session


def provider_options(exported: Export, precision: str, provider: str, capture: bool) -> list:
    """Return the providers for a session, each as (name, options), in order of preference."""
    cuda = {
        "device_id": str(cards.chosen()),
        "use_tf32": str(int(precision == "tf32")),
        "enable_cuda_graph": str(int(capture)),
    }
    if provider == TENSORRT:
        # TensorRT compiles for minutes. Its engines stay in the folder of the export and are removed with it.
        tensorrt = {
            "device_id": str(cards.chosen()),
            "trt_fp16_enable": str(precision == "float16"),
            "trt_cuda_graph_enable": str(capture),
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(exported.folder / "cache"),
        }
        return [(TENSORRT, tensorrt), (CUDA, {**cuda, "enable_cuda_graph": "0"})]
    return [(CUDA, cuda), CPU] if provider == CUDA else [provider]


def half_precision(path: str) -> bytes:
    """Return the ONNX file `path` with weights and maps in float16; input and output keep their types.

    Raises CourseError if the package onnx is missing.
    """
    if find_spec("onnx") is None:
        raise CourseError("Half precision needs onnx: pip install onnx.")
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "Resize" and len(node.input) == 4:
            node.input[1] = node.input[2] = ""  # empty constants, which the conversion would take for numbers
    return convert_float_to_float16(model, keep_io_types=True).SerializeToString()


def _providers() -> list[str]:
    import onnxruntime

    return onnxruntime.get_available_providers()
