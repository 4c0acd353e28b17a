// A library with nothing in it: preloading it costs what preloading any library costs, so that the start-up rows can tell
// an allocator's own price from the loader's.
extern const int collam_bench_empty;
const int collam_bench_empty = 1;
