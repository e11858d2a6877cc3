"""Command line: what is here, what can be had, and the findings by name."""

from __future__ import annotations

import inspect
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from . import __version__, datasets, experiments
from .errors import BadInput, NeuroconvergeError, UnknownName

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()
Some = Annotated[list[str] | None, typer.Argument(help="experiments; all when none is named")]


@app.command()
def doctor() -> None:
    """Say what is installed, cached and mirrored here, and how much memory and disk there is."""
    table = Table("what", "state")
    table.add_row("neuroconverge", __version__)
    for package in ("torch", "transformers", "rsatoolbox", "nilearn", "mne", "himalaya", "jupyter-book", "dask"):
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, "not installed")
    table.add_row("graphics processor", _accelerator())
    table.add_row("processor cores", str(os.cpu_count()))
    cache = datasets.cache_dir()
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    table.add_row("cache folder", f"{cache} ({shutil.disk_usage(existing).free / 1e9:.1f} GB free)")
    table.add_row("mirror folders", os.environ.get("NEUROCONVERGE_MIRROR", "none (NEUROCONVERGE_MIRROR is not set)"))
    here = [group for group in datasets.groups() if _here(group)]
    table.add_row("data sets on this machine", ", ".join(here) or "none yet: they are fetched when first used")
    console.print(table)


def _accelerator() -> str:
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: the processor is used"


def _here(group: str) -> bool:
    try:
        return datasets.available(group)
    except UnknownName:  # ships with the package: no file to fetch
        return True


@app.command("list")
def list_all() -> None:
    """List data sets and experiments."""
    table = Table("data set", "what it is", "kind", "here")
    for group in datasets.groups().values():
        table.add_row(group.group, group.title, group.kind, "yes" if _here(group.group) else "")
    console.print(table)
    table = Table("experiment", "what it finds", "claims")
    for name, found in experiments.all_experiments().items():
        table.add_row(name, (found.__doc__ or "").splitlines()[0], ", ".join(found.claims))
    console.print(table)


@app.command()
def fetch(group: Annotated[str, typer.Argument(help="data set, or one file as group/file")]) -> None:
    """Fetch a data set, verified, and print where it lies."""
    paths = [datasets.fetch(group)] if "/" in group else datasets.fetch_group(group).values()
    for path in paths:
        typer.echo(path)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, name: Annotated[str, typer.Argument(help="experiment, see 'list'")]) -> None:
    """Compute an experiment and print its table as CSV.

    Options go to the experiment: neuroconverge run ieeg_encoding --subject 08 --archive FOLDER
    """
    found = experiments.get(name)
    typer.echo(found(**_options(found, context.args)).to_csv(index=False))


def _options(found: experiments.Experiment, words: list[str]) -> dict:
    """``--seed 3`` or ``--seed=3`` as arguments of the experiment, in the type of its default; raises BadInput.

    What is true or false by default is switched with ``--name`` and ``--no-name``.
    """
    known = inspect.signature(found.function).parameters
    switches = {name for name, one in known.items() if isinstance(one.default, bool)}
    given, rest = {}, list(words)
    while rest:
        key, equals, value = rest.pop(0).partition("=")
        switch = key.removeprefix("--").removeprefix("no-").replace("-", "_")
        if key.startswith("--") and switch in switches and not equals:
            given[switch] = not key.startswith("--no-")
            continue
        option = key.removeprefix("--").replace("-", "_")
        if option in switches:
            raise BadInput(f"{key}: takes no value; wanted {key} or --no-{key.removeprefix('--')}")
        if not key.startswith("--") or option not in known:
            listed = ", ".join(f"--{one.replace('_', '-')}" for one in known) or "none"
            raise BadInput(f"{key}: not an option of {found.name}; its options: {listed}")
        if not equals and not rest:
            raise BadInput(f"{key}: wanted a value after it")
        value, default = value if equals else rest.pop(0), known[option].default
        try:
            given[option] = type(default)(value) if isinstance(default, (int, float)) else value
        except ValueError:
            raise BadInput(f"{key}: got {value!r}; wanted {type(default).__name__}") from None
    return given


@app.command()
def record(names: Some = None) -> None:
    """Recompute experiments and keep their tables as the recorded results."""
    for name in names or experiments.recorded_names():
        with console.status(name):
            table = experiments.record(name)
        console.print(f"{name}: {len(table)} rows recorded")


@app.command()
def verify(names: Some = None) -> None:
    """Recompute experiments and compare them with the record; fails when they differ."""
    failed = False
    for name in names or experiments.recorded_names():
        problems = experiments.mismatch(name)
        failed |= bool(problems)
        console.print(f"{name}: " + ("; ".join(problems) if problems else "equals the record"))
    raise typer.Exit(int(failed))


def main() -> None:
    """Entry point: errors of the package's own kind are one plain message, not a traceback."""
    try:
        app()
    except NeuroconvergeError as error:
        Console(stderr=True).print(f"[bold red]{type(error).__name__}[/]: {error}", soft_wrap=True, highlight=False)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
