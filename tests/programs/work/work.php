<?php
// Work for php: N records through arrays, strings, patterns, serialisation, objects in cycles and sorting. Prints checksums.
$n = (int)$argv[1];
$seed = 12345;
function rnd(int $m): int {
    global $seed;
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    return $seed % $m;
}
class Node { public ?Node $other = null; public array $data = []; }
$records = [];
for ($i = 0; $i < $n; $i++) {
    $name = '';
    for ($k = rnd(20) + 1; $k > 0; $k--) { $name .= chr(97 + rnd(26)); }
    $records[] = ['id' => $i, 'name' => $name, 'list' => range(0, rnd(10))];
}
usort($records, fn($a, $b) => [strlen($a['name']), $a['name'], $a['id']] <=> [strlen($b['name']), $b['name'], $b['id']]);
echo 'sorted ', md5(implode(',', array_column($records, 'name'))), "\n";
$copy = unserialize(serialize($records));
echo 'serialised ', $copy === $records ? 'equal' : 'different', "\n";
$json = json_encode($records);
echo 'json ', strlen($json), ' ', json_decode($json, true) === $records ? 'equal' : 'different', "\n";
$text = implode(' ', array_column($records, 'name'));
echo 'swapped ', md5(preg_replace('/\b(\w)(\w+)\b/', '$2$1', $text)), "\n";
for ($i = 0; $i < $n; $i++) {
    $a = new Node;
    $b = new Node;
    $a->other = $b;
    $b->other = $a;
    $a->data = array_fill(0, rnd(30), $i);
}
echo 'collected ', gc_collect_cycles() >= 0 ? 'yes' : 'no', "\n";
$big = '';
for ($i = 0; $i < $n; $i++) { $big .= hash('crc32b', (string)$i); }
echo 'grown ', strlen($big), ' ', md5($big), "\n";
$groups = [];
foreach ($records as $r) { $groups[$r['name'][0]][] = $r['id']; }
ksort($groups);
foreach (array_slice($groups, 0, 5) as $k => $v) { echo "$k ", count($v), ' ', array_sum($v), "\n"; }
$image = array_map(fn($x) => str_repeat(chr(65 + $x % 26), $x), range(0, 3000));
shuffle($image);
echo 'lengths ', array_sum(array_map('strlen', $image)), "\n";
echo "summary $n records\n";
