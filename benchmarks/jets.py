"""Jets per second of processor time: the generator against a plain loop over events and particles, with equal output.

    python benchmarks/jets.py [--jets 500]

Everything runs in one thread, so processor time is what an idle core would take; setting up is counted.

The plain path uses the same two Pythias but reads event by event and particle by particle, clusters, grooms and
takes the energy correlators with FastJet's own functions. Both paths start from the same seeds; the largest
relative difference of a feature is printed and must stay below 1e-6 (the sample is stored in float32).
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from ultralow.data.jetgen import pythia
from ultralow.data.jetgen.pythia import JET_PT_GEV, MAX_ETA, NEUTRINOS, RADIUS, Collisions
from ultralow.data.jetgen.sample import Unit
from ultralow.data.jetgen.substructure import Z_CUT, jet_features
from ultralow.data.jets import CLASSES, FEATURES


def plain_jets(stream: Collisions, count: int) -> np.ndarray:
    """The features of the next ``count`` jets, shape (count, 16), the slow way."""
    import fastjet

    found = []
    while len(found) < count:
        if not stream._shower.next():
            continue
        particles = [fastjet.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in stream._shower.event
                     if p.isFinal() and p.idAbs() not in NEUTRINOS and abs(p.eta()) < MAX_ETA]
        cluster = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
        jets = fastjet.sorted_by_pt(cluster.inclusive_jets(JET_PT_GEV[0]))
        if jets and JET_PT_GEV[0] < jets[0].pt() < JET_PT_GEV[1]:
            found.append(plain_features(jets[0].constituents()))
    return np.array(found)


def plain_features(jet: list) -> list[float]:
    """The 16 features of one jet of FastJet's pseudojets, by FastJet's own tools."""
    import awkward as ak
    import fastjet

    def whole(particles):
        return fastjet.ClusterSequence(ak.Array(particles, with_name="Momentum4D"),
                                       fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0))

    energy = sum(p.e() for p in jet)
    zlogz = sum(p.e() / energy * math.log(p.e() / energy) for p in jet)
    groomed = whole([{"px": p.px(), "py": p.py(), "pz": p.pz(), "E": p.e()} for p in jet]) \
        .exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=Z_CUT)
    cluster = whole(ak.to_list(groomed.constituents))

    def e(points: int, angles: int, beta: int) -> float:
        value = cluster.exclusive_jets_energy_correlator(njets=1, beta=beta, npoint=points, angles=angles)
        return float(np.ravel(value)[0])

    e21, e22, e31, e32 = e(2, -1, 1), e(2, -1, 2), e(3, -1, 1), e(3, -1, 2)
    ratios = [0.0] * 10
    if e21 > 0:
        ratios = [e31 / e21**2, e32 / e22**2, e31 / e21**3, e32 / e22**3, e31 / e21**3, e31 / e22**1.5,
                  e(3, 1, 1) / e21, e(3, 1, 2) / e22, e(3, 2, 1) / e21**2, e(3, 2, 2) / e22**2]
    return [zlogz, e(2, -1, 0), e21, e22, *ratios, float(np.ravel(groomed.msoftdrop)[0]), len(jet)]


def shares(stream: Collisions, count: int) -> dict[str, float]:
    """Seconds per jet of the three parts of the fast path."""
    start = time.process_time()
    events = stream.events(count)
    made = time.process_time()
    particles, counts, pt = pythia.leading_jets(events)
    found = time.process_time()
    jet_features(particles, counts[counts > 0])
    return {"collisions": (made - start) / count, "jet finding": (found - made) / count,
            "features": (time.process_time() - found) / count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jets", type=int, default=500, help="per class")
    count = parser.parse_args().jets
    Collisions("q", 1, 1).jets(3)  # compile before the clock starts
    seconds = {"plain": 0.0, "fast": 0.0}
    worst = 0.0
    for kind in CLASSES:
        seeds = Unit(1, 0, kind).streams()
        start = time.process_time()
        fast = Collisions(kind, *seeds).jets(count)[0].astype(float)
        middle = time.process_time()
        plain = plain_jets(Collisions(kind, *seeds), count)
        end = time.process_time()
        seconds["fast"] += middle - start
        seconds["plain"] += end - middle
        # The mass of a jet groomed to one photon is a rounding error of its energy: 10 GeV is the scale there.
        floor = np.where(np.array(FEATURES) == "mass_mmdt", 10.0, 1e-12)
        difference = np.abs(fast - plain) / np.maximum(np.abs(plain), floor)
        worst = max(worst, float(difference.max()))
        parts = "  ".join(f"{name} {1e3 * value:.2f} ms" for name, value in
                          shares(Collisions(kind, *seeds), count).items())
        print(f"{kind}: fast {count / (middle - start):6.1f} jets/s  plain {count / (end - middle):6.1f} jets/s  "
              f"worst {FEATURES[difference.max(0).argmax()]} {difference.max():.1e}  per jet: {parts}", flush=True)
    total = count * len(CLASSES)
    print(f"all: fast {total / seconds['fast']:.0f} jets/s, plain {total / seconds['plain']:.0f} jets/s, "
          f"largest relative difference {worst:.1e}")
    if worst > 1e-6:
        raise SystemExit("error: the two paths disagree")


if __name__ == "__main__":
    main()
