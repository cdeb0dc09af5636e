"""How far the quick estimate of a network's LUTs is off: against the synthesis of the networks of a study.

    python benchmarks/estimate.py results/quick
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ultralow.errors import StudyError
from ultralow.circuit.lut_estimate import luts
from ultralow.files import read_json
from ultralow.exact.load import load_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a study that has synthesised its networks")
    for path in sorted(parser.parse_args().results.glob("*/synthesis.json")):
        network, measured = load_network(path.with_name("folded.npz")), read_json(path)["lut"]
        try:
            found = luts(network)
        except StudyError as error:
            print(error)
            continue
        print(f"{network.name} ({network.architecture}): estimate {found:,.0f}, synthesis {measured:,}, "
              f"{found / measured - 1:+.0%}")


if __name__ == "__main__":
    main()
