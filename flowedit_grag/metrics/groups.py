"""The metrics of each benchmark's table."""

from collections.abc import Mapping
from typing import Any

L14 = {"model": "openai/clip-vit-large-patch14"}
Members = tuple[tuple[str, Mapping[str, Any]], ...]  # names with options


def _plain(*names: str) -> Members:
    return tuple((name, {}) for name in names)


GROUPS: Mapping[str, Members] = {
    # Direct Inversion's Table 1 (arXiv:2310.01506), number for number
    "pie_published": _plain(
        "pie_published_structure", "pie_published_psnr", "pie_published_lpips", "pie_published_mse",
        "pie_published_ssim", "pie_published_clip", "pie_published_clip_edited",
    ),
    # the same questions with the same backbones, without the protocol's quirks
    "pie": (
        *_plain("structure", "psnr_outside", "lpips_outside", "l2_outside", "ssim_outside"),
        ("clip_t", L14), ("clip_t_inside", L14),
    ),
    # ICEdit's Table 1 (arXiv:2504.20690); clip_t is its CLIP-out
    "emu": _plain("clip_i", "clip_t", "dino"),
    # ICEdit's Table 2, and the two more of MagicBrush's own table (arXiv:2306.10012)
    "magicbrush": _plain("l1_truth", "clip_i_truth", "dino_truth", "l2_truth", "clip_t"),
    "lab": _plain("lab_success", "lab_kept", "psnr_outside", "ssim_outside", "psnr_truth"),
}  # fmt: skip
