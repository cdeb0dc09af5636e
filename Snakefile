# The study as a graph of jobs: data → training → conversion and synthesis, network by network → comparison → report.
# `ultralow run config/<name>.yaml` runs it. A job executes one notebook; what decides its result stands in its params, so
# that a change of one network's settings re-runs that network and the comparison only (ultralow.study.plan).
#
# `ultralow tables` (take=trained) starts from trained networks: trainings, ablations and searches are files that are
# there, and their notebooks are shown once more. `ultralow report` (take=measured) starts from measured circuits.
#
# Where jobs run is a profile's affair (PROFILE=slurm, profiles/); what they need is in ultralow.study.cluster.
import os

from ultralow.study import cluster, reuse, study as studies
from ultralow.study.plan import Plan, either, quoted, shell_command

TAKE, GPU = config.get("take"), bool(config.get("gpu"))
if TAKE:
    os.environ[reuse.VARIABLE] = TAKE
PLAN = Plan(studies.load(config["study"]), TAKE)
RESULTS, SEARCH, FILE = PLAN.results, PLAN.study.settings.search, os.path.relpath(PLAN.study.file)

STUDY = quoted("study", FILE)
# Where a process was killed: the run starts it again, and not Snakemake's process on a cluster's node as well.
RETRIES = int(workflow.is_main_process)
WHERE = "echo 'The notebook with its traceback: {log.notebook}' >&2; "


def logged(command, where=""):
    return shell_command(command, where, workflow.is_main_process)


def step(parameter="", executed="{log.notebook}", where=WHERE):
    """Executes the job's notebook. One that failed stays, with its traceback, where it is a log and no output."""
    return logged(f"python -m ultralow.cli step {{rule}} {{input.notebook}} {executed} {STUDY} {parameter}", where)


wildcard_constraints:
    network="[A-Za-z0-9.+-]+",
    dataset=either(PLAN.prepared),
    page=either(PLAN.pages),
    weights="binary|ternary",


rule all:
    input: PLAN.targets


rule data:
    input:
        notebook="notebooks/1-data.ipynb",
        file=lambda job: PLAN.source(job.dataset),
    output:
        f"{RESULTS}/data/{{dataset}}.npz",
        f"{RESULTS}/data/{{dataset}}-test.npz",
        # Of a committed study this file is there: were it an output, a step that fails would delete it.
        [] if TAKE else f"{RESULTS}/data/{{dataset}}.json",
    params: identity=lambda job: PLAN.preparation(job.dataset)
    log: notebook=f"{RESULTS}/executed/data-{{dataset}}.ipynb", text=f"{RESULTS}/logs/data-{{dataset}}.log"
    retries: RETRIES
    threads: cluster.CORES
    resources: **cluster.resources("data")
    shell: step("dataset={wildcards.dataset}")


if not TAKE:

    rule training:
        input:
            notebook="notebooks/2-training.ipynb",
            data=lambda job: PLAN.data(job.network),
            teacher=lambda job: PLAN.teachers(job.network),
            model=lambda job: PLAN.model(job.network),
        output: f"{RESULTS}/{{network}}/train.json", f"{RESULTS}/{{network}}/folded.npz"
        params: identity=lambda job: PLAN.training(job.network)
        log: notebook=f"{RESULTS}/executed/{{network}}-training.ipynb", text=f"{RESULTS}/logs/{{network}}-training.log"
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("training", GPU)
        shell: step("network={wildcards.network}")

    rule ablations:
        input:
            notebook="notebooks/ablations.ipynb",
            data=lambda job: PLAN.data(job.network),
            teacher=[PLAN.file(name, "folded.npz") for name in sorted(PLAN.study.settings.teachers)],
        output: f"{RESULTS}/ablations/{{network}}.csv"
        params: identity=lambda job: PLAN.ablations(job.network)
        log: notebook=f"{RESULTS}/executed/{{network}}-ablations.ipynb", text=f"{RESULTS}/logs/{{network}}-ablations.log"
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("ablations", GPU)
        shell: step("network={wildcards.network}")

    rule worker:
        input: data=f"{RESULTS}/data/{{dataset}}.npz"
        output: temp(f"{RESULTS}/search/{{dataset}}-{{weights}}.worker-{{worker}}.json")
        log: text=f"{RESULTS}/logs/search-{{dataset}}-{{weights}}-{{worker}}.log"
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("search", GPU)
        shell: logged(f"python -m ultralow.cli worker {quoted('', FILE)} {{wildcards.weights}} {{wildcards.worker}}")

    # What several workers left, or the whole search; then its notebook.
    rule search:
        input:
            notebook="notebooks/search.ipynb",
            data=f"{RESULTS}/data/{{dataset}}.npz",
            workers=[f"{RESULTS}/search/{{dataset}}-{{weights}}.worker-{n}.json" for n in PLAN.workers],
        output: f"{RESULTS}/search/{{dataset}}-{{weights}}.csv"
        params: identity=PLAN.search() if SEARCH else None
        log:
            notebook=f"{RESULTS}/executed/search-{{dataset}}-{{weights}}.ipynb",
            text=f"{RESULTS}/logs/search-{{dataset}}-{{weights}}.log",
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("search", GPU)
        shell: step("weights={wildcards.weights}")


if TAKE:

    # A step that is taken as it is, in its notebook.
    rule page:
        input:
            notebook=lambda job: ancient(f"notebooks/{PLAN.pages[job.page].notebook}.ipynb"),
            files=lambda job: PLAN.pages[job.page].files,
        output: notebook=f"{RESULTS}/executed/{{page}}.ipynb"
        params: what=lambda job: PLAN.pages[job.page].parameter
        log: text=f"{RESULTS}/logs/{{page}}.log"
        threads: cluster.CORES
        resources: **cluster.resources("page")
        shell: step("{params.what}", "{output.notebook}", where="")


if TAKE != reuse.MEASURED:

    rule conversion:
        input:
            notebook="notebooks/3-conversion.ipynb",
            folded=f"{RESULTS}/{{network}}/folded.npz",
            test=lambda job: PLAN.test_part(job.network),
        output: f"{RESULTS}/{{network}}/convert.json"
        params: identity=PLAN.conversion()
        log: notebook=f"{RESULTS}/executed/{{network}}-conversion.ipynb", text=f"{RESULTS}/logs/{{network}}-conversion.log"
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("conversion")
        shell: step("network={wildcards.network}")

    rule synthesis:
        input:
            notebook="notebooks/4-synthesis.ipynb",
            folded=f"{RESULTS}/{{network}}/folded.npz",
            test=lambda job: PLAN.test_part(job.network),
        output: f"{RESULTS}/{{network}}/synthesis.json", directory(f"{RESULTS}/{{network}}/rtl")
        params: identity=lambda job: PLAN.synthesis(job.network)
        log: notebook=f"{RESULTS}/executed/{{network}}-synthesis.ipynb", text=f"{RESULTS}/logs/{{network}}-synthesis.log"
        retries: RETRIES
        # Synthesis takes longest: it starts as soon as it can.
        priority: 10
        threads: cluster.CORES
        resources: **cluster.resources("synthesis")
        shell: step("network={wildcards.network}")

    rule area:
        input:
            notebook=PLAN.taken("notebooks/area.ipynb", ancient),
            folded=[PLAN.taken(PLAN.file(name, "folded.npz"), ancient) for name in PLAN.explored],
            test=sorted({PLAN.test_part(name) for name in PLAN.explored}),
        output: f"{RESULTS}/area.csv"
        params: identity=PLAN.area()
        log: notebook=f"{RESULTS}/executed/area.ipynb", text=f"{RESULTS}/logs/area.log"
        retries: RETRIES
        threads: cluster.CORES
        resources: **cluster.resources("area")
        shell: step()


rule comparison:
    input: notebook="notebooks/5-comparison.ipynb", **PLAN.compared
    output: PLAN.comparison
    params: networks=PLAN.networks
    log: notebook=f"{RESULTS}/executed/comparison.ipynb", text=f"{RESULTS}/logs/comparison.log"
    retries: RETRIES
    threads: cluster.CORES
    resources: **cluster.resources("comparison")
    shell: step()


rule report:
    input:
        f"{RESULTS}/comparison.csv",
        f"{RESULTS}/figures/figures.json",
        # Notebooks become pages.
        [f"{RESULTS}/executed/{page}.ipynb" for page in PLAN.pages] if TAKE else PLAN.experiments,
    output: f"{RESULTS}/report/index.html"
    log: text=f"{RESULTS}/logs/report.log"
    threads: cluster.CORES
    resources: **cluster.resources("page")
    shell: logged(f"python -m ultralow.cli step report {STUDY}")
