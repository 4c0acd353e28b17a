# Work for perl: N words through hashes, sorting, patterns, closures and threads. Prints checksums.
use strict;
use warnings;
use Config;
use Digest::MD5 qw(md5_hex);
use List::Util qw(sum0 shuffle);

my $n = shift;
my $seed = 12345;
sub rnd { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed % $_[0] }

my %count;
my @words;
for my $i (1 .. $n) {
    my $word = join '', map { chr(97 + rnd(26)) } 1 .. 1 + rnd(12);
    push @words, $word;
    $count{$word}++;
    push @{ $count{"list-" . substr($word, 0, 1)} }, $i if !ref $count{"list-" . substr($word, 0, 1)} || 1;
}
print "words ", scalar(@words), " distinct ", scalar(keys %count), "\n";
print "sorted ", md5_hex(join ',', sort @words), "\n";
print "by length ", md5_hex(join ',', sort { length $a <=> length $b || $a cmp $b } @words), "\n";
my $text = join ' ', @words;
my $swapped = $text =~ s/\b(\w)(\w+)\b/$2$1/gr;
print "swapped ", md5_hex($swapped), " vowels ", scalar(() = $text =~ /[aeiou]/g), "\n";
my @closures = map { my $k = $_; sub { $k += $_[0]; $k } } 1 .. 5000;
print "closures ", sum0(map { $_->(2) } @closures), "\n";
for (1 .. $n / 20) { my $a = {}; my $b = { other => $a, data => 'x' x rnd(200) }; $a->{other} = $b; delete $a->{other}; }
delete @count{ grep { rnd(2) } sort keys %count };
print "kept ", scalar(keys %count), "\n";
my $grown = '';
$grown .= sprintf('%08x', $_ * 2654435761 % 4294967296) for 1 .. $n;
print "grown ", length $grown, ' ', md5_hex($grown), "\n";
my $threads = 0;
if ($Config{useithreads}) {
    require threads;
    my @t = map {
        my $id = $_;
        threads->create(sub { my %h; $h{ ($_ * $id) % 1013 } .= 'y' x ($_ % 30) for 1 .. $n / 8; sum0(map { length } values %h) })
    } 1 .. 4;
    $threads = @t;
    print "threads ", join(' ', map { $_->join } @t), "\n";
}
print "summary $n words, $threads threads\n";
