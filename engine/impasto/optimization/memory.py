"""Memory: how the C library keeps it, how an error says that it ran out, and what would need less."""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from pathlib import Path

OUT_OF_MEMORY = ("not enough memory", "out of memory", "allocate memory", "unable to allocate",
                 "cudnn_status_alloc_failed", "cublas_status_alloc_failed", "cufft_alloc_failed",
                 "cusolver_status_alloc_failed", "unable to find an engine")  # fmt: skip
"""Words in the errors of torch, NumPy, CUDA's libraries and the system that have no type of their own. cuDNN
finds no engine where none fits in what is left of the card."""

LARGE = 600_000
"""Number of pixels from which on a stage is large: about 1024 on the longer side."""
MAPPED_LARGE, MAPPED_SMALL = 8 * 2**20, 32 * 2**20
"""Bytes from which on an allocation is mapped by itself: in a large stage or in tiles; in a small one."""
KEPT_LARGE, KEPT_SMALL = 2 * MAPPED_LARGE, 2**30
"""Bytes of free memory at the top of the heap that are kept, in the same two cases."""
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""The parameters of ``mallopt`` in ``malloc.h``."""


def returns_memory(pixels: int, tiled: bool) -> bool:
    """Whether large blocks of memory go back to the system when they are freed; see :func:`configure_malloc`.

    Args:
        pixels: number of pixels of the stage.
        tiled: whether it is worked on in tiles.
    """
    return tiled or pixels >= LARGE


def configure_malloc(pixels: int, tiled: bool = False) -> None:
    """Configure the C library's allocator: a small stage keeps what it frees, a large one returns it.

    Memory that goes back to the system is cleared before the process gets it again. Measured at 512 × 384
    pixels, two runs each in turns: steps take 0.97 to 1.00 times as long if nothing goes back, and the
    peak is the same. In a large stage, though, free blocks of sizes that do not fit each other would pile
    up. At 1024 × 768 pixels, in the same way: 2.3 GB at the peak and 3.7 s a step as it is; 2.9 GB and
    3.3 s with the limits of a small stage; 3.3 GB and 3.1 s if nothing at all went back. In tiles of 512 it
    took 1.56 GB and 8.2 s of one thread; 1.50 GB and 9.4 s if half as large blocks went back, 1.47 GB and
    10.3 s from 1 MB on; 1.61 GB and 7.8 s with the limits of a small stage.

    It does nothing unless the C library is GNU's, and changes the whole process: a command may call it,
    a library should not.

    Args:
        pixels: number of pixels of the stage that this process works on.
        tiled: whether it does so in tiles.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    returns = returns_memory(pixels, tiled)
    mapped, kept = (MAPPED_LARGE, KEPT_LARGE) if returns else (MAPPED_SMALL, KEPT_SMALL)
    library.mallopt(M_MMAP_THRESHOLD, mapped)
    library.mallopt(M_TRIM_THRESHOLD, kept)
    # Free blocks of the last stage do not fit the allocations of this one.
    library.malloc_trim(0)


def resident_bytes() -> int:
    """Memory of this process now; where the system does not tell, the most that it had so far."""
    table = Path("/proc/self/statm")
    if table.is_file():
        return int(table.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # Not on Windows.

    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or its cause, says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = isinstance(error, (RuntimeError, OSError)) and any(
        words in str(error).lower() for words in OUT_OF_MEMORY
    )
    return told or (error.__cause__ is not None and is_out_of_memory(error.__cause__))


def clear_frames(error: BaseException) -> None:
    """Free the local variables in the frames of an error, so that memory suffices to save the picture."""
    traceback.clear_frames(error.__traceback__)
    if error.__cause__ is not None:
        clear_frames(error.__cause__)
