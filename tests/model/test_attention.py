"""Which attention kernels PyTorch may use."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hybridlib.model.attention import without_cudnn_attention
from hybridlib.model.encoder import DualEncoder

CUDA = torch.backends.cuda


def test_only_the_attention_that_plans_for_every_shape_is_turned_off():
    before = CUDA.cudnn_sdp_enabled()
    with without_cudnn_attention():
        assert not CUDA.cudnn_sdp_enabled()
        assert CUDA.flash_sdp_enabled() and CUDA.mem_efficient_sdp_enabled()
        with sdpa_kernel(SDPBackend.MATH), without_cudnn_attention():
            assert not CUDA.flash_sdp_enabled()
    assert CUDA.cudnn_sdp_enabled() == before


def test_an_encoder_computes_without_it(tiny_encoder, monkeypatch):
    monkeypatch.setattr("hybridlib.model.packing.is_packed", lambda backbone: False)
    encoder = DualEncoder.load(tiny_encoder)
    forward = encoder.backbone.forward
    enabled = []

    def record(**batch):
        enabled.append(CUDA.cudnn_sdp_enabled())
        return forward(**batch)

    monkeypatch.setattr(encoder.backbone, "forward", record)
    encoder.encode(["a"], "query")
    assert enabled == [False]
