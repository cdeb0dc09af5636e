"""Ultra-low-precision neural networks on FPGAs: from training to gates, exact at every step."""

__version__ = "0.1.0"
