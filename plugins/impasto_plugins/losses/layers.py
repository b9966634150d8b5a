"""The layers that style losses compare by default."""

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""Those of Gatys, Ecker and Bethge, CVPR 2016, figure 3."""
