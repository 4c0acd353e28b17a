# Deterministic work for the benchmark: records, grouping, text. The argument scales it.
Item = Struct.new(:key, :tags, :text)
random = Random.new(3)
ARGV[0].to_i.times do |turn|
  items = Array.new(25_000) do |i|
    Item.new("key#{random.rand(4000)}", Array.new(4) { |k| "tag#{random.rand(100)}-#{k}" }, "x" * random.rand(200))
  end
  groups = items.group_by(&:key)
  tags = Hash.new(0)
  items.each { |item| item.tags.each { |tag| tags[tag] += 1 } }
  text = groups.keys.sort.map { |k| "#{k}:#{groups[k].sum { |i| i.text.length }}" }.join(";")
  swapped = text.gsub(/key(\d)(\d)/) { "#{$2}#{$1}" }
  puts "#{turn} #{groups.size} #{tags.values.max} #{text.length} #{swapped.sum}"
end
