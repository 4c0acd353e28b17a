#!/usr/bin/env bash
# sqlite3's shell: tables, indexes, joins, window functions, full-text search, a vacuum, an integrity check and a dump read back.
. "$(dirname "$0")/lib.sh" "$@"
n=$(pick 40000 1000000)
proved sqlite3 -batch work.db <<SQL >out || fail "sqlite3 ended with status $?"
PRAGMA journal_mode = WAL;
CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, value REAL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $n)
    INSERT INTO item SELECT i, i % 97, 'name-' || (i * 7919 % 10007) || '-' || i, i / 3.0 FROM n;
CREATE INDEX by_name ON item (name);
CREATE INDEX by_group ON item (grp, value);
SELECT 'count', count(*), sum(id) FROM item;
SELECT 'join', count(*) FROM item a JOIN item b ON a.id = b.id + 1 AND a.grp > b.grp;
SELECT 'window', sum(r) FROM (SELECT row_number() OVER (PARTITION BY grp ORDER BY name) AS r FROM item);
SELECT 'json', json_array_length(json_group_array(name)) FROM item WHERE id <= 5000;
CREATE VIRTUAL TABLE words USING fts5 (body);
INSERT INTO words SELECT name || ' common ' || grp FROM item WHERE id % 5 = 0;
SELECT 'search', count(*) FROM words WHERE words MATCH 'common';
UPDATE item SET name = name || name WHERE id % 3 = 0;
DELETE FROM item WHERE id % 7 = 0;
SELECT 'left', count(*) FROM item;
VACUUM;
PRAGMA integrity_check;
SQL
expect "rows and their sum" "$(grep '^count' out)" "count|$n|$((n * (n + 1) / 2))"
expect "rows joined" "$(grep '^join' out)" "join|$((n - 1 - (n / 97)))"
expect "array in json" "$(grep '^json' out)" "json|5000"
expect "rows found" "$(grep '^search' out)" "search|$((n / 5))"
expect "rows left" "$(grep '^left' out)" "left|$((n - n / 7))"
expect "integrity check" "$(tail -1 out)" ok
on sqlite3 work.db .dump >dump.sql
sed '/PRAGMA\|fts5\|words_\|sqlite_schema/d;/INSERT INTO words/d' dump.sql | on sqlite3 again.db || fail "the dump was not accepted"
expect "sum after a dump" "$(sqlite3 again.db 'SELECT count(*), sum(length(name)) FROM item')" \
    "$(sqlite3 work.db 'SELECT count(*), sum(length(name)) FROM item')"
say "$n rows, two indexes, full-text search, vacuum, dump"
