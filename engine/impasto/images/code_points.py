"""Colors by code points (ITU-T H.273), which PNG (cICP), AVIF and HEIC (nclx) have, as ICC profiles."""

from __future__ import annotations

import logging

from impasto.images.icc import SRGB_POINTS, ColorModel, power_profile

D65 = SRGB_POINTS[:2]
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: SRGB_POINTS,
    2: SRGB_POINTS,
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
"""CIE x and y of white, red, green and blue (table 2); 2 is unspecified, 9 BT.2020, 12 Display P3."""
LIKE_SRGB = (1, 2, 6, 13, 14, 15)
"""Transfer characteristics (table 3) that viewers show as sRGB's; 2 is unspecified."""
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""Those that are a power law, and its exponent."""
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}

NCLX = b"colrnclx"
"""Kind of the box for colors, and of what is in it (ISO/IEC 14496-12, 12.1.5)."""

logger = logging.getLogger("impasto")


def profile_of_code_points(
    primaries: int, transfer: int, color_model: ColorModel, name: str
) -> bytes | None:
    """A profile that says the same; None where that is sRGB, or is not known, which is said.

    Args:
        primaries: code point of the color primaries.
        transfer: code point of the transfer characteristics.
        color_model: of the samples.
        name: of the picture, for the log.
    """
    points = PRIMARIES.get(primaries)
    if points is None or transfer not in (*LIKE_SRGB, *GAMMAS):
        kind = HIGH_DYNAMIC_RANGE.get(transfer)
        what = f"a high dynamic range ({kind})" if kind else "colors"
        logger.warning(
            "picture '%s' has %s by code points that are not read (primaries %d, transfer %d): its"
            " colors are taken as sRGB",
            name, what, primaries, transfer,
        )  # fmt: skip
        return None
    if transfer in LIKE_SRGB:
        return None if color_model == "gray" else power_profile(color_model, None, points)
    return power_profile(color_model, 1 / GAMMAS[transfer], points)


def nclx_of(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer in the first box for colors of an AVIF; None where there is none."""
    place = data.find(NCLX, 0, data.find(b"mdat")) + len(NCLX)
    if place < len(NCLX) or place + 4 > len(data):
        return None
    return int.from_bytes(data[place : place + 2]), int.from_bytes(data[place + 2 : place + 4])
