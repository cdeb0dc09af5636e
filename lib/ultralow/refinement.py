"""Knows how a folded network gets better without gradients: weights flipped one by one where the loss falls."""
