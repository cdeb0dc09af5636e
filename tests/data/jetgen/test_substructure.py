"""Jet features: jets of one, two and three particles by hand, and FastJet's own numbers on random ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ultralow.data.jetgen.substructure import correlators, jet_features, mmdt
from ultralow.data.jets import FEATURES


def massless(pt, rapidity, phi):
    """Massless particles at (pt, rapidity, phi), shape (n, 4)."""
    pt, rapidity, phi = map(np.asarray, (pt, rapidity, phi))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(rapidity), pt * np.cosh(rapidity)], axis=1)


def features_of(*particles):
    """One dict of the features of one jet."""
    jet = massless(*zip(*particles))
    return dict(zip(FEATURES, jet_features(jet, np.array([len(jet)]))[0].tolist(), strict=True))


def random_jet(seed, n):
    """Something like a jet: n massless particles, steeply falling pT, within 0.4 of (0.3, 3.1): across φ = ±π."""
    rng = np.random.default_rng(seed)
    return massless(rng.pareto(1.5, n) * 5 + 0.2, 0.3 + rng.normal(0, 0.15, n), 3.1 + rng.normal(0, 0.15, n))


def test_one_particle():
    found = features_of((1000.0, 0.5, -1.0))
    assert found.pop("multiplicity") == 1
    assert found.pop("mass_mmdt") == pytest.approx(0, abs=1e-3)
    assert set(found.values()) == {0.0}


def test_two_particles():
    angle = 0.2
    found = features_of((600.0, 0.0, 0.0), (400.0, 0.0, angle))
    e2 = 0.6 * 0.4 * angle
    expected = dict.fromkeys(FEATURES, 0.0) | {
        "zlogz": 0.6 * math.log(0.6) + 0.4 * math.log(0.4),
        "c1_b0_mmdt": 0.24, "c1_b1_mmdt": e2, "c1_b2_mmdt": e2 * angle,
        "mass_mmdt": math.sqrt(2 * 600 * 400 * (1 - math.cos(angle))), "multiplicity": 2,
    }
    assert found == pytest.approx(expected, rel=1e-9)


def test_two_particles_too_asymmetric_are_groomed_to_one():
    found = features_of((950.0, 0.0, 0.0), (50.0, 0.0, 0.2))
    assert found["c1_b0_mmdt"] == found["c1_b1_mmdt"] == 0
    assert found["mass_mmdt"] == pytest.approx(0, abs=1e-3)
    assert found["multiplicity"] == 2  # of the jet before grooming
    assert found["zlogz"] == pytest.approx(0.95 * math.log(0.95) + 0.05 * math.log(0.05))


def test_three_particles_on_a_line():
    # At azimuth 0, 0.1 and 0.3: angles 0.1, 0.2 and 0.3. Nothing is groomed: the last splitting is 0.8 : 0.2.
    z1, z2, z3 = 0.5, 0.3, 0.2
    found = features_of((500.0, 0.0, 0.0), (300.0, 0.0, 0.1), (200.0, 0.0, 0.3))
    zzz = z1 * z2 * z3
    e21 = z1 * z2 * 0.1 + z2 * z3 * 0.2 + z1 * z3 * 0.3
    e22 = z1 * z2 * 0.01 + z2 * z3 * 0.04 + z1 * z3 * 0.09
    e31, e32 = zzz * 0.006, zzz * 0.006**2
    expected = {
        "c1_b0_mmdt": z1 * z2 + z2 * z3 + z1 * z3, "c1_b1_mmdt": e21, "c1_b2_mmdt": e22,
        "c2_b1_mmdt": e31 / e21**2, "c2_b2_mmdt": e32 / e22**2,
        "d2_b1_mmdt": e31 / e21**3, "d2_b2_mmdt": e32 / e22**3,
        "d2_a1_b1_mmdt": e31 / e21**3, "d2_a1_b2_mmdt": e31 / e22**1.5,
        "m2_b1_mmdt": zzz * 0.1 / e21, "m2_b2_mmdt": zzz * 0.01 / e22,
        "n2_b1_mmdt": zzz * 0.02 / e21**2, "n2_b2_mmdt": zzz * 0.0004 / e22**2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_wide_angle_soft_particle_is_groomed_away():
    hard = [(600.0, 0.0, 0.0), (400.0, 0.0, 0.1)]
    groomed, alone = features_of(*hard, (20.0, 0.0, 0.35)), features_of(*hard)
    names = [name for name in FEATURES if name.endswith("_mmdt")]
    assert {name: groomed[name] for name in names} == {name: alone[name] for name in names}
    assert groomed["multiplicity"] == 3


def test_azimuth_wraps():
    near, across = [features_of((600.0, 0.1, phi - 0.1), (400.0, 0.0, phi + 0.1)) for phi in (0.0, math.pi)]
    assert across == pytest.approx(near, rel=1e-9)


def test_relations_that_follow_from_the_definitions():
    jets = [random_jet(seed, 10 + 5 * seed) for seed in range(12)]
    values = jet_features(np.concatenate(jets), np.array([len(jet) for jet in jets]))
    column = dict(zip(FEATURES, values.T))
    for beta in "12":
        assert np.allclose(column[f"c2_b{beta}_mmdt"], column[f"d2_b{beta}_mmdt"] * column[f"c1_b{beta}_mmdt"],
                           rtol=1e-12)
        # 1e3 ≥ 2e3: below 1 rad, a product of two angles is smaller than the smallest alone.
        assert np.all(column[f"m2_b{beta}_mmdt"] >= column[f"n2_b{beta}_mmdt"] * column[f"c1_b{beta}_mmdt"])
    assert np.array_equal(column["d2_b1_mmdt"], column["d2_a1_b1_mmdt"])
    assert np.all(column["c1_b0_mmdt"] < 0.5) and column["multiplicity"].tolist() == [len(jet) for jet in jets]


def test_agrees_with_fastjet():
    fastjet, ak = pytest.importorskip("fastjet"), pytest.importorskip("awkward")
    whole = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)

    def cluster(particles):
        return fastjet.ClusterSequence(ak.Array([dict(zip(("px", "py", "pz", "E"), row)) for row in
                                                 particles.tolist()], with_name="Momentum4D"), whole)

    groomed_sizes = []
    for seed in range(8):
        jet = random_jet(seed, 8 + 7 * seed)
        kept = jet[mmdt(jet)]
        theirs = cluster(jet).exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=0.1)
        assert sorted(ak.to_numpy(ak.flatten(theirs.constituents.px, axis=None))) == pytest.approx(
            sorted(kept[:, 0]), rel=1e-12)
        pt = np.hypot(kept[:, 0], kept[:, 1])
        ours = correlators(pt, np.arctanh(kept[:, 2] / kept[:, 3]), np.arctan2(kept[:, 1], kept[:, 0]))
        groomed = cluster(kept)
        reference = [
            groomed.exclusive_jets_energy_correlator(njets=1, beta=beta, npoint=points, angles=angles)
            for points, angles, beta in ((2, -1, 0), (2, -1, 1), (2, -1, 2), (3, -1, 1), (3, -1, 2),
                                         (3, 1, 1), (3, 1, 2), (3, 2, 1), (3, 2, 2))]
        assert ours == pytest.approx(np.array([float(np.ravel(value)[0]) for value in reference]), rel=1e-10)
        groomed_sizes.append(len(kept) / len(jet))
    assert min(groomed_sizes) < 1  # the grooming had something to do
