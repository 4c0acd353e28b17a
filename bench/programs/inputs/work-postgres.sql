-- Deterministic work for the benchmark beside pgbench's; :rows scales it. First: pgbench moved money, and lost none.
select count(*), (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) from pgbench_history;
truncate pgbench_history;
update pgbench_accounts set abalance = 0 where abalance <> 0;
update pgbench_tellers set tbalance = 0;
update pgbench_branches set bbalance = 0;
vacuum pgbench_accounts, pgbench_tellers, pgbench_branches;
create temporary table words as select 'w' || i * 7919 % 5003 as word, md5(i::text) as text from generate_series(1, :rows) i;
select count(*), count(distinct word), max(text) from words;
select sum(length(t)) from (select string_agg(text, ',' order by text) as t from words group by word) s;
select jsonb_array_length(jsonb_agg(jsonb_build_object('w', word, 't', text))) from words;
select count(*) from words a join words b on a.word = b.word where a.text < b.text and a.text ~ '^[0-4]+a.*b';
