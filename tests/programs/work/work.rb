# Work for ruby: N records through strings, hashes, sorting, threads, marshalling and collections. Prints checksums.
require 'digest'
n = ARGV[0].to_i
seed = 12345
rnd = ->(m) { seed = (seed * 1103515245 + 12345) % 2147483648; seed % m }
records = Array.new(n) { |i| { id: i, name: (0..rnd[20]).map { (97 + rnd[26]).chr }.join, list: Array.new(rnd[8]) { rnd[1000] } } }
groups = records.group_by { |r| r[:name][0] }
groups.sort.first(5).each { |k, v| puts "#{k} #{v.size} #{v.sum { |r| r[:list].sum }}" }
sorted = records.sort_by { |r| [r[:name].size, r[:name], r[:id]] }
puts Digest::SHA256.hexdigest(sorted.map { |r| r[:name] }.join(','))
copy = Marshal.load(Marshal.dump(records))
puts "equal #{copy == records}"
text = +''
records.each { |r| text << r[:name] << ' ' }
puts text.gsub(/([aeiou])([a-z])/) { $2 + $1 }.scan(/\w{5,}/).tally.sort.first(3).inspect
threads = 4.times.map { |t| Thread.new { (1..n / 4).each_with_object({}) { |i, h| (h[i * t % 911] ||= +'') << 'z' * (i % 17) }.sum { |_, v| v.size } } }
puts "threads #{threads.map(&:value).inspect}"
records.reject!(&:any?) if n.zero?
20.times { |round| records.map! { |r| r[:id] % 20 == round ? r.merge(name: r[:name] * 3) : r }; GC.start }
GC.compact if GC.respond_to?(:compact)
puts Digest::SHA256.hexdigest(records.map { |r| r[:name] }.join(','))
puts 2.pow(20_000).to_s.sum
Process.wait(fork { exit!(records.size == n ? 0 : 1) })
puts "child #{$?.exitstatus}"
puts "summary #{n} records, #{GC.count > 20} for more than 20 collections"
