# The study as a graph of notebooks: data → training → conversion and gates, network by network → comparison → report.
# `make study STUDY=config/<name>.yaml` runs it. Each job executes one notebook by papermill; what decides its result
# stands in its params, so that a change of one network's settings re-runs that network and the comparison only.
#
# `make tables` (take=trained) starts from trained networks: training, ablations and searches are files that are there,
# and their notebooks are executed once more over them. `make report` (take=measured) starts from measured circuits, too,
# and shows ablations and searches only: the notebooks that take seconds.
#
# Where jobs run is a profile's affair (`make study PROFILE=slurm`, profiles/); what they need is in ultralow.study.needs.
import os
import re
import shlex

from ultralow.data import dataset as datasets
from ultralow.networks.catalogue import FINN as FINN_NAMES
from ultralow.networks.methods import FrontNetwork
from ultralow.study import ablations, needs, identity, reuse, steps, study as studies

STUDY = studies.load(config["study"])
# As the shell takes it, with Snakemake's braces escaped, which no other formatting may take off: it may have any name.
FILE = shlex.quote(os.path.relpath(STUDY.file)).replace("{", "{{").replace("}", "}}") + " "
RESULTS = os.path.relpath(STUDY.results)
NETWORKS = [entry.name for entry in STUDY.networks]
HLS = [name for name in NETWORKS if STUDY.override(name).hls]
ABLATED = STUDY.settings.ablations.networks if STUDY.settings.ablations else []
SEARCHED = STUDY.settings.search.weights if STUDY.settings.search else []
EXPERIMENTS = ([f"{RESULTS}/ablations/{name}.csv" for name in ABLATED]
               + [f"{RESULTS}/search/{STUDY.settings.search.dataset}-{weights}.csv" for weights in SEARCHED])
FINN = [f"{RESULTS}/finn.csv"] if any(name.startswith(FINN_NAMES) for name in NETWORKS) else []
GATES = [name for name in NETWORKS if STUDY.override(name).gates]
FRONT = [entry.name for entry in STUDY.networks if isinstance(entry, FrontNetwork)]
TAKE = config.get("take")
GPU = bool(config.get("gpu"))
# Several workers share a search; one is the search itself.
WORKERS = range(1, n + 1) if STUDY.settings.search and (n := STUDY.settings.search.workers) > 1 else []
TEST = {name: os.path.relpath(datasets.test_path(STUDY.results / "data" / f"{name}.npz")) for name in STUDY.datasets}
# Of a committed study the test part of the jets is there, and trained networks need no more.
PREPARED = [name for name, path in TEST.items() if not (TAKE and os.path.exists(path))]
PAGES = [f"{RESULTS}/executed/{name}-training.ipynb" for name in NETWORKS if TAKE == reuse.TRAINED]
PAGES += [page for page, made in
          [(f"{RESULTS}/executed/{name}-ablations.ipynb", f"{RESULTS}/ablations/{name}.csv") for name in ABLATED]
          + [(f"{RESULTS}/executed/search-{STUDY.settings.search.dataset}-{weights}.ipynb",
              f"{RESULTS}/search/{STUDY.settings.search.dataset}-{weights}.csv") for weights in SEARCHED]
          if TAKE == reuse.TRAINED or os.path.exists(made)]
if TAKE:
    os.environ[reuse.VARIABLE] = TAKE

# A failed notebook stays, with its traceback: it is a log.
EXECUTE = ("papermill --no-progress-bar --no-log-output -k python3 {input.notebook} {log.notebook} "
           "-p study " + FILE)
TELL = "> {log.text} 2>&1 || {{ tail -n 15 {log.text} >&2; echo 'The notebook with its traceback: {log.notebook}' >&2; exit 1; }}"
# The same without a log beside the page: what is shown is finished.
SHOW, TELL_PAGE = EXECUTE.replace("{log.notebook}", "{output.notebook}"), TELL.split("echo")[0] + "exit 1; }}"


wildcard_constraints:
    network="[A-Za-z0-9.+-]+",
    dataset="[a-z0-9]+",


def either(names):
    """A wildcard's pattern for one of the names, and for nothing where there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def present(files):
    """Those that are there where circuits are taken as they are; else all."""
    return [file for file in files if TAKE != reuse.MEASURED or os.path.exists(file)]


rule all:
    input:
        f"{RESULTS}/report/index.html",
        # Each by name: a file that is missing, because a step failed or it was damaged and deleted, is no reason to make
        # a report again that is there; so the old one would stay.
        f"{RESULTS}/comparison.csv",
        f"{RESULTS}/figures",
        FINN,
        present(expand(f"{RESULTS}/{{network}}/convert.json", network=HLS)),
        present(expand(f"{RESULTS}/{{network}}/synthesis.json", network=GATES)),
        present([f"{RESULTS}/area.csv"] if STUDY.settings.area else []),
        [] if TAKE else expand(f"{RESULTS}/{{network}}/{{file}}", network=NETWORKS, file=("train.json", "folded.npz")),
        [] if TAKE else EXPERIMENTS,


def source(name):
    """The dataset's files; none where it comes by itself."""
    return [str(path) for path in STUDY.files(name) if path.exists() or not steps.downloads(STUDY, name)]


rule data:
    input:
        notebook="notebooks/1-data.ipynb",
        file=lambda wildcards: source(wildcards.dataset),
    output:
        f"{RESULTS}/data/{{dataset}}.npz",
        f"{RESULTS}/data/{{dataset}}-test.npz",
        # Of a committed study this file is there: were it an output, a step that fails would delete it.
        [] if TAKE else f"{RESULTS}/data/{{dataset}}.json",
    wildcard_constraints:
        dataset="|".join(PREPARED) or "none",
    params:
        settings=lambda wildcards: STUDY.settings.data[wildcards.dataset].model_dump_json(),
        code=identity.versions("data"),
    log:
        notebook=f"{RESULTS}/executed/data-{{dataset}}.ipynb",
        text=f"{RESULTS}/logs/data-{{dataset}}.log",
    retries: 1
    threads: needs.CORES
    resources:
        **needs.resources("data"),
    shell:
        EXECUTE + "-p dataset {wildcards.dataset} " + TELL


if not TAKE:

    rule training:
        input:
            notebook="notebooks/2-training.ipynb",
            data=lambda wildcards: f"{RESULTS}/data/{STUDY.network(wildcards.network).dataset}.npz",
            teacher=lambda wildcards: [f"{RESULTS}/{t}/folded.npz"] if (t := STUDY.recipe(wildcards.network).teacher) else [],
            model=lambda wildcards: [str(path)] if (path := STUDY.model_path(wildcards.network)) else [],
        output:
            f"{RESULTS}/{{network}}/train.json",
            f"{RESULTS}/{{network}}/folded.npz",
            f"{RESULTS}/{{network}}/model.keras",
        wildcard_constraints:
            network=either(name for name in NETWORKS if name not in FRONT),
        params:
            entry=lambda wildcards: str(STUDY.network(wildcards.network)),
            recipe=lambda wildcards: str(STUDY.recipe(wildcards.network)),
            seeds=STUDY.settings.seeds,
            raw=lambda wildcards: STUDY.override(wildcards.network).raw,
            code=lambda wildcards: steps.training_versions(STUDY, wildcards.network),
        log:
            notebook=f"{RESULTS}/executed/{{network}}-training.ipynb",
            text=f"{RESULTS}/logs/{{network}}-training.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("training", GPU),
        shell:
            EXECUTE + "-p network {wildcards.network} " + TELL

    # Of which there is no Keras model.
    use rule training as training_front with:
        output:
            f"{RESULTS}/{{network}}/train.json",
            f"{RESULTS}/{{network}}/folded.npz",
        wildcard_constraints:
            network=either(FRONT),

    rule ablations:
        input:
            notebook="notebooks/ablations.ipynb",
            data=lambda wildcards: f"{RESULTS}/data/{STUDY.network(wildcards.network).dataset}.npz",
            teacher=lambda wildcards: [f"{RESULTS}/{name}/folded.npz" for name in STUDY.settings.teachers],
        output:
            f"{RESULTS}/ablations/{{network}}.csv",
        params:
            entry=lambda wildcards: str(STUDY.network(wildcards.network)),
            variants=lambda wildcards: str(ablations.variants(STUDY, wildcards.network)),
            settings=(STUDY.settings.seeds, STUDY.settings.backend, str(STUDY.settings.ablations)),
            code=identity.versions("training", "weight flips"),
        log:
            notebook=f"{RESULTS}/executed/{{network}}-ablations.ipynb",
            text=f"{RESULTS}/logs/{{network}}-ablations.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("ablations", GPU),
        shell:
            EXECUTE + "-p network {wildcards.network} " + TELL

    rule worker:
        input:
            data=f"{RESULTS}/data/{{dataset}}.npz",
        output:
            temp(f"{RESULTS}/search/{{dataset}}-{{weights}}.worker-{{worker}}.json"),
        log:
            text=f"{RESULTS}/logs/search-{{dataset}}-{{weights}}-{{worker}}.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("search", GPU),
        shell:
            "python -m ultralow.study.workers " + FILE + "{wildcards.weights} {wildcards.worker} " + TELL_PAGE

    # What several workers left, or the whole search; then its notebook.
    rule search:
        input:
            notebook="notebooks/search.ipynb",
            data=f"{RESULTS}/data/{{dataset}}.npz",
            workers=[f"{RESULTS}/search/{{dataset}}-{{weights}}.worker-{n}.json" for n in WORKERS],
        output:
            f"{RESULTS}/search/{{dataset}}-{{weights}}.csv",
        params:
            settings=(STUDY.settings.seeds[0], STUDY.settings.backend, str(STUDY.settings.search)),
            code=identity.versions("training", "weight flips", "search"),
        log:
            notebook=f"{RESULTS}/executed/search-{{dataset}}-{{weights}}.ipynb",
            text=f"{RESULTS}/logs/search-{{dataset}}-{{weights}}.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("search", GPU),
        shell:
            EXECUTE + "-p weights {wildcards.weights} " + TELL


if TAKE == reuse.TRAINED:

    rule training_page:
        input:
            notebook=ancient("notebooks/2-training.ipynb"),
            done=f"{RESULTS}/{{network}}/train.json",
            # What the networks predict for it must be what train.json says.
            test=lambda wildcards: TEST[STUDY.network(wildcards.network).dataset],
        output:
            notebook=f"{RESULTS}/executed/{{network}}-training.ipynb",
        log:
            text=f"{RESULTS}/logs/{{network}}-training.log",
        threads: needs.CORES
        resources:
            **needs.resources("page"),
        shell:
            SHOW + "-p network {wildcards.network} " + TELL_PAGE


if TAKE:

    rule ablations_page:
        input:
            notebook=ancient("notebooks/ablations.ipynb"),
            done=f"{RESULTS}/ablations/{{network}}.csv",
        output:
            notebook=f"{RESULTS}/executed/{{network}}-ablations.ipynb",
        log:
            text=f"{RESULTS}/logs/{{network}}-ablations.log",
        threads: needs.CORES
        resources:
            **needs.resources("page"),
        shell:
            SHOW + "-p network {wildcards.network} " + TELL_PAGE

    rule search_page:
        input:
            notebook=ancient("notebooks/search.ipynb"),
            done=f"{RESULTS}/search/{{dataset}}-{{weights}}.csv",
        output:
            notebook=f"{RESULTS}/executed/search-{{dataset}}-{{weights}}.ipynb",
        log:
            text=f"{RESULTS}/logs/search-{{dataset}}-{{weights}}.log",
        threads: needs.CORES
        resources:
            **needs.resources("page"),
        shell:
            SHOW + "-p weights {wildcards.weights} " + TELL_PAGE


if TAKE != reuse.MEASURED:

    rule conversion:
        input:
            notebook="notebooks/3-conversion.ipynb",
            folded=f"{RESULTS}/{{network}}/folded.npz",
            test=lambda wildcards: TEST[STUDY.network(wildcards.network).dataset],
        output:
            f"{RESULTS}/{{network}}/convert.json",
        params:
            rows=STUDY.settings.rows.hls,
            target=(STUDY.settings.part, STUDY.settings.clock_ns),
            code=identity.versions("conversion"),
        log:
            notebook=f"{RESULTS}/executed/{{network}}-conversion.ipynb",
            text=f"{RESULTS}/logs/{{network}}-conversion.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("conversion"),
        shell:
            EXECUTE + "-p network {wildcards.network} " + TELL

    rule gates:
        input:
            notebook="notebooks/4-gates.ipynb",
            folded=f"{RESULTS}/{{network}}/folded.npz",
            test=lambda wildcards: TEST[STUDY.network(wildcards.network).dataset],
        output:
            f"{RESULTS}/{{network}}/synthesis.json",
            directory(f"{RESULTS}/{{network}}/rtl"),
        params:
            rows=STUDY.settings.rows.rtl,
            target=(STUDY.settings.part, STUDY.settings.clock_ns, STUDY.settings.tool, STUDY.settings.vhdl),
            delay=lambda wildcards: STUDY.override(wildcards.network).delay_constraint,
            multipliers=STUDY.settings.multipliers,
            code=identity.versions("synthesis"),
        log:
            notebook=f"{RESULTS}/executed/{{network}}-gates.ipynb",
            text=f"{RESULTS}/logs/{{network}}-gates.log",
        retries: 1
        # Synthesis takes longest: it starts as soon as it can.
        priority: 10
        threads: needs.CORES
        resources:
            **needs.resources("gates"),
        shell:
            EXECUTE + "-p network {wildcards.network} " + TELL


if TAKE != reuse.MEASURED:

    rule area:
        input:
            notebook="notebooks/area.ipynb",
            folded=[f"{RESULTS}/{name}/folded.npz" for name in (STUDY.settings.area.networks if STUDY.settings.area else [])],
            test=list(TEST.values()),
        output:
            f"{RESULTS}/area.csv",
        params:
            settings=str(STUDY.settings.area),
            code=identity.versions("synthesis"),
        log:
            notebook=f"{RESULTS}/executed/area.ipynb",
            text=f"{RESULTS}/logs/area.log",
        retries: 1
        threads: needs.CORES
        resources:
            **needs.resources("area"),
        shell:
            EXECUTE + TELL


rule comparison:
    input:
        notebook="notebooks/5-comparison.ipynb",
        train=expand(f"{RESULTS}/{{network}}/train.json", network=NETWORKS),
        convert=present(expand(f"{RESULTS}/{{network}}/convert.json", network=HLS)),
        synthesis=present(expand(f"{RESULTS}/{{network}}/synthesis.json", network=GATES)),
        area=present([f"{RESULTS}/area.csv"] if STUDY.settings.area else []),
    output:
        f"{RESULTS}/comparison.csv",
        FINN,
        directory(f"{RESULTS}/figures"),
    params:
        networks=NETWORKS,
    log:
        notebook=f"{RESULTS}/executed/comparison.ipynb",
        text=f"{RESULTS}/logs/comparison.log",
    retries: 1
    threads: needs.CORES
    resources:
        **needs.resources("comparison"),
    shell:
        EXECUTE + TELL


rule report:
    input:
        f"{RESULTS}/comparison.csv",
        f"{RESULTS}/figures",
        # Notebooks become pages.
        PAGES if TAKE else EXPERIMENTS,
    output:
        f"{RESULTS}/report/index.html",
    log:
        text=f"{RESULTS}/logs/report.log",
    threads: needs.CORES
    resources:
        **needs.resources("page"),
    shell:
        "python -m ultralow.report.site " + FILE + TELL_PAGE
