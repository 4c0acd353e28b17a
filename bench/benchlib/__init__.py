"""The benchmark's runner: which allocators, which rows, running them in turn, the statistics, and the reports."""
