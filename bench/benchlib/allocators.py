"""Which allocators are compared, where their libraries are, and what the environment must say."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Allocator:
    name: str
    library: str | None  # what is preloaded; None for the system's own malloc
    environment: tuple[tuple[str, str], ...] = ()
    ours: bool = False  # collam and its variants are compared with the peers, and are none
    version: str = ""


# name, soname as the loader's cache knows it, Debian package, extra environment
PACKAGED = [
    ("jemalloc", "libjemalloc.so.2", "libjemalloc2", ()),
    ("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", ()),
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0", ()),
    # the option lost its "allow" and got it back between versions: both spellings are set
    ("mimalloc-huge", "libmimalloc.so.2", "libmimalloc2.0",
     (("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"), ("MIMALLOC_LARGE_OS_PAGES", "1"))),
    ("tbbmalloc", "libtbbmalloc_proxy.so.2", "libtbbmalloc2", ()),
]

# our own variants, by the build that makes them
OURS = [
    ("collam", ["build/release/libcollam.so"]),
    ("collam-hardened", ["build/release/libcollam-hardened.so", "build/hardened/libcollam.so"]),
]


def _loader_cache() -> dict[str, str]:
    """Soname -> path of the native libraries in the loader's cache."""
    ldconfig = next((p for p in ("/usr/sbin/ldconfig", "/sbin/ldconfig") if os.path.exists(p)), "ldconfig")
    text = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for line in text.splitlines():
        if " => " in line:
            soname, path = line.split(" => ")
            found.setdefault(soname.split()[0], path.strip())
    return found


def _package_version(package: str) -> str:
    answer = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _library_c() -> str:
    return os.confstr("CS_GNU_LIBC_VERSION") or "libc"


def parse_library(text: str, ours: bool) -> Allocator:
    """NAME=PATH[,VARIABLE=VALUE]... of --peer and --ours; a value may hold commas and equal signs, as COLLAM_OPTIONS does."""
    first, *settings = re.split(r",(?=[A-Z][A-Z0-9_]*=)", text)
    name, separator, path = first.partition("=")
    if not separator or not name or not os.path.isfile(path):
        raise SystemExit(f"{text}: expected NAME=PATH of a library that exists")
    pairs = [tuple(setting.split("=", 1)) for setting in settings]
    return Allocator(name, os.path.abspath(path), tuple(pairs), ours, version=" ".join([path, *settings]))


def discover(peers: list[str], ours: list[str], only: str | None) -> tuple[list[Allocator], list[str]]:
    """All allocators that can be measured here, in the order of the reports, and notes about those that cannot."""
    cache = _loader_cache()
    notes: list[str] = []
    found = [Allocator("system", None, version=_library_c())]
    for name, places in OURS:
        path = next((ROOT / p for p in places if (ROOT / p).is_file()), None)
        if path is not None:
            found.append(Allocator(name, str(path), ours=True, version=str(path.relative_to(ROOT))))
        else:
            notes.append(f"{name} is not built ({places[0]} does not exist), so it was not measured.")
    for name, soname, package, environment in PACKAGED:
        if soname in cache:
            found.append(Allocator(name, cache[soname], environment, version=_package_version(package)))
        else:
            notes.append(f"{name} is not installed (package {package}; scripts/install-peers.sh), so it was not measured.")
    found += [parse_library(o, True) for o in ours] + [parse_library(p, False) for p in peers]
    names = [a.name for a in found]
    if len(set(names)) != len(names):
        raise SystemExit(f"two allocators have the same name: {', '.join(names)}")
    if only is not None:
        wanted = only.split(",")
        unknown = [w for w in wanted if w not in names]
        if unknown:
            raise SystemExit(f"--allocators: {', '.join(unknown)} not found; there are {', '.join(names)}")
        found = [a for a in found if a.name in wanted]
    return found, notes
