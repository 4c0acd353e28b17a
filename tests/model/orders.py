#!/usr/bin/env python3
"""The C11 memory orders of src/: every execution the language allows of small programs, one per pair of atomic operations.

Each test states a piece of collam as two or three short threads. All candidate executions are built (which write each read sees, in
which order the writes to one object take effect) and those that the repaired C11 model allows are kept (RC11: Lahav, Vafeiadis, Kang,
Hur, Dreyer, "Repairing Sequential Consistency in C/C++11", 2017, without fences and seq_cst, which collam does not use):
  coherence      happens-before followed by (reads-from, modification order, from-read)* is irreflexive
  atomicity      nothing comes between the write a read-modify-write reads and its own
  no thin air    sequenced-before and reads-from together have no cycle
The right orders must allow neither a data race on plain memory nor the forbidden result; each weakened variant must allow one.
docs/CONCURRENCY.md names the functions behind each test. The table there, the source and the tests below are held together: every operation
of the source that acquires or releases has a row, every such row and pair is found in its function with the order it states, every such row
names a test, every test has a row, and the macros of atomic.h have the orders of their names. So an order that is weakened in the source
fails here.
"""
import itertools
import pathlib
import re
import sys

RELEASES = {"rel", "acq_rel"}
ACQUIRES = {"acq", "acq_rel"}


class Event:
    def __init__(self, thread, kind, place, order, register=None, value=None, wants=None):
        self.thread, self.kind, self.place, self.order = thread, kind, place, order
        self.register, self.value, self.wants = register, value, wants
        self.reads = kind in ("R", "U")
        self.writes = kind in ("W", "U", "I")


def load(place, order, register, wants=None):
    """wants: only executions in which it reads this value are looked at (the program takes that branch)."""
    return [("R", place, order, register, None, wants)]


def store(place, order, value):
    return [("W", place, order, None, value, None)]


def exchange(place, order, value, register=None, wants=None):
    return [("U", place, order, register, value, wants)]


def cas(place, order, expected, value, register):
    """One that succeeds, or a relaxed load of something else."""
    return [("C", place, order, register, value, expected)]


def closure(relation, n):
    reach = [set(relation[i]) for i in range(n)]
    for k in range(n):
        for i in range(n):
            if k in reach[i]:
                reach[i] |= reach[k]
    return reach


def unfold(threads):
    """Each compare-and-swap succeeds or fails: one list of threads per combination."""
    choices = [(t, i) for t, ops in enumerate(threads) for i, op in enumerate(ops) if op[0] == "C"]
    for outcome in itertools.product((True, False), repeat=len(choices)):
        variant = [list(ops) for ops in threads]
        for (t, i), success in zip(choices, outcome):
            _, place, order, register, value, expected = variant[t][i]
            failed = ("R", place, "rlx", register, None, ("not", expected))
            variant[t][i] = ("U", place, order, register, value, expected) if success else failed
        yield variant


def accepts(wants, value):
    return wants is None or (value != wants[1] if isinstance(wants, tuple) else value == wants)


def synchronizes(events, source):
    """Release-acquire pairs, through chains of read-modify-writes (release sequences)."""
    for r, event in enumerate(events):
        if not event.reads or event.order not in ACQUIRES:
            continue
        w = source[r]
        while True:
            if events[w].order in RELEASES:
                yield w, r
            if not (events[w].writes and events[w].reads):
                break
            w = source[w]


def executions(threads, initial):
    """(registers, race) of every execution that is allowed."""
    for variant in unfold(threads):
        events = [Event(-1, "I", place, "init", value=value) for place, value in initial.items()]
        first = len(events)
        sb = [set() for _ in events]
        for t, ops in enumerate(variant):
            before = list(range(first))
            for kind, place, order, register, value, wants in ops:
                events.append(Event(t, kind, place, order, register, value, wants))
                sb.append(set())
                for b in before:
                    sb[b].add(len(events) - 1)
                before.append(len(events) - 1)
        n = len(events)
        reads = [i for i in range(n) if events[i].reads]
        writes = {place: [i for i in range(n) if events[i].writes and events[i].place == place] for place in initial}
        options = [[w for w in writes[events[r].place] if w != r and accepts(events[r].wants, events[w].value)] for r in reads]
        orders = [[(ws[0], *rest) for rest in itertools.permutations(ws[1:])] for ws in writes.values()]
        for chosen in itertools.product(*options):
            source = dict(zip(reads, chosen))
            for mo in itertools.product(*orders):
                result = judge(events, sb, source, mo, n)
                if result is not None:
                    yield result


def judge(events, sb, source, mo, n):
    position = {w: i for order in mo for i, w in enumerate(order)}
    for r, w in source.items():
        if events[r].writes and position[r] != position[w] + 1:
            return None
    thin = [set(s) for s in sb]
    hb = [set(s) for s in sb]
    eco = [set() for _ in range(n)]
    for r, w in source.items():
        thin[w].add(r)
        eco[w].add(r)
    if any(i in reach for i, reach in enumerate(closure(thin, n))):
        return None
    for w, r in synchronizes(events, source):
        hb[w].add(r)
    hb = closure(hb, n)
    for order in mo:
        for i, w in enumerate(order):
            eco[w].update(order[i + 1:])
            for r, seen in source.items():
                if seen == w:
                    eco[r].update(x for x in order[i + 1:] if x != r)
    eco = closure(eco, n)
    for a in range(n):
        if a in hb[a] or any(a in eco[b] for b in hb[a]):
            return None
    registers = {events[r].register: events[w].value for r, w in source.items() if events[r].register}
    race = any(x.place == y.place and x.thread != y.thread and x.thread >= 0 and y.thread >= 0 and (x.writes or y.writes)
               and "na" in (x.order, y.order) and b not in hb[a] and a not in hb[b]
               for a, x in enumerate(events) for b, y in enumerate(events) if a < b)
    return registers, race


FREE, HELD, WAITED = 0, 1, 2


def lock_handover(give="rel", take="acq"):
    return ({"word": HELD, "data": 0},
            [store("data", "na", 1) + exchange("word", give, FREE),
             cas("word", take, FREE, HELD, "got") + load("data", "na", "seen")],
            lambda r: r["got"] == FREE and r["seen"] == 0, lambda r: r["got"] == FREE)


def lock_waited(give="rel", take="acq"):
    return ({"word": HELD, "data": 0},
            [store("data", "na", 1) + exchange("word", give, FREE),
             exchange("word", take, WAITED, None, HELD) + exchange("word", take, WAITED, None, FREE) + load("data", "na", "seen")],
            lambda r: r["seen"] == 0, lambda r: True)


def lock_single(create="rel"):
    """Plain stores while there is one thread; creating the second one orders them."""
    return ({"word": FREE, "data": 0, "created": 0},
            [store("word", "rlx", HELD) + store("data", "na", 1) + store("word", "rlx", FREE) + store("created", create, 1),
             load("created", "acq", "c", 1) + cas("word", "acq", FREE, HELD, "got") + load("data", "na", "seen")],
            lambda r: r["got"] != FREE or r["seen"] == 0, lambda r: True)


def chunk_published(publish="rel", find="acq"):
    return ({"chunk": 0, "descriptor": 0},
            [store("descriptor", "na", 1) + store("chunk", publish, 1), load("chunk", find, "c", 1) + load("descriptor", "na", "seen")],
            lambda r: r["seen"] == 0, lambda r: True)


def region_published(publish="rel", find="acq"):
    return ({"root": 0, "region": 0, "chunk": 0, "descriptor": 0},
            [store("region", "na", 1) + store("root", publish, 1) + store("descriptor", "na", 1) + store("chunk", "rel", 1),
             load("root", find, "r", 1) + load("region", "na", "seen") + load("chunk", "acq", "c")],
            lambda r: r["seen"] == 0, lambda r: True)


def owner_confirmed(give="rel"):
    """slab_destroy under the bin's lock, then bin_put under the same lock: it may not see the old owner."""
    return ({"lock": HELD, "owner": 1},
            [store("owner", "rlx", 0) + exchange("lock", give, FREE),
             cas("lock", "acq", FREE, HELD, "got") + load("owner", "rlx", "owner")],
            lambda r: r["got"] == FREE and r["owner"] == 1, lambda r: r["got"] == FREE)


def free_of_own_block(handed="rel"):
    """The claimer sets the block's bit in `out` and the program hands the block over; the look of free at root, class and bit, all of it
    relaxed and without a lock, may not see them as they were before."""
    return ({"root": 0, "class": 0, "out": 0, "pointer": 0},
            [store("root", "rel", 1) + store("class", "rlx", 5) + store("out", "rlx", 1) + store("pointer", handed, 1),
             load("pointer", "acq", "p", 1) + load("root", "rlx", "root") + load("class", "rlx", "class") + load("out", "rlx", "out")],
            lambda r: r["root"] == 0 or r["class"] == 0 or r["out"] == 0, lambda r: True)


def slots_agreed(compare=True):
    """shard_count: two first callers agree, though all is relaxed."""
    def caller(value, register):
        return cas("shards", "rlx", 0, value, register) if compare else load("shards", "rlx", register) + store("shards", "rlx", value)
    return ({"shards": 0}, [caller(2, "a"), caller(3, "b")], lambda r: r["a"] == 0 and r["b"] == 0, lambda r: True)


def callback_published(publish="rel", find="acq"):
    return ({"registered": 0, "entry": 0},
            [store("entry", "na", 1) + store("registered", publish, 1), load("registered", find, "r", 1) + load("entry", "na", "seen")],
            lambda r: r["seen"] == 0, lambda r: True)


def mount_published(publish="rel", find="acq"):
    """find_group_again: who wins the compare-and-swap writes the mount and publishes its version; others use it if they see that."""
    unknown, being_written, version = 0, 1, 2
    return ({"known": unknown, "mount": 0},
            [cas("known", "rlx", unknown, being_written, "won") + store("mount", "na", 1) + store("known", publish, version),
             load("known", find, "v", version) + load("mount", "na", "seen")],
            lambda r: r["won"] == unknown and r["seen"] == 0, lambda r: r["won"] == unknown)


def mount_written_once(compare=True):
    """Of two that find it unknown one writes."""
    def finder(register):
        return cas("known", "rlx", 0, 1, register) if compare else load("known", "rlx", register) + store("known", "rlx", 1)
    return ({"known": 0}, [finder("a"), finder("b")], lambda r: r["a"] == 0 and r["b"] == 0, lambda r: True)


def marked_again(handed="rel"):
    """region_mark, a hand-over, fast_free by the other thread and a hand-over back: the bit is then seen clear, for good."""
    return ({"word": 0, "there": 0, "back": 0},
            [store("word", "rlx", 1) + store("there", "rel", 1) + load("back", "acq", "b", 1) + load("word", "rlx", "seen"),
             load("there", "acq", "t", 1) + load("word", "rlx", "got") + store("word", "rlx", 0) + store("back", handed, 1)],
            lambda r: r["got"] != 1 or r["seen"] != 0, lambda r: True)


def block_cleared(publish="rel", find="acq"):
    """hardened_retire: the canary goes from live (1) to gone (2) by compare-and-swap, the block is cleared, the canary becomes 0."""
    return ({"canary": 1, "contents": 1},
            [cas("canary", "rlx", 1, 2, "won") + store("contents", "na", 0) + store("canary", publish, 0),
             load("canary", find, "c", 0) + load("contents", "na", "seen")],
            lambda r: r["won"] == 1 and r["seen"] != 0, lambda r: r["won"] == 1)


def delay_published(publish="rel", find="acq"):
    return ({"delay": 0, "ring": 0},
            [store("ring", "na", 1) + store("delay", publish, 1), load("delay", find, "d", 1) + load("ring", "na", "seen")],
            lambda r: r["seen"] == 0, lambda r: True)


TESTS = [
    (lock_handover, [{"give": "rlx"}, {"take": "rlx"}]),
    (lock_waited, [{"give": "rlx"}, {"take": "rlx"}]),
    (lock_single, [{"create": "rlx"}]),
    (chunk_published, [{"publish": "rlx"}, {"find": "rlx"}]),
    (region_published, [{"publish": "rlx"}, {"find": "rlx"}]),
    (owner_confirmed, [{"give": "rlx"}]),
    (free_of_own_block, [{"handed": "rlx"}]),
    (slots_agreed, [{"compare": False}]),
    (callback_published, [{"publish": "rlx"}, {"find": "rlx"}]),
    (mount_published, [{"publish": "rlx"}, {"find": "rlx"}]),
    (mount_written_once, [{"compare": False}]),
    (marked_again, [{"handed": "rlx"}]),
    (block_cleared, [{"publish": "rlx"}, {"find": "rlx"}]),
    (delay_published, [{"publish": "rlx"}, {"find": "rlx"}]),
]

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDERED = re.compile(r"\b(load|store|exchange|cas)_(acquire|release)\(")
FUNCTION = re.compile(r"^[A-Za-z_][^;=]*?\b(\w+)\([^;]*\{$")
MACRO = re.compile(r"^#define \w+?_(relaxed|acquire|release)\((?:[^\n]*\\\n)*[^\n]*", re.M)
WORDS = {"load": "load", "store": "store", "exchange": "exchange", "compare-and-swap": "cas"}


def ordered_operations():
    """(function, operation, order) of all in the source that acquires or releases."""
    found = set()
    for path in sorted([*ROOT.glob("src/**/*.[ch]")]):
        function = None
        if path.name == "atomic.h" or path.parent.name == "fake":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            head = FUNCTION.match(line)
            function = head[1] if head else function
            found |= {(function, *operation) for operation in ORDERED.findall(line)}
    return found


def stated_operations(rows):
    """The same as the table states them: `function`: operation | order ... | `function`: operation order."""
    for row in rows:
        order = re.match(r"acquire|release", row[1])
        names, _, what = row[0].partition(":")
        if order:
            word = re.match(r"\s*([\w-]+)", what)[1]
            yield from ((name, WORDS[word], order[0]) for name in re.findall(r"`(\w+)`", names))
        for names, word, pair in re.findall(r"((?:`\w+`(?:, )?)+): (load|store|exchange) (acquire|release)", row[2]):
            yield from ((name, word, pair) for name in re.findall(r"`(\w+)`", names))


def wrong_macros():
    text = (ROOT / "src/base/atomic.h").read_text(encoding="utf-8")
    for macro in MACRO.finditer(text):
        orders = re.findall(r"memory_order_(\w+)", macro[0])
        if orders[:1] != [macro[1]] or orders[1:] not in ([], ["relaxed"]):
            yield f"atomic.h: {macro[0].split('(')[0]} has the orders {', '.join(orders)}"


def compare_with_the_document():
    """What the table of atomic operations and the source lack, as sentences."""
    text = (ROOT / "docs/CONCURRENCY.md").read_text(encoding="utf-8")
    table = re.search(r"^\| operation \| order.*?\n\n", text, re.M | re.S)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:] if line.startswith("|")]
    names = {test.__name__ for test, _ in TESTS}
    checked = {name for row in rows for name in re.findall(r"`(\w+)`", row[3])} if rows else set()
    for row in rows:
        if row[1].startswith(("acquire", "release")) and not (re.search(r"`\w+`", row[3]) or row[3].startswith("the same")):
            yield f"no test is named for: {row[0]}"
    for name in sorted(checked - names):
        yield f"no such test: {name}"
    for name in sorted(names - checked):
        yield f"no operation is listed for the test {name}"
    made, stated = ordered_operations(), set(stated_operations(rows))
    for function, operation, order in sorted(made - stated):
        yield f"{function} has a {operation} that is {order} and is not listed"
    for function, operation, order in sorted(stated - made):
        yield f"{function} should have a {operation} that is {order}, and has none"
    yield from wrong_macros()


def examine(test, weakened):
    """(executions, of which interesting, bad ones): bad means a race on the way looked at, or the forbidden result."""
    initial, threads, forbidden, interesting = test(**weakened)
    count = good = bad = 0
    for registers, race in executions(threads, initial):
        count += 1
        if interesting(registers):
            good += 1
            bad += race or forbidden(registers)
    return count, good, bad


def main():
    failures = 0
    for test, variants in TESTS:
        for weakened in [{}, *variants]:
            count, good, bad = examine(test, weakened)
            ok = good > 0 and (bad > 0) == bool(weakened)
            failures += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {test.__name__:20} {str(weakened or 'as in src/'):24} {count} executions, {bad} bad")
    for sentence in compare_with_the_document():
        failures += 1
        print(f"FAIL docs/CONCURRENCY.md and src/: {sentence}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
