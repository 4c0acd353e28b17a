"""What the figures were measured on: machine, kernel, date, compiler. A figure without them means nothing."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
import subprocess


def _first_line(command: list[str], cwd: pathlib.Path | None = None) -> str:
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return text.splitlines()[0].strip() if text else ""


def _processor() -> str:
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.machine()
    if fields.get("model") and fields.get("cpu family"):
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def _huge_pages() -> str:
    try:
        text = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return "absent"
    return text.split("[")[1].split("]")[0]


def describe(root: pathlib.Path) -> dict[str, str]:
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    changed = _first_line(["git", "status", "--porcelain", "--untracked-files=no"], root)
    commit = _first_line(["git", "rev-parse", "--short=12", "HEAD"], root)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cpus": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory_gib():.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": system,
        "transparent huge pages": _huge_pages(),
        "commit": commit + (" with local changes" if changed else "") if commit else "not a checkout",
    }


def one_line(facts: dict[str, str]) -> str:
    return (f"{facts['processor']}, {facts['cpus']} CPUs, {facts['memory']}, {facts['kernel']}, {facts['system']}; {facts['date'][:10]}")
