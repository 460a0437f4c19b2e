"""What cannot be trained: refused before the first step."""

from __future__ import annotations

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.weights import T5_FAMILY


def check_trainable(encoder: DualEncoder, precision: str) -> None:
    """Refuse what is known to fail: T5 models overflow in fp16; a correction would be outdated.

    Raises:
        InputError: the precision is fp16 and the encoder a T5 model, or it has a correction.
    """
    model_type = encoder.backbone.config.model_type
    if precision == "fp16" and model_type in T5_FAMILY:
        raise InputError(
            f"precision: {model_type} was trained in bfloat16 and overflows to NaN in fp16; "
            "use bf16 or fp32"
        )
    if encoder.correction is not None:
        raise InputError(
            f"{encoder.source['encoder']}: has a correction, which is fitted on its vectors and "
            "would be wrong for those of a trained one; train the encoder that was corrected, and "
            "correct the result"
        )
