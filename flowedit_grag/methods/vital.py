"""Where source features enter a training-free edit: the vital layers (Stable Flow, arXiv:2411.14430, §3)."""

from ..backbone.flow import Flow
from ..backbone.tokens import TokenLayout
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.control import ControlledGroup
from ..injection.hook import AttentionHook, check_layers, compose, layer_names
from ..injection.share import ShareKV
from .inputs import Targets


def vital_layers(asked: tuple[int, ...] | None, flow: Flow) -> tuple[int, ...]:
    """The layers ``asked`` for, or else the model's own. Raises :class:`InputError` where neither is known."""
    layers = flow.profile.vital_layers if asked is None else asked
    if layers is None:
        raise InputError(
            f"the vital layers of {flow.name or 'this model'} are not known; find them with "
            "`flowedit-grag vital-layers` and give them as vital_layers."
        )
    check_layers(layers, len(layer_names(flow.transformer)))
    return layers


def source_edits(v: GuidedVelocity, layout: TokenLayout, targets: Targets, inject: bool = True) -> AttentionHook:
    """The edit of one vital layer: source K/V (row 0 of x) into every target, then each target's control on them."""
    rows = v.batch_rows(range(1, len(targets) + 1))
    edits: list[AttentionHook] = [ShareKV(0, rows, layout.image)] if inject else []
    if not targets.is_identity:
        controls = tuple(targets.controls[v.rows[row] - 1] for row in rows)
        edits.append(ControlledGroup(layout.image, rows, controls, layout.text))
    return compose(*edits)
