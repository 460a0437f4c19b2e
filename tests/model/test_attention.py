"""Which of PyTorch's fused attentions a device computes with."""

import torch

from hybridlib.model.attention import attention_on


def test_a_gpu_does_without_attention_that_plans_for_every_shape():
    cuda = torch.backends.cuda
    before = cuda.cudnn_sdp_enabled()
    with attention_on(torch.device("cuda")):
        assert not cuda.cudnn_sdp_enabled()
        assert cuda.mem_efficient_sdp_enabled() and cuda.math_sdp_enabled()
    assert cuda.cudnn_sdp_enabled() == before


def test_a_cpu_computes_as_it_was_told():
    math = torch.nn.attention.SDPBackend.MATH
    with torch.nn.attention.sdpa_kernel(math), attention_on(torch.device("cpu")):
        assert not torch.backends.cuda.flash_sdp_enabled()
