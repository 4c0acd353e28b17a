# Prints a history of N commits over forty files for git fast-import.
use strict;
use warnings;
my $n = shift;
my $seed = 12345;
sub rnd { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed % $_[0] }
my @files = map { [map { "line $_ " . rnd(1000000) } 1 .. 60 + rnd(200)] } 0 .. 39;
for my $i (1 .. $n) {
    my $message = "commit $i\n";
    my $time = 1700000000 + $i * 60;
    print "commit refs/heads/main\ncommitter tester <tester\@example.invalid> $time +0000\n";
    print 'data ', length $message, "\n$message";
    for my $f ($i == 1 ? 0 .. 39 : map { rnd(40) } 1 .. 3) {
        my $lines = $files[$f];
        $lines->[rnd(scalar @$lines)] = "changed in $i to " . rnd(1000000);
        push @$lines, "added in $i" if $i % 3 == 0;
        my $text = join "\n", @$lines, '';
        print "M 100644 inline file$f\ndata ", length $text, "\n$text\n";
    }
    print "\n";
}
