"""Every row of rows.toml that the driver runs, at a small fraction of its length: it must know its arguments and print its figures.

Usage: test_workloads.py DIRECTORY (of the driver)
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from benchlib import rows  # noqa: E402
from benchlib.running import parse_lines  # noqa: E402

LENGTHS = re.compile(r"^(ops|rounds|lives|starts|count|live)=(\d+)([kmg]?)$")
TOO_LARGE = {"promise_limit", "promise_realloc", "promise_handover"}  # sized by what they promise
SETTING = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def shorten(argument: str) -> str:
    found = LENGTHS.match(argument)
    if found is None:
        return argument
    return f"{found[1]}={max(int(found[2]) * {'': 1, 'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}[found[3]] // 100, 100)}"


class Workloads(unittest.TestCase):
    binaries = pathlib.Path("build/bench")

    def test_every_row_prints_its_figures(self):
        for row in rows.load("short", None):
            if row.script is not None or row.arguments[0] in TOO_LARGE:
                continue
            with self.subTest(row.name):
                command = [str(self.binaries / "collam-bench"), row.arguments[0], *map(shorten, row.arguments[1:])]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                wanted = [f.key for f in row.figures] or [row.time]
                if row.memory != "peak_rss_kib":
                    wanted.append(row.memory)
                figures = parse_lines(done.stdout)
                self.assertLessEqual(set(wanted), set(figures))
                self.assertTrue(all(figures[key] != "" for key in wanted))

    def test_an_unknown_argument_is_an_error(self):
        done = subprocess.run([str(self.binaries / "collam-bench"), "pairs", "ops=10", "sise=3"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)

    def test_the_launcher_does_not_show_its_parent_s_memory(self):
        ballast = bytearray(64 << 20)
        done = subprocess.run([str(self.binaries / "collam-bench-launch"), "--", str(self.binaries / "collam-bench-noop")],
                              capture_output=True, text=True, check=True)
        figures = parse_lines(done.stderr)
        self.assertEqual(figures["exit"], "0")
        self.assertLess(int(figures["peak_rss_kib"]), 8 << 10)
        self.assertEqual(len(ballast), 64 << 20)

    def launch(self, *options, **environment):
        clean = {k: v for k, v in os.environ.items() if k != "COLLAM_BENCH_THP"}
        done = subprocess.run([str(self.binaries / "collam-bench-launch"), *options], capture_output=True, text=True, check=True,
                              timeout=20, env=clean | environment)
        return done.stdout, parse_lines(done.stderr)

    def test_huge_pages_are_off_for_the_child_alone(self):
        command = ["grep", "THP_enabled", "/proc/self/status"]
        before = SETTING.read_text() if SETTING.exists() else ""
        shown, figures = self.launch("--thp", "never", "--", *command)
        self.assertEqual(figures["exit"], "0")
        if before and "[never]" not in before:
            self.assertEqual(shown.split()[-1], "0")
            self.assertEqual(SETTING.read_text(), before)

    def test_the_machine_s_setting_is_changed_only_where_that_is_allowed(self):
        before = SETTING.read_text() if SETTING.exists() else ""
        other = "madvise" if "[always]" in before else "always"
        shown, figures = self.launch("--thp", other, "--", "cat", str(SETTING))
        self.assertEqual((shown, figures), ("", {"no_thp": "1"}))
        if not os.access(SETTING, os.W_OK) or os.environ.get("COLLAM_TEST_THP") != "1":
            return
        shown, figures = self.launch("--thp", other, "--", "cat", str(SETTING), COLLAM_BENCH_THP="1")
        self.assertIn(f"[{other}]", shown)
        self.assertEqual(SETTING.read_text(), before)

    def test_the_launcher_ends_a_run_that_takes_too_long(self):
        done = subprocess.run([str(self.binaries / "collam-bench-launch"), "--timeout-ms", "100", "--", "sleep", "30"],
                              capture_output=True, text=True, check=True, timeout=20)
        self.assertEqual(parse_lines(done.stderr)["timed_out"], "1")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        Workloads.binaries = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
