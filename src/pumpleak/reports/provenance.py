"""Where a result is from: data, seed, versions and config, so that it can be had again."""

import datetime
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from .document import Block, Code, Facts, Lines, Section

if TYPE_CHECKING:
    from ..batch.results import Batch
    from ..inference.result import Result
    from ..problem.problem import Problem

_VERSIONS = ("jax", "numpyro", "numpy")


def origin(problem: "Problem", seed: int | None = None, title: str = "") -> dict[str, Any]:
    """Where a study of a problem is from, as plain data: for `Study.origins`.

    Args:
        problem: what was studied.
        seed: of the study; the problem's by default.
        title: which of several problems it is.
    """
    m, reference = problem.measurements, problem.model.setting.reference or "K"
    names = [n for p in problem.parameters for n in (p.name, *p.element_names)]
    return {
        "title": title,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data_file": Path(m.file).name,
        "data_sha256": m.sha256,
        "seed": problem.seed if seed is None else seed,
        "pumpleak_version": __version__,
        "versions": {"python": platform.python_version()} | {p: metadata.version(p) for p in _VERSIONS},
        "config": problem.config,
        "names": list(dict.fromkeys(["V_m", *names])),
        "reference": reference,
    }


def origin_of_result(result: "Result") -> dict[str, Any]:
    """`origin`, of a study of a result: the result's own."""
    attrs = result.attrs
    config = json.loads(str(attrs.get("config", "{}")))
    table = [str(n) for n in result.tree["table"]["parameter"].values]
    return {k: attrs.get(k) for k in ("created", "data_file", "data_sha256", "seed", "pumpleak_version")} | {
        "title": "",
        "versions": json.loads(str(attrs.get("versions", "{}"))),
        "config": config,
        "names": list(dict.fromkeys(["V_m", *(n.partition("[")[0] for n in table), *table])),
        "reference": reference_of(config),
    }


def origin_of_batch(batch: "Batch") -> dict[str, Any]:
    """`origin`, of a study of a batch: the run's own."""
    m = batch.manifest
    own = {
        k: m.get(k) for k in ("created", "data_file", "data_sha256", "seed", "device", "dtype", "versions")
    }
    names = ["V_m", *batch.parameters]
    return own | {"title": "", "config": m["config"], "names": names, "reference": reference_of(m["config"])}


def reference_of(config: dict[str, Any]) -> str:
    """The ion whose permeability is 1."""
    ions = config.get("ions")
    return str(config.get("reference") or (ions[0] if isinstance(ions, list) and ions else "K"))


def origin_section(origins: Sequence[dict[str, Any]]) -> Section:
    """The last section of a study's page."""
    blocks: list[Block] = []
    for o in origins:
        blocks += [Lines(o["title"], ())] if o["title"] else []
        blocks += [facts_of(o), *config_blocks(o["config"])]
    return Section("provenance", "Provenance", tuple(blocks), detail=True)


def facts_of(about: dict[str, Any], *more: tuple[str, Any]) -> Facts:
    """When a result was made and of what; `more` follows the seed."""
    versions = about.get("versions") or {}
    return Facts.of(
        ("Created", about.get("created")),
        ("Folder", about.get("folder")),
        ("Data", about.get("data_file")),
        ("SHA-256 of the data", about.get("data_sha256")),
        ("Seed", about.get("seed")),
        *more,
        ("Device", about.get("device")),
        ("Precision", about.get("dtype")),
        ("pumpleak", about.get("pumpleak_version")),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
    )


def config_blocks(config: dict[str, Any], csv: str = "") -> tuple[Block, ...]:
    """The config, and the measured table where it was kept."""
    if not config:
        return ("No config was kept: the problem was made in Python.",)
    kept = (Code(csv.rstrip(), "The measured table (CSV)"),) if csv else ()
    return ("The config, with every default filled in:", Code(as_yaml(config)), *kept)


def as_yaml(tree: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).rstrip() if tree else ""
