"""Run the commands of `ultralow`: studies, their tables and reports, and what they need."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

PAPER = "config/paper.yaml"
CODES = "Exit codes: 0 done; 2 what the user can mend; 1 our own fault, a killed process, or differences that check found."
DESCRIPTION = "Train networks of one or two bits and build them as circuits, exact at every step."
EPILOG = """\
first steps:
  ultralow run config/quick.yaml      a small study on the embedded data: minutes
  ultralow run config/paper.yaml      the full study: hours
  ultralow report config/paper.yaml   tables, figures and pages from committed results

Studies are files in config/; their results go to results/<study>/. A study that was stopped goes on where it was.
Each command explains itself: ultralow run --help

exit codes:
  0   done
  2   refused: what the last lines name can be mended in a study file, a model, data, an option, or on the disk
  1   a fault of this package, or a process that was killed; of check: more differences than there may be"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        an exit code of EPILOG.
    """
    parser = _parser()
    parsed, further = parser.parse_known_args(arguments)
    if further and not parsed.snakemake:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    parsed.further = further
    from ultralow.errors import FAULT, REFUSED, OwnFault, StudyError

    try:
        return parsed.command(parsed)
    except OwnFault as error:
        print(f"{FAULT}{error}", file=sys.stderr)
        return 1
    except StudyError as error:
        print(f"{REFUSED}{error}", file=sys.stderr)
        return 2
    except Exception as error:
        traceback.print_exc()
        print(f"{FAULT}{type(error).__name__}, which is not yours to mend: please report it with the lines above",
              file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ultralow", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(snakemake=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, mode, what, study in (
            ("run", None, "run a study: train, convert, synthesise, compare and report", None),
            ("tables", "trained", "make the hardware columns and the report again from trained networks", PAPER),
            ("report", "measured", "make tables, figures and report again from measured circuits", PAPER)):
        _study_command(commands, name, mode, what, study)
    check = _command(commands, "check", _check, "compare a study's results with the committed ones")
    check.add_argument("study", nargs="?", default=PAPER, help="study file or results folder (default: %(default)s)")
    check.add_argument("--reference", help="results folder to compare with; where git knows it, as it was committed last "
                       "(default: the study's own folder if it is committed, else results/paper)")
    check.add_argument("--rows", action="store_true", help="compute every network's predictions on the test part again, too")
    jets = _command(commands, "jets", _jets, "generate jets with Pythia 8 (`make jets` installs it first)")
    jets.add_argument("--rows", type=int, default=500_000, help="a multiple of 5 (default: %(default)s)")
    jets.add_argument("--jobs", type=int, default=1, help="processes; the jets do not depend on it (default: %(default)s)")
    jets.add_argument("--seed", type=int, help="0 or more")
    jets.add_argument("--output", help="ROOT file (default: data/cache/jets-<rows>.root)")
    jets.add_argument("--parts", help="folder of finished units (default: jet-parts beside the output)")
    jets.add_argument("--record", metavar="JSON", help="write the checksums of the sample there as well")
    jets.add_argument("--verify", metavar="FILE", help="only compare FILE with the checksums in the repository")
    worker = _command(commands, "worker", _worker, "be one of several workers on a study's search for networks")
    worker.add_argument("study", help="study file, such as config/paper.yaml")
    worker.add_argument("weights", choices=("binary", "ternary"), help="weights of the networks")
    worker.add_argument("worker", type=int, help="its number: 1, 2 … up to search.workers of the study file")
    # What the Snakefile calls for each job; nobody else does.
    step = commands.add_parser("step")
    step.add_argument("step")
    step.add_argument("paths", nargs="*", help="the notebook, and where the executed one goes; then name=value")
    step.set_defaults(command=_step)
    return parser


def _command(commands, name: str, function, what: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=CODES)
    parser.set_defaults(command=function)
    return parser


def _study_command(commands, name: str, mode: str | None, what: str, default: str | None) -> None:
    parser = _command(commands, name, _run, what)
    if default:
        parser.add_argument("study", nargs="?", default=default, help="study file (default: %(default)s)")
    else:
        parser.add_argument("study", help="study file, such as config/quick.yaml")
    parser.add_argument("--cores", type=int, help="networks worked on at once (default: all cores, or what the profile says)")
    parser.add_argument("--profile", help="where jobs run: local, slurm, htcondor, reana, or the path of a profile's folder; "
                        "see docs/clusters.md")
    parser.add_argument("--gpu", action="store_true", help="ask for a GPU for each training")
    parser.epilog = f"Further options go to Snakemake, such as --dry-run, which tells what would be done. {CODES}"
    parser.set_defaults(mode=mode, snakemake=True)


def _run(parsed: argparse.Namespace) -> int:
    from ultralow.study import workflow

    options = workflow.Options(parsed.cores, parsed.profile, parsed.gpu, tuple(parsed.further))
    return workflow.run(parsed.study, options, parsed.mode)


def _check(parsed: argparse.Namespace) -> int:
    from ultralow.report import compare_runs

    reference = ["--reference", parsed.reference] if parsed.reference else []
    return compare_runs.main([parsed.study, *reference, *(["--rows"] if parsed.rows else [])])


def _jets(parsed: argparse.Namespace) -> int:
    from ultralow.data.jetgen import sample

    options = {"--verify": parsed.verify} if parsed.verify else {
        "--rows": parsed.rows, "--jobs": parsed.jobs, "--seed": parsed.seed, "--output": parsed.output, "--parts": parsed.parts,
        "--record": parsed.record}
    return sample.run([text for name, value in options.items() if value is not None for text in (name, str(value))]) or 0


def _worker(parsed: argparse.Namespace) -> int:
    from ultralow.study import search, study

    print(f"worker {parsed.worker}: {search.work_as(study.load(parsed.study), parsed.weights, parsed.worker)} trials")
    return 0


def _step(parsed: argparse.Namespace) -> int:
    from ultralow.study import job

    paths = [path for path in parsed.paths if "=" not in path]
    parameters = dict(path.split("=", 1) for path in parsed.paths if "=" in path)
    if parsed.step == "report":
        from ultralow.report import site

        return site.main([parameters["study"]])
    return job.run(parsed.step, *paths, parameters)


if __name__ == "__main__":
    sys.exit(main())
