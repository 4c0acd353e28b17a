# Deterministic work for the benchmark: an index of words, records, substitutions. The argument scales it.
use strict;
use warnings;

my $seed = 7;
sub random { $seed = ($seed * 1103515245 + 12345) % 2147483648; return int($seed / 65536) % $_[0]; }

for my $turn (1 .. $ARGV[0]) {
    my (%index, @lines);
    for my $i (1 .. 15000) {
        my $line = join ' ', map { 'w' . random(3000) . 'x' x random(10) } 1 .. 4;
        push @lines, $line;
        push @{ $index{$_} }, $i for split / /, $line;
    }
    my $longest = 0;
    for my $word (sort keys %index) {
        $longest = @{ $index{$word} } if @{ $index{$word} } > $longest;
    }
    my $changed = 0;
    for my $line (@lines) { $changed += ($line =~ s/w(\d+)/<$1>/g); }
    my @sorted = sort { length $a <=> length $b || $a cmp $b } @lines;
    print "$turn ", scalar(keys %index), " $longest $changed ", length($sorted[-1]), " ", length(join("\n", @sorted)), "\n";
}
