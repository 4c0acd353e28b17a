// Deterministic work for the benchmark: buffers, JSON, deflate, regular expressions. The argument scales it.
const zlib = require('zlib');
const crypto = require('crypto');
let seed = 11;
const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };

for (let turn = 0; turn < Number(process.argv[2]); turn++) {
  const hash = crypto.createHash('sha256');
  const kept = [];
  for (let i = 0; i < 12000; i++) {
    const buffer = Buffer.allocUnsafeSlow(16 + random(4096));
    buffer.fill(i & 255);
    kept[random(2000)] = buffer;
  }
  for (const buffer of kept) if (buffer) hash.update(buffer);
  const rows = Array.from({ length: 4000 }, (_, i) => ({ id: i, name: 'name' + random(1000), list: [random(9), random(9)] }));
  const text = JSON.stringify(rows);
  for (let i = 0; i < 6; i++) hash.update(zlib.inflateSync(zlib.deflateSync(text, { level: 1 + (i & 3) })));
  hash.update(JSON.stringify(JSON.parse(text).map((r) => r.name.replace(/(\d)(\d)/g, '$2$1'))));
  console.log(turn, hash.digest('hex'));
}
