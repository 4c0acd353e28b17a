"""The rows of the benchmark: read from rows.toml and from the programs in bench/programs/."""

from __future__ import annotations

import dataclasses
import fnmatch
import pathlib
import re
import tomllib

BENCH = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that a row of the groups promises and memory names, and what collam promises about it."""

    key: str
    label: str
    unit: str = ""
    scale: float = 1.0
    limit: float | str | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    group: str  # loops, programs, promises, memory, sweep, scaling
    arguments: tuple[str, ...] = ()  # of the driver
    script: pathlib.Path | None = None  # of a real program
    time: str = "ns_per_op"
    memory: str = "peak_rss_kib"
    figures: tuple[Figure, ...] = ()
    series: bool = False
    histogram: bool = False
    memory_limit: int = 0
    rounds: int = 0  # at most so many samples; 0: as many as the run has rounds
    thp: str = ""  # the setting of transparent huge pages that the row needs
    family: str = ""  # of a scaling point: which curve, and where on it
    x: float = 0.0
    what: str = ""


def _what_is(workload: str) -> str:
    """The comment at the head of the workload's source: what it stands for in real life."""
    for source in sorted((BENCH / "workloads").glob("*.c")):
        text = source.read_text()
        if f"void workload_{workload}(void)" not in text:
            continue
        comment = [line.removeprefix("//").strip() for line in text.split("\n\n#include")[0].splitlines() if line.startswith("//")]
        paragraphs = re.split(r"\n\n", "\n".join(comment))
        own = [p for p in paragraphs if re.search(rf"\b{workload}\b", p)]
        return " ".join((own or paragraphs)[0].split())
    raise SystemExit(f"rows.toml: no workload {workload}")


def _driver_row(entry: dict, group: str, mode: str) -> Row:
    extra = entry.get(mode, "").split()
    return Row(
        name=entry["name"],
        group=group,
        arguments=(*entry["run"].split(), *extra),
        time=entry.get("time", "ns_per_op"),
        memory=entry.get("memory", "peak_rss_kib"),
        figures=tuple(Figure(**f) for f in entry.get("figures", [])),
        series=entry.get("series", False),
        histogram=entry.get("histogram", False),
        memory_limit=entry.get("memory_limit", 0),
        rounds=entry.get("rounds", 0),
        thp=entry.get("thp", ""),
        what=_what_is(entry["run"].split()[0]),
    )


def _scaling_rows(entry: dict, mode: str) -> list[Row]:
    rows = []
    values = entry.get("short_values", entry["values"]) if mode == "short" else entry["values"]
    for value in values:
        arguments = [*entry["run"].split(), f"{entry['argument']}={value}"]
        if "total_ops" in entry:
            arguments.append(f"{entry['total_ops']}={max(entry[mode + '_total'] // value, 1)}")
        arguments += entry.get(mode, "").split()
        rows.append(Row(name=f"{entry['name']} {value:,}".replace(",", " "), group="scaling", arguments=tuple(arguments),
                        family=entry["name"], x=float(value), what=_what_is(arguments[0])))
    return rows


def _program_rows() -> list[Row]:
    rows = []
    for script in sorted((BENCH / "programs").glob("*.sh")):
        if script.name.startswith("_"):
            continue
        comment = [line.removeprefix("# ") for line in script.read_text().splitlines()[1:] if line.startswith("# ")]
        rows.append(Row(name=script.stem, group="programs", script=script, time="wall_s", what=" ".join(comment)))
    return rows


def load(mode: str, pattern: str | None) -> list[Row]:
    with open(BENCH / "rows.toml", "rb") as file:
        table = tomllib.load(file)
    wanted = [entry for entry in table["row"] if entry.get("only", mode) == mode]
    rows = [_driver_row(entry, "loops", mode) for entry in wanted]
    rows += _program_rows()
    rows += [_driver_row(entry, "promises", mode) for entry in table["promise"]]
    rows += [_driver_row(entry, "memory", mode) for entry in table["memory"]]
    rows += [_driver_row(entry, "sweep", mode) for entry in table["sweep"]]
    for entry in table["scaling"]:
        rows += _scaling_rows(entry, mode)
    if pattern is not None:
        choices = pattern.split(",")
        rows = [r for r in rows if any(fnmatch.fnmatch(r.name, f"*{c}*") or fnmatch.fnmatch(r.group, c) for c in choices)]
        if not rows:
            raise SystemExit(f"--only {pattern}: no row's name or group matches")
    return rows


def to_json(row: Row) -> dict:
    return dataclasses.asdict(row) | {"script": str(row.script) if row.script else None}


def from_json(data: dict) -> Row:
    return Row(**(data | {"arguments": tuple(data["arguments"]), "script": pathlib.Path(data["script"]) if data["script"] else None,
                          "figures": tuple(Figure(**f) for f in data["figures"])}))
