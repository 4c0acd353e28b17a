-- Deterministic work for the benchmark; @ROWS@ scales it.
create table item(id integer primary key, key text, price integer, note text);
insert into item
with recursive n(i) as (select 1 union all select i + 1 from n where i < @ROWS@)
select i, 'key' || (i * 7919 % 10007), i * 31 % 1000, substr('the quick brown fox jumps over the lazy dog', 1 + i % 30, i % 17) from n;
create index item_key on item(key, price);
select count(*), count(distinct key), sum(price) from item;
create table summary as select key, count(*) as n, group_concat(note, '|') as notes, avg(price) as mean from item group by key;
select count(*), sum(length(notes)), round(avg(mean), 3) from summary;
update item set note = upper(note) || key where price % 3 = 0;
delete from item where price % 5 = 1;
select a.price, count(*) from item a join summary b on a.key = b.key where b.n > 3 group by a.price order by 2 desc, 1 limit 5;
select sum(length(note)), json_array_length(json_group_array(note)) from item where id % 3 = 0;
