#!/usr/bin/env bash
# python3: parts of its own test suite, every object from malloc (PYTHONMALLOC=malloc). The system's python, not another in PATH.
. "$(dirname "$0")/lib.sh" "$@"
python=/usr/bin/python3
short="test_dict test_list test_set test_bytes test_json test_re test_zlib test_array test_deque test_threading test_weakref"
short="$short test_fork1 test_struct test_memoryview test_exceptions test_generators"
long="$short test_argparse test_ast test_asyncio test_bufio test_builtin test_bz2 test_capi test_codecs test_collections test_compile
    test_concurrent_futures test_contextlib test_copy test_csv test_ctypes test_dataclasses test_datetime test_decimal test_descr
    test_difflib test_email test_enum test_fileio test_float test_format test_fractions test_functools test_gc test_getargs2
    test_gzip test_hashlib test_heapq test_htmlparser test_importlib test_inspect test_io test_iter test_itertools test_logging
    test_long test_lzma test_mailbox test_marshal test_math test_memoryio test_mmap test_multiprocessing_fork test_opcache
    test_ordered_dict test_os test_pathlib test_pickle test_posix test_queue test_random test_sax test_selectors test_set
    test_shelve test_socketserver test_sort test_sqlite3 test_statistics test_str test_subprocess test_super test_syntax test_sys
    test_tarfile test_tempfile test_thread test_threadsignals test_time test_tokenize test_traceback test_tuple test_typing
    test_unicode test_unittest test_userdict test_uuid test_weakset test_xml_etree test_xml_etree_c test_zipfile"
export PYTHONMALLOC=malloc
# The proof, and that python's own pool allocator is out of the way.
proved $python -c 'import sys, _testcapi; assert _testcapi.WITH_PYMALLOC in (0, 1, True, False)
l = [str(i) * (i % 50) for i in range(200000)]; d = {s: i for i, s in enumerate(l)}; del l; assert len(d) > 100000' ||
    fail "python ended with status $?"
wanted=()
for test in $(pick "$short" "$long"); do
    [ ! -e "/usr/lib/python3.11/test/$test.py" ] && [ ! -d "/usr/lib/python3.11/test/$test" ] || wanted+=("$test")
done
status=0
on $python -m test -j2 --timeout 600 "${wanted[@]}" >result 2>&1 || status=$?
cat result
grep -q '^Tests result: SUCCESS$' result || fail "status $status; $(grep -A2 'tests\? failed' result | tr '\n' ' ')"
run=$(sed -n 's/^\([0-9]*\) tests\? OK\.$/\1/p;s/^All \([0-9]*\) tests OK\.$/\1/p' result)
[ "${run:-0}" -ge $((${#wanted[@]} * 9 / 10)) ] || fail "only $run of ${#wanted[@]} test files ran"
say "$run test files of its own suite"
