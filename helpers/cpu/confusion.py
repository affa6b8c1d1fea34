"""Count pairs of bytes, the inner loop of the confusion matrix."""

from __future__ import annotations

import numba
import numpy as np


def words(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes in groups of eight, uint64 (P // 8,), and the remaining ones, uint8 (P % 8,)."""
    flat = np.require(values, requirements="C").ravel()
    if flat.ctypes.data % 8:
        flat = flat.copy()
    whole = flat.size // 8 * 8
    return flat[:whole].view(np.uint64), flat[whole:]


@numba.njit(nogil=True, cache=True)
def count_pairs(label, label_rest, prediction, prediction_rest):  # uint64 (P // 8,), uint8 (P % 8,), twice
    # Returns int64 (256, 256). Counting all pairs of bytes needs no check of the values; the caller finds those out of
    # range in the counts. Most groups of eight have a single label and a single prediction and are counted at once.
    counts = np.zeros(1 << 16, dtype=np.int64)
    all_bytes, one_byte = np.uint64(0x0101010101010101), np.uint64(0xFF)
    for i in range(label.size):
        true, predicted = label[i], prediction[i]
        if true == (true & one_byte) * all_bytes and predicted == (predicted & one_byte) * all_bytes:
            counts[((true & one_byte) << np.uint64(8)) | (predicted & one_byte)] += 8
        else:
            for _ in range(8):
                counts[((true & one_byte) << np.uint64(8)) | (predicted & one_byte)] += 1
                true, predicted = true >> np.uint64(8), predicted >> np.uint64(8)
    for i in range(label_rest.size):
        counts[(np.int64(label_rest[i]) << 8) | prediction_rest[i]] += 1
    return counts.reshape(256, 256)
