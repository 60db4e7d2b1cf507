"""What a LoRA-MoE adapter is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ..errors import InputError
from ..options import check_options
from .layer import MixtureConfig, MixtureLinear

NAME = "adapter"  # of an adapter in a transformer, where nothing else is said
Router = Literal["published", "softmax_then_topk"]
# As published: experts where a block's work is projected back, plain LoRA elsewhere.
MIXTURES = r"transformer_blocks\.\d+\.ff\.net\.2|single_transformer_blocks\.\d+\.proj_out"
PLAIN = (
    r"x_embedder"
    r"|transformer_blocks\.\d+\.(norm1\.linear|attn\.to_[qkv]|attn\.to_out\.0)"
    r"|single_transformer_blocks\.\d+\.(norm\.linear|proj_mlp|attn\.to_[qkv])"
)


@dataclass(frozen=True)
class LoraMoeConfig:
    """``y = base(x) + alpha/rank * sum_i G(x)_i B_i A_i x`` in the modules ``mixtures``, plain LoRA in ``plain``.

    Attributes:
        experts: in each mixture.
        rank: of every expert, and of the plain LoRA.
        alpha: numerator of the scale ``alpha / rank``; by default the rank.
        top_k: experts that a token goes through.
        router: ``"published"`` is a softmax over the k largest logits (paper, eq. 2): with ``top_k=1`` it is 1, and
            the router gets no gradient. ``"softmax_then_topk"`` is a softmax over all, of which the k largest are kept:
            the router learns.
        mixtures: regular expression for the full names of the modules with experts; empty for none.
        plain: the same for plain LoRA.
    """

    experts: int = 4
    rank: int = 32
    alpha: float | None = None
    top_k: int = 1
    router: Router = "published"
    mixtures: str = MIXTURES
    plain: str = PLAIN

    def __post_init__(self):
        check_options(self)
        if not 1 <= self.top_k <= self.experts or self.rank < 1:
            given = f"top_k={self.top_k}, experts={self.experts}, rank={self.rank}"
            raise InputError(f"LoRA-MoE needs 1 <= top_k <= experts and rank >= 1, not {given}.")
        if self.alpha == 0:
            raise InputError("alpha must be above 0.")
        if not (self.mixtures or self.plain):
            raise InputError("an adapter adapts nothing: name modules in mixtures or in plain.")
        for name in ("mixtures", "plain"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise InputError(f"{name} is not a regular expression ({error}).") from None

    def peft(self, ranks: Mapping[str, int] | None = None, **more: Any) -> MixtureConfig:
        """The configuration that peft works with. ``ranks`` are those of modules that differ from :attr:`rank`;
        ``more`` are peft's own options."""
        modules = "|".join(part for part in (self.mixtures, self.plain) if part)
        alpha = float(self.rank) if self.alpha is None else self.alpha
        config = MixtureConfig(
            r=self.rank, target_modules=modules, rank_pattern=dict(ranks or {}),
            lora_alpha=alpha,  # type: ignore[arg-type]  # peft computes with any number
            alpha_pattern={name: alpha / self.rank * rank for name, rank in (ranks or {}).items()},
            experts=self.experts, top_k=self.top_k, router=self.router, mixtures=self.mixtures,
            **more,
        )  # fmt: skip
        config._register_custom_module({nn.Linear: MixtureLinear})
        return config
