"""Simulate the collisions behind the five classes of jets with Pythia, and select the leading jet of each event.

A collision takes two steps, as with a matrix-element program followed by a shower. The first Pythia draws the hard process
at fixed parton pT and nothing else; the second reads it through the Les Houches interface (in memory, no file), lets the
W, Z and t decay, showers and hadronises. The second does not know the bosons' polarisation, so their decays are isotropic,
as in the published set.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from ultralow.errors import StudyError, unknown
from ultralow.data.jetgen.substructure import jet_features

# What follows is written into the provenance of every sample; a change of it is a change of the sample.
HARD_SETTINGS = (
    "Beams:eCM=13000", "Tune:pp=14", "PhaseSpace:pTHatMin=995", "PhaseSpace:pTHatMax=1005",
    # On-shell bosons, as in the published set: its W and Z peaks have no Breit-Wigner tails.
    "24:mMin=80.3", "24:mMax=80.5", "23:mMin=91.1", "23:mMax=91.3",
    "PartonLevel:all=off", "ProcessLevel:resonanceDecays=off", "Check:event=off",
)
PROCESSES = {
    "q": ("HardQCD:qq2qq=on", "HardQCD:gg2qqbar=on", "HardQCD:qqbar2qqbarNew=on", "HardQCD:nQuarkNew=3"),
    "g": ("HardQCD:gg2gg=on", "HardQCD:qqbar2gg=on"),
    "W": ("WeakDoubleBoson:ffbar2WW=on",),
    "Z": ("WeakDoubleBoson:ffbar2gmZgmZ=on", "WeakZ0:gmZmode=2"),
    "t": ("Top:gg2ttbar=on", "Top:qqbar2ttbar=on"),
}
SHOWER_SETTINGS = (
    "Beams:frameType=5", "Tune:pp=14", "PartonLevel:MPI=off",
    "24:onMode=off", "24:onIfAny=1 2 3 4 5", "23:onMode=off", "23:onIfAny=1 2 3 4 5",
)
RADIUS = 0.4
JET_PT_GEV = (800.0, 1600.0)
MAX_ETA = 5.0
NEUTRINOS = (12, 14, 16)

CUT_FLOW = ("events", "with a jet above 0.8 TeV", "leading jet below 1.6 TeV")


class Collisions:
    """An endless stream of jets of one class, the same for the same two seeds."""

    def __init__(self, kind: str, hard_seed: int, shower_seed: int) -> None:
        """Sets up both Pythias (half a second).

        Args:
            kind: one of the keys of PROCESSES.
            hard_seed, shower_seed: 1 ... 900,000,000, Pythia's range.

        Raises:
            StudyError: unknown ``kind``; Pythia or FastJet is not installed or refuses a setting.
        """
        if kind not in PROCESSES:
            raise unknown("kind of jet", kind, PROCESSES)
        pythia = import_extra("pythia8mc")
        self._hard = _pythia(pythia, (*HARD_SETTINGS, *PROCESSES[kind]), hard_seed)
        _start(self._hard)
        self._feed = _les_houches_feed()(self._hard)
        self._shower = _pythia(pythia, SHOWER_SETTINGS, shower_seed)
        self._shower.setLHAupPtr(self._feed)
        _start(self._shower)

    def events(self, count: int):
        """The particles of the next ``count`` collisions: awkward records with status, id and four-momentum p.

        A collision that Pythia gives up on (none in most runs) is left out. How many are asked for at once
        changes the memory (0.1 MB each) and nothing else.
        """
        return self._shower.nextBatch(count, "skip").prt

    def jets(self, count: int) -> tuple[np.ndarray, dict[str, int]]:
        """The next ``count`` accepted leading jets: features of shape (count, 16), float32, and the cut flow."""
        features, flow = np.empty((count, 16), np.float32), np.zeros(3, np.int64)
        done = 0
        while done < count:
            # Nearly every event gives a jet; ask for few more than are missing.
            events = self.events(min(100, count - done + 2))
            particles, counts, pt = leading_jets(events)
            good = (pt > JET_PT_GEV[0]) & (pt < JET_PT_GEV[1])
            # The cut flow ends at the last jet that is used, so that it does not depend on the batches.
            used = np.searchsorted(np.cumsum(good), count - done) + 1
            good, pt = good[:used], pt[:used]
            flow += len(pt), (pt > JET_PT_GEV[0]).sum(), good.sum()
            take = np.flatnonzero(good)
            rows = np.repeat(good, counts[:used])
            features[done:done + len(take)] = jet_features(particles[:counts[:used].sum()][rows], counts[take])
            done += len(take)
        return features, dict(zip(CUT_FLOW, flow.tolist()))


def leading_jets(events) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The hardest anti-kT jet of each event.

    Args:
        events: as from :meth:`Collisions.events`.

    Returns:
        particles, shape (sum of counts, 4), px, py, pz, E in GeV; counts, shape (events,); the jets' pT in GeV,
        shape (events,). An event without a jet above JET_PT_GEV[0] has count 0 and pT 0.
    """
    import awkward as ak

    fastjet = import_extra("fastjet")
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
    p, kind = events.p, abs(events.id)
    visible = events.status > 0
    for neutrino in NEUTRINOS:
        visible = visible & (kind != neutrino)
    # |eta| < 5 without a logarithm: |pz| < pT sinh 5.
    visible = visible & (p.pz**2 < np.sinh(MAX_ETA)**2 * (p.px**2 + p.py**2))
    p = p[visible]
    p = ak.zip({"px": p.px, "py": p.py, "pz": p.pz, "E": p.e}, with_name="Momentum4D")
    cluster = fastjet.ClusterSequence(p, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
    jets = cluster.inclusive_jets(min_pt=JET_PT_GEV[0])
    jets_pt = np.sqrt(jets.px**2 + jets.py**2)
    hardest = ak.argmax(jets_pt, axis=1, keepdims=True)
    inside = ak.flatten(cluster.constituent_index(min_pt=JET_PT_GEV[0])[hardest], axis=2)
    chosen = ak.flatten(p[inside])
    particles = np.stack([ak.to_numpy(chosen[name]) for name in ("px", "py", "pz", "E")], axis=1)
    return particles, ak.to_numpy(ak.num(inside)), ak.to_numpy(ak.fill_none(ak.max(jets_pt, axis=1), 0.0))


def import_extra(name: str) -> ModuleType:
    """The module ``name`` of the extra ``jets``.

    Raises:
        StudyError: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise missing_extra(name) from None


def missing_extra(name: str) -> StudyError:
    """The error for a package of the extra ``jets`` that is not installed; returned, not raised."""
    return StudyError(f"{name} is not installed; generating jets needs the extra `jets`: "
                      "pip install -r requirements-jets.lock")


def _pythia(pythia: ModuleType, settings: tuple[str, ...], seed: int):
    generator = pythia.Pythia("", False)
    for setting in (*settings, "Print:quiet=on", "Random:setSeed=on", f"Random:seed={seed}"):
        if not generator.readString(setting):
            raise StudyError(f"Pythia refuses the setting {setting!r}; see jetgen/pythia.py and the version of pythia8mc")
    return generator


def _start(generator) -> None:
    if not generator.init():
        raise StudyError("Pythia does not start with the settings of jetgen/pythia.py; check the version of pythia8mc "
                         "against requirements-jets.lock")


@functools.cache  # one class for all streams: a class of its own would keep each stream's Pythias alive
def _les_houches_feed() -> type:
    """The kind of LHAup that hands the hard processes of one Pythia to another, one by one."""
    pythia = import_extra("pythia8mc")

    class Feed(pythia.LHAup):
        def __init__(self, hard) -> None:
            # Strategy 3: unweighted events, no cross section needed.
            super().__init__(3)
            self.hard = hard

        def setInit(self) -> bool:
            beam_gev = self.hard.infoPython().eCM() / 2
            self.setBeamA(2212, beam_gev)
            self.setBeamB(2212, beam_gev)
            self.addProcess(1, 1.0, 0.0, 1.0)
            return True

        def setEvent(self, process: int = 0) -> bool:
            while not self.hard.next():
                pass
            record, info = self.hard.process, self.hard.infoPython()
            self.setProcess(1, 1.0, record.scale(), info.alphaEM(), info.alphaS())
            for at in range(3, record.size()):  # 0 is the event as a whole, 1 and 2 are the protons
                p = record[at]
                status, mother1, mother2 = (-1, 0, 0) if p.status() < 0 else (1, 1, 2)
                self.addParticle(p.id(), status, mother1, mother2, p.col(), p.acol(),
                                 p.px(), p.py(), p.pz(), p.e(), p.m(), 0.0, 9.0)
            return True

    return Feed
