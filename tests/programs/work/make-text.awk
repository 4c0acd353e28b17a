# Prints N lines of half-random text that compressors have work with.
BEGIN { s = 12345; for (i = 1; i <= n; i++) { s = (s * 1103515245 + 12345) % 2147483648; printf "%d record %d of %d: %s %x\n", i, s % 1000, n, (s % 3 ? "common words" : "rare " s), s } }
