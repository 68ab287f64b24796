"""Which of Nernst, GHK, Mullins-Noda, chord and pump-leak survive three sets of published readings?

    uv run python experiments/model_comparison/run.py                # crayfish, purkinje and ehrlich
    uv run python experiments/model_comparison/run.py crayfish --pump-leak    # with the whole cell; slower

Each folder holds the rivals of one of the shipped configs. Studies go to results/model_comparison/, the figures
also here.
"""

import argparse
import shutil
import time
from pathlib import Path

from pumpleak import compare, load_problem

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = Path("results") / HERE.name
SHIPPED = {"crayfish": "crayfish_muscle", "purkinje": "purkinje_fibre", "ehrlich": "ehrlich_ascites"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("datasets", nargs="*", default=list(SHIPPED))
    parser.add_argument("--pump-leak", action="store_true", help="crayfish: the whole cell too")
    options = parser.parse_args()
    for name in options.datasets:
        files = {"ghk": ROOT / f"configs/{SHIPPED[name]}.yaml"}
        files |= {f.stem: f for f in sorted((HERE / name).glob("*.yaml"))}
        if options.pump_leak and name == "crayfish":
            files["pump_leak"] = ROOT / "configs/pump_leak_crayfish.yaml"
        began = time.process_time()
        study = compare({k: load_problem(f) for k, f in files.items()})
        out = study.save(OUT / name, force=True)
        print(f"\n{study.title} ({time.process_time() - began:.0f} s of CPU)", *study.words(), sep="\n  ")
        for table in study.tables:
            print(table.title, table.frame().round(3).to_string(index=False), sep="\n")
        for picture in study.pictures:
            shutil.copy(out / f"{picture.name}.png", HERE / f"{name}_{picture.name}.png")


if __name__ == "__main__":
    main()
