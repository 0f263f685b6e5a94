import torch

from videossl.encoders.head import ProjectionHead


def test_head_is_two_linear_layers_with_relu_between() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(6, 5, 4)
    w1, b1, w2, b2 = (p.detach() for p in head.parameters())
    x = torch.randn(3, 6)
    torch.testing.assert_close(head(x), (x @ w1.T + b1).clamp(min=0) @ w2.T + b2)


def test_sizes_of_the_paper() -> None:
    for features in (1024, 256):
        head = ProjectionHead(features, features)
        assert [tuple(p.shape) for p in head.parameters()] == [
            (features, features),
            (features,),
            (128, features),
            (128,),
        ]
        assert head.out_features == 128
