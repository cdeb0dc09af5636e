from dataclasses import replace

import numpy as np
import pytest

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact import lut
from ultralow.exact.load import load_network
from ultralow.study import runs
from ultralow.synthesis import verilator
from ultralow.training.lut import additive, additive_export, boosting, coordinate_descent, input_encoding
from ultralow.data.dataset import Dataset, split_and_scale
from ultralow.errors import StudyError
from ultralow.files import canonical_json
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import Additive, FrontNetwork, Votes
from ultralow.exact.lut import Sums, TableNetwork, Tables
from ultralow.networks.recipes import Recipe
from ultralow.data.dataset import Table


def blobs(rows: int = 6000) -> Dataset:
    """Three classes in four features: one alone tells some, two together (their product's sign) the rest, one nothing."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 4))
    y = np.where(x[:, 0] > 0.7, 2, (x[:, 1] * x[:, 2] > 0).astype(int))
    return split_and_scale(Table("blobs", "generated", tuple("abcd"), tuple("uvw"), x.astype(np.float32), y))


def strokes(rows: int = 1500) -> Dataset:
    """Images of 8 by 8: a row, a column or a diagonal, at one of the middle places."""
    rng = np.random.default_rng(4)
    y, at = rng.integers(0, 3, rows), rng.integers(2, 6, rows)
    images = (rng.random((rows, 8, 8)) < 0.05).astype(np.float32)
    for image, kind, place in zip(images, y, at):
        if kind == 0:
            image[place] = 1
        elif kind == 1:
            image[:, place] = 1
        else:
            image[np.arange(8), np.arange(8)] = 1
    names = tuple(f"pixel{n}" for n in range(64))
    data = split_and_scale(Table("strokes", "generated", names, tuple("rcd"), images.reshape(rows, -1), y))
    # Pixels are never scaled.
    return replace(data, **{f"x_{part}": (getattr(data, f"x_{part}") * data.scale + data.mean).astype(np.float32)
                            for part in ("train", "valid", "test")})


NETWORKS = {
    "additive": (FrontNetwork("blobs-tables", (4, 3, 3), input="ufixed<6,6>",
                              method=Additive(1e-3, wide=("a",), batch_size=256), dataset="blobs"), blobs, 12, 0.85),
    "votes": (FrontNetwork("strokes-tables", (64, 30, 3), input="ufixed<1,0>",
                           method=Votes(candidates=40, rows=500, distort=0.02), dataset="strokes"), strokes, 6, 0.9),
}


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request, tmp_path_factory):
    network, make, epochs, least = NETWORKS[request.param]
    data, folder, told = make(), tmp_path_factory.mktemp(request.param) / "seed-1", []
    result = runs.run(runs.Job(network, Recipe(epochs=epochs), data, 1, folder), told.append).result
    return network, data, folder, result, told, least, epochs


def test_it_learns_and_what_it_was_before_it_became_exact_is_as_good(trained):
    network, data, folder, result, _, least, _ = trained
    assert result["valid_accuracy"] > least
    assert abs(result["accuracy"] - result["accuracy_float"]) < 0.02
    exact = load_network(folder / "folded.npz")
    assert np.mean(exact.logits(exact.encode(data.x_test)).argmax(1) == data.y_test) == result["accuracy"]


def test_its_verilog_equals_it_on_every_row(trained, tmp_path):
    _, data, folder, *_ = trained
    exact = load_network(folder / "folded.npz")
    codes = exact.codes(data.x_valid)
    design = rtl.write(trace(exact, delay_constraint=-1), tmp_path / "rtl", "front")
    assert np.array_equal(verilator.simulate(design, codes), exact(codes))


def test_the_same_seed_gives_the_same_bytes_and_is_kept(trained, tmp_path):
    network, data, folder, result, told, _, epochs = trained
    again = runs.run(runs.Job(network, Recipe(epochs=epochs), data, 1, tmp_path / "seed-1"), told.append).result
    assert canonical_json(again) == canonical_json(result) and result["trained_on"]["device"]
    for name in ("folded.npz", "run.json"):
        assert (tmp_path / "seed-1" / name).read_bytes() == (folder / name).read_bytes()
    runs.run(runs.Job(network, Recipe(epochs=epochs), data, 1, folder), told.append)
    assert told[-1] == "seed 1: trained before, kept"
    weighted = replace(data, w_train=np.ones(len(data.y_train)))
    others = [(data, 2), (weighted, 1), (replace(weighted, w_train=2 * weighted.w_train), 1)]
    identities = [runs.Job(network, Recipe(epochs=epochs), *other, folder).identity for other in [(data, 1), *others]]
    assert all(identities.count(each) == 1 for each in identities)


def test_a_higher_price_buys_fewer_bits():
    network, make, *_ = NETWORKS["additive"]
    data = make()
    found = [additive.train(replace(network, method=replace(network.method, price=price)), data, 1, 8, lambda line: None)
             for price in (1e-4, 1e-1)]
    assert found[0].history["bits"][-1] > 1.5 * found[1].history["bits"][-1]


def test_a_grid_is_laid_where_the_class_changes():
    rng = np.random.default_rng(5)
    x = np.append(rng.normal(0, 1, 3980), rng.uniform(50, 100, 20))[:, None]
    form = Fixed.parse("ufixed<4,4>")
    gain, move = input_encoding.chosen(x, (x[:, 0] > 0.5).astype(int), np.array([4]), form)
    assert form.low <= (0.5 * gain + move)[0] <= form.high + form.step and gain[0] > 1  # not one step for all the values that there are


def test_boosting_finds_the_bits_that_decide():
    rng = np.random.default_rng(6)
    bits = rng.integers(0, 2, (4000, 30)).astype(np.uint8)
    y = bits[:, 3] & bits[:, 17] | bits[:, 5] & bits[:, 9]
    of, wires, values = boosting.grow(bits, y, 2, boosting.Growth(20, 6, 30, 2000, 0.4), rng, lambda line: None)
    code = bits[:, wires] @ (1 << np.arange(6))
    votes = np.take_along_axis(np.rint(values), code.T, 1)
    score = np.stack([votes[of == c].sum(0) for c in (0, 1)], 1)
    assert np.mean(score.argmax(1) == y) > 0.95 and set(np.concatenate(wires[:4])) >= {3, 5, 9, 17}


def test_constants_go_into_tables_as_far_as_their_bits_hold_them():
    values = [np.array([0, 5]), np.array([0, 1]), np.array([0, 2])]
    assert lut.take_up(values, [0, 2], 10) == 7
    assert [v.tolist() for v in values] == [[2, 7], [0, 1], [1, 3]]


def test_a_table_network_needs_layers_that_fit():
    with pytest.raises(StudyError, match="are not those of its layers"):
        TableNetwork("a", Fixed.parse("ufixed<1,1>"), (Tables((np.zeros((0, 2), np.int64),), (np.array([1]),)),
                                                       Sums((np.array([0]),), np.array([0]))), (1, 2), "tables")


def rows_and_tables():
    """Two tables that an output adds up, of three classes; the second reads what the first reads, upside down."""
    rng = np.random.default_rng(8)
    code = rng.integers(0, 4, 3000)
    targets = np.eye(3)[(code + rng.integers(0, 2, 3000)) % 3]
    logits = np.zeros((3000, 3), np.int64)
    return coordinate_descent.Rows(logits, targets, 0.5), code, targets


def cross_entropy(logits, targets, unit):
    scaled = logits * unit
    return float((np.log(np.exp(scaled).sum(1)) - (targets * scaled).sum(1)).mean())


def test_what_a_change_gains_is_what_the_loss_then_is():
    rows, code, targets = rows_and_tables()
    steps = np.array([-2, -1, 1, 2])
    # A hidden sum of four levels, which wraps: what each level is worth to each class.
    worth = np.array([[0, 1, 0], [2, 0, -1], [0, 3, 1], [-1, 0, 2]])
    at = code.copy()
    rows = coordinate_descent.Rows(worth[at], targets, 0.4)
    unit = rows.unit
    summed = coordinate_descent.Summed(rows, steps, np.array([np.roll(worth, -step, axis=0) - worth for step in steps]), at)
    gains, errors = summed.gains(code, 4)
    assert gains.shape == errors.shape == (4, 4) and (errors > 0).all()
    by = np.array([1, 0, -2, 2])
    expected = cross_entropy(worth[code], targets, unit) + sum(gains[c, list(steps).index(step)] for c, step in enumerate(by) if step)
    summed.move(code, by)
    moved = worth[(code + by[code]) % 4]
    assert np.array_equal(rows.logits, moved) and np.array_equal(summed.at, (code + by[code]) % 4)
    assert cross_entropy(moved, targets, unit) == pytest.approx(expected, abs=1e-6)
    # And the rows that moved are known anew.
    again, _ = summed.gains(code, 4)
    fresh, _ = coordinate_descent.Summed(rows, steps, np.array([np.roll(worth, -step, axis=0) - worth for step in steps]), summed.at).gains(code, 4)
    np.testing.assert_allclose(again, fresh, atol=1e-6)


def test_the_cheapest_values_weigh_loss_against_bits():
    values, loss = np.array([0, 3, 1]), np.zeros((3, 7))
    loss[1, :3] = 0.05  # of the second value: what going down costs; others may go where they like
    assert not np.ptp(additive_export.cheapest(values, loss, 0.1))  # no bit at all
    loss[1], loss[0], loss[2] = 1.0, 1.0, 1.0
    loss[:, 3] = 0.0
    assert additive_export.cheapest(values, loss, 0.1).tolist() == [0, 3, 1]  # worth its two bits
    assert not np.ptp(additive_export.cheapest(values, loss, 5.0))


def test_polishing_lowers_the_loss_pass_by_pass(trained):
    _, _, _, result, *_ = trained
    told = result["history"]["polished"]
    assert told and told == sorted(told, reverse=True)
