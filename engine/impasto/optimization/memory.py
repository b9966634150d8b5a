"""Memory: how the C library keeps it, how an error says that it ran out, and what would need less."""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path

OUT_OF_MEMORY = ("not enough memory", "out of memory", "allocate memory", "unable to allocate",
                 "cudnn_status_alloc_failed", "cublas_status_alloc_failed", "cufft_alloc_failed",
                 "cusolver_status_alloc_failed", "unable to find an engine")  # fmt: skip
"""Words in the errors of torch, NumPy, CUDA's libraries and the system that have no type of their own. cuDNN
finds no engine where none fits in what is left of the card."""

LARGE = 600_000
"""Number of pixels from which on a stage is large: about 1024 on the longer side."""
MAPPED = 4 * 2**20
"""Bytes from which on an allocation is mapped by itself, and goes back to the system when it is freed."""
KEPT = 2**30
"""Bytes of free memory at the top of the heap that are kept."""
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""The parameters of ``mallopt`` in ``malloc.h``."""
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Variable that lets torch ask for huge pages; it reads it with the first allocation of 2 MB or more."""


def use_huge_pages(environment: MutableMapping[str, str]) -> None:
    """Let torch ask for huge pages, unless the user set 0; to be called before torch allocates.

    Args:
        environment: of this process.
    """
    if environment.get(HUGE_PAGES) != "0":
        # Of other values torch would warn.
        environment[HUGE_PAGES] = "1"


def configure_malloc() -> None:
    """Configure the C library's allocator: large blocks go back to the system when they are freed.

    Kept, free blocks of sizes that do not fit each other would pile up. What goes back is cleared before
    the process gets it again; huge pages, see :func:`use_huge_pages`, make that cheap. Largest resident
    set and processor time of runs, one thread, in turns, with blocks mapped from 32 MB on (from 8 MB at
    1024 pixels and in tiles, where the heap kept 16 MB); from 4 MB on with huge pages; and from 2 MB on:

    - 256 × 192 pixels: 820, 810, 799 MB; 8.1, 8.1, 8.5 s;
    - 512 × 384: 1204, 1046, 1021 MB; 22.5, 23.2, 23.5 s;
    - 1024 × 768: 2100, 1939, 1915 MB; 92.6, 87.4, 93.5 s (the last with 16 MB kept, which alone costs 6 s);
    - the same in tiles of 512: 1738, 1647, 1570 MB; 70.9, 65.4, 71.5 s.

    It does nothing unless the C library is GNU's, and changes the whole process: a command may call it,
    a library should not. Called again it gives back what is free, such as blocks of the last stage, which
    do not fit the allocations of the next one.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    library.mallopt(M_MMAP_THRESHOLD, MAPPED)
    library.mallopt(M_TRIM_THRESHOLD, KEPT)
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
