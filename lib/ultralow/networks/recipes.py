"""Recipes of training, one by name each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ultralow.errors import StudyError, unknown

# What the fields that hold a name may say.
CHOICES = {
    "loss": ("crossentropy", "squared_hinge"),
    "optimizer": ("adam", "nadam", "rmsprop", "sgd"),
    "schedule": ("constant", "cosine", "exponential", "plateau"),
    "initial": ("uniform", "glorot"),
    "estimator": ("hard", "wide", "polynomial", "tanh"),
    "norm": ("batch", "renorm"),
    "scaling": ("standard", "minmax", "learned"),
}


_TYPES = {"str": (str,), "bool": (bool,), "int": (int,), "float": (float, int), "str | None": (str, type(None))}
# Of the numbers that are no shares.
_RANGES = {"learning_rate": (1e-12, 1e6), "epochs": (1, 2**31), "batch_size": (1, 2**31), "l1": (0, 1e6), "shift": (0, 1000),
           "distort": (0, 1000), "threshold": (0, 1), "refine": (0, 1000)}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. The defaults are the study's own recipe; entries state what differs.

    Raises:
        StudyError: a field holds an unknown name.
    """

    loss: str = "crossentropy"  # or squared_hinge with targets ±1, as in the original work
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str = "cosine"  # to zero; or plateau: halve when the validation loss stops falling
    epochs: int = 40
    batch_size: int = 256
    dropout: float = 0.0
    l1: float = 0.0  # pulls weights to zero, full-precision and ternary ones
    sparsity: float = 0.0  # share of weights that pruning sets to zero
    keep: float = 1.0  # share of hidden neurons that stay; the others are held at one value: their adders go
    rounded: bool = False  # full-precision weights and activations are rounded in training too, not only after it
    # Of features before the input format: as they are; their range in training onto the format's; or each with a gain
    # of its own, learned first, that says how much it weighs.
    scaling: str = "standard"
    shift: int = 0  # digits: each image moved by up to so many pixels each way, anew in each epoch
    distort: float = 0.0  # digits: each image turned, sheared and stretched, anew in each epoch, by about this share
    initial: str = "uniform"  # latent weights start uniform in (-1, 1), or in Glorot's range
    threshold: float = 0.5  # a ternary weight is not 0 where its latent weight is beyond ±threshold
    estimator: str = "hard"  # what the gradient of a sign is: see ultralow.training.layers.ESTIMATORS
    settle: float = 1.0  # after this share of the epochs swinging weights are fixed, more each epoch; 1: never
    norm: str = "batch"  # normalisation in training by the batch's statistics, or by the moving averages (renorm)
    norm_momentum: float = 0.95  # of the moving averages of batch normalisation
    reestimate: bool = False  # statistics of batch normalisation once more over all training rows, at the end
    average: float = 1.0  # the weights after each epoch beyond this share of them are averaged at the end; 1: none
    refine: int = 0  # passes over the folded network's weights after training, each flipped where the loss falls
    teacher: str | None = None  # a full-precision network whose probabilities are part of the targets
    distillation: float = 0.5  # the teacher's share in the targets, where there is one

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kinds = getattr(self, field.name), _TYPES[field.type]
            if type(value) not in kinds:
                raise StudyError(f"{field.name} of a recipe is {field.type}, not {value!r}")
        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise unknown(f"{name} of a recipe", getattr(self, name), valid)
        for name in ("dropout", "sparsity", "average", "distillation", "norm_momentum", "settle", "keep"):
            if not 0 <= getattr(self, name) <= 1:
                raise StudyError(f"{name} of a recipe is a share, 0 to 1, not {getattr(self, name)}")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise StudyError(f"{name} of a recipe is {least:g} to {most:g}, not {getattr(self, name)}")

    @property
    def changes(self) -> dict:
        """The fields that are not the study's default."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}


_STUDY = Recipe(learning_rate=1e-2, epochs=60, batch_size=1024, scaling="learned", settle=0.4, threshold=0.33,
                norm="renorm", norm_momentum=0.99)
# 54,000 digits are few: moved images keep the networks from memorising, and so do weights that swing to the end.
_DIGITS = Recipe(learning_rate=1e-2, epochs=100, shift=1, threshold=0.33, estimator="polynomial", norm="renorm",
                 norm_momentum=0.98)

RECIPES = {
    # Networks of the front bring their own way of training; of a recipe they have the epochs.
    "front": Recipe(epochs=60),
    # Labels as a part of the targets: after polishing they lower the loss of the validation part most at two to three tenths.
    "front-taught": Recipe(epochs=80, teacher="jets-float", distillation=0.7),
    "front-digits": Recipe(epochs=24),
    # Peers with as many as fit into some minutes on a core; their authors train for hundreds and thousands.
    "peers": Recipe(epochs=30),
    "peers-tables": Recipe(epochs=15),
    # The ablations of config/paper.yaml say what each part is worth: large steps most, then features that weigh as much
    # as they matter, then (for binary weights) fixing weights one after another instead of letting them swing to the
    # end. Normalisation by moving averages showed no effect there; it is what training with rounded factors builds on.
    "study": _STUDY,
    # Binary weights cannot be zero, but a neuron that matters little can be held: its adders go, in and out. What holding
    # one neuron in ten costs, flipping single weights of the folded network afterwards more than wins back.
    "binary": replace(_STUDY, estimator="polynomial", batch_size=512, keep=0.9, refine=1),
    # A wide layer has more of them: a quarter of the neurons takes almost half of the adders along.
    "binary-wide": replace(_STUDY, estimator="polynomial", epochs=40, keep=0.75),
    # With few-bit ReLU, too; flipping weights works on signs only. Few-bit activations and factors want long training.
    "binary-relu": replace(_STUDY, batch_size=512, epochs=200, keep=0.9),
    # Where weights may be zero, those that matter little shall be: fewer adders.
    "ternary": replace(_STUDY, l1=5e-6),
    # With few-bit ReLU a wider range of zeros does most of what the pull does, at no less accuracy (validation part).
    "ternary-relu": replace(_STUDY, threshold=0.5, l1=1e-6),
    # The original work: squared hinge, Adam, learning rate reduced on plateaus, 100 epochs.
    "reference-jets": Recipe("squared_hinge", learning_rate=1e-3, schedule="plateau", epochs=100, batch_size=1024,
                             scaling="minmax"),
    "reference-mnist": Recipe("squared_hinge", learning_rate=1e-3, schedule="plateau", epochs=100, batch_size=100,
                              dropout=0.2),
    # Full-precision networks want a smaller step than sign gradients do.
    "float": Recipe(learning_rate=2e-3, epochs=60, batch_size=1024, rounded=True),
    # A cubic ramp of a magnitude mask to two thirds of the epochs; what is left needs the rest to heal.
    "pruned": Recipe(learning_rate=3e-3, epochs=120, batch_size=1024, sparsity=0.7, rounded=True),
    "digits": _DIGITS,
    # Wide networks learn moved digits by heart, too.
    "digits-wide": replace(_DIGITS, distort=0.1),
    "digits-ternary": replace(_DIGITS, l1=1e-5),
    "digits-float": Recipe(learning_rate=1e-3, epochs=60, batch_size=128, shift=1, dropout=0.1, rounded=True),
}
