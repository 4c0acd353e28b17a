"""The statistics on samples whose results can be worked out by hand."""

import math
import pathlib
import sys
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import run  # noqa: E402
from benchlib import figures, plots  # noqa: E402
from benchlib.allocators import Allocator, parse_library  # noqa: E402
from benchlib.rows import Figure, Row  # noqa: E402
from benchlib.running import Runner, Sample, parse_lines  # noqa: E402

QUICK, SMALL, OURS = Allocator("quick", None), Allocator("small", None), Allocator("collam", None, ours=True)
ALL = [QUICK, SMALL, OURS]


def samples(row, allocator, times, memory=1.0, status="ok"):
    return [Sample(row, allocator.name, i, i, status, values={"ns_per_op": t, "peak_rss_kib": memory, "wall_s": t})
            for i, t in enumerate(times)]


class Means(unittest.TestCase):
    def setUp(self):
        self.rows = [Row("a", "loops"), Row("b", "loops"), Row("s", "scaling"), Row("m", "memory"), Row("w", "sweep")]
        self.samples = [
            *samples("a", QUICK, [10, 11, 9, 10, 100], 400), *samples("a", SMALL, [20] * 5, 200), *samples("a", OURS, [5] * 5, 100),
            *samples("b", QUICK, [40] * 5, 100), *samples("b", SMALL, [30] * 5, 50), *samples("b", OURS, [60] * 5, 100),
            *samples("s", OURS, [1000] * 5, 1000), *samples("s", QUICK, [1] * 5, 1),
            *samples("m", OURS, [1000] * 5, 1000), *samples("m", QUICK, [1] * 5, 1),
            *samples("w", OURS, [80] * 5, 100), *samples("w", QUICK, [10] * 5, 100), *samples("w", SMALL, [10] * 5, 100),
        ]
        self.table = figures.Table(self.rows, ALL, self.samples)

    def test_the_median_ignores_an_outlier(self):
        self.assertEqual(self.table.cell(self.rows[0], QUICK).median("ns_per_op"), 10)

    def test_spread_is_interquartile_range_over_median(self):
        self.assertAlmostEqual(self.table.cell(self.rows[0], QUICK).spread("ns_per_op"), (11 - 10) / 10)

    def test_ratios_are_against_the_best_peer_never_against_ourselves(self):
        self.assertEqual(self.table.best_peer(self.rows[0], "ns_per_op"), (QUICK, 10))
        self.assertEqual(self.table.ratio(self.rows[0], OURS, "time"), 0.5)
        self.assertEqual(self.table.ratio(self.rows[1], OURS, "time"), 2.0)

    def test_means_are_geometric_and_leave_scaling_memory_and_the_sweep_out(self):
        mean, count = self.table.mean(OURS, "time")
        self.assertAlmostEqual(mean, 1.0)
        self.assertEqual(count, 2)
        self.assertAlmostEqual(self.table.mean(QUICK, "time")[0], math.sqrt(4 / 3))

    def test_what_a_sweep_showed_counts_beside_the_means(self):
        self.assertAlmostEqual(self.table.mean(OURS, "time", figures.WITH_SWEEP)[0], 2.0)
        swept = figures.verdict(self.table, OURS, figures.WITH_SWEEP)
        self.assertAlmostEqual(swept.time_against_best, 2.0 / (4 / 3) ** (1 / 3))
        self.assertEqual(swept.slower_rows, [("w", 8.0), ("b", 2.0)])

    def test_memory_is_compared_with_the_smallest_of_the_quick(self):
        verdict = figures.verdict(self.table, OURS)
        # quick: sqrt(1 * 4/3) = 1.155; small: sqrt(2 * 1) = 1.414, more than 1.1 times that: too slow to count for memory
        self.assertEqual((verdict.best_time_peer, verdict.best_memory_peer), ("quick", "quick"))
        self.assertAlmostEqual(verdict.time_against_best, 1.0 / math.sqrt(4 / 3))
        self.assertAlmostEqual(verdict.memory_against_best, math.sqrt(0.5 * 2) / math.sqrt(2 * 2))
        self.assertEqual(verdict.slower_rows, [("b", 2.0)])
        self.assertEqual(verdict.larger_rows, [("b", 2.0)])

    def test_one_failure_makes_a_cell_worthless(self):
        broken = figures.Table(self.rows, ALL, self.samples + samples("a", SMALL, [1], status="failed"))
        self.assertIsNone(broken.ratio(self.rows[0], SMALL, "time"))
        self.assertEqual(broken.cell(self.rows[0], SMALL).status, "failed")

    def test_a_run_that_was_ended_still_counts_against_its_allocator(self):
        others = [s for s in self.samples if s.allocator != "small"]
        ended = figures.Table(self.rows, ALL, others + samples("a", SMALL, [80], status="timeout"))
        self.assertEqual(ended.ratio(self.rows[0], SMALL, "time"), 8.0)


class Plots(unittest.TestCase):
    def test_a_series_is_drawn_for_each_allocator_that_has_one(self):
        row, made = Row("m", "memory"), samples("m", QUICK, [1]) + samples("m", OURS, [2])
        self.assertEqual(plots.rss_over_live(figures.Table([row], ALL, made), row), "")
        for s in made:
            s.texts["series.rss_live"] = "0:1.5,10:1.25,20:2"
        drawn = plots.rss_over_live(figures.Table([row], ALL, made), row)
        self.assertIn("RSS / live", drawn)
        self.assertEqual(drawn.count("<path"), 2)


class Rounds(unittest.TestCase):
    def test_a_row_is_run_no_more_often_than_it_says(self):
        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 5)
        runner._sample = lambda row, allocator, number: Sample(row.name, allocator.name, number, len(runner.samples))
        runner.run([Row("m", "memory", rounds=3), Row("a", "loops")], ALL)
        self.assertEqual([sum(s.row == name for s in runner.samples) for name in "ma"], [9, 15])

    def test_what_the_disk_kept_waiting_is_measured_again(self):
        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 1)
        major = {"quick": [50, 0], "small": [3], "collam": [50, 50, 50, 50]}
        runner._sample = lambda row, allocator, number: Sample(
            row.name, allocator.name, number, len(runner.samples), values={"major_faults": major[allocator.name].pop(0)})
        runner.run([Row("a", "programs")], ALL)
        self.assertEqual([s.values["major_faults"] for s in runner.samples], [0, 3, 50])
        self.assertEqual(len(major["collam"]), 1)  # not for ever

    def test_what_the_kernel_did_at_a_limit_stands(self):
        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 1)
        runner._sample = lambda row, allocator, number: Sample(
            row.name, allocator.name, number, len(runner.samples), values={"major_faults": 50, "signal": 9 - 9 * bool(runner.samples)})
        runner.run([Row("a", "promises", memory_limit=1 << 28)], [QUICK])
        self.assertEqual([s.values["signal"] for s in runner.samples], [9])

    def test_a_row_does_not_go_on_for_an_allocator_that_is_not_run_again(self):
        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 3)
        runner.samples = samples("a", QUICK, [1, 1, 1]) + samples("a", SMALL, [1, 2, 3]) + samples("a", OURS, [1, 1, 1])
        row = [Row("a", "loops")]
        self.assertEqual(run.noisy_rows(row, ALL, runner), row)
        runner.settled.add(("a", "small"))
        self.assertEqual(run.noisy_rows(row, ALL, runner), [])

    def test_an_allocator_is_not_run_again_where_it_was_much_slower_twice(self):
        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 5)
        walls = {"quick": [2.0] * 5, "small": [2.0, 11.0, 2.0, 2.0, 2.0], "collam": [2.0, 11.0, 2.0, 11.0]}
        runner._sample = lambda row, allocator, number: Sample(
            row.name, allocator.name, number, len(runner.samples), values={"wall_s": walls[allocator.name].pop(0)})
        runner.run([Row("a", "loops")], ALL)
        self.assertEqual([sum(s.allocator == a.name for s in runner.samples) for a in ALL], [5, 5, 4])

    def test_noisy_rows_go_on_until_the_time_is_up(self):
        clock = [0.0]

        def sample(row, allocator, number):
            clock[0] += 1.0
            noise = 1.0 + (number % 3) * (row.name == "noisy")
            return Sample(row.name, allocator.name, number, len(runner.samples), values={"ns_per_op": noise, "wall_s": noise})

        runner = Runner(pathlib.Path(), pathlib.Path(), "short", 3)
        runner._sample = sample
        wanted = [Row("noisy", "loops"), Row("calm", "loops"), Row("m", "memory")]
        with unittest.mock.patch("benchlib.running.time.monotonic", lambda: clock[0]):
            runner.run(wanted, ALL)
            self.assertEqual(clock[0], 27)
            runner.run_on(lambda: run.noisy_rows(wanted, ALL, runner), ALL, 36.5)
        self.assertEqual([sum(s.row == r.name for s in runner.samples) for r in wanted], [9 + 9, 9, 9])


class Promises(unittest.TestCase):
    def test_limits(self):
        row = Row("p", "promises")
        table = figures.Table([row], ALL, samples("p", QUICK, [5] * 5) + samples("p", SMALL, [7] * 5) + samples("p", OURS, [6] * 5))
        at_most = [figures.promise_kept(table, row, Figure("ns_per_op", "", limit=6), a) for a in ALL]
        self.assertEqual(at_most, [True, False, True])
        best = [figures.promise_kept(table, row, Figure("ns_per_op", "", limit="best"), a) for a in ALL]
        self.assertEqual(best, [True, False, False])
        self.assertIsNone(figures.promise_kept(table, row, Figure("absent", "", limit=6), OURS))


class Parsing(unittest.TestCase):
    def test_settings_of_a_library_may_hold_commas(self):
        found = parse_library(f"x={__file__},COLLAM_OPTIONS=quiet=1,shards=2,OTHER=3", True)
        self.assertEqual(found.environment, (("COLLAM_OPTIONS", "quiet=1,shards=2"), ("OTHER", "3")))

    def test_lines(self):
        self.assertEqual(parse_lines("a=1\nnot a figure=2\nb=x=y\n"), {"a": "1", "b": "x=y"})


if __name__ == "__main__":
    unittest.main()
