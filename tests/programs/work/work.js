// Work for node: N buffers through zlib and crypto on the thread pool, the same in worker threads, and JSON. Prints checksums.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');
const { promisify } = require('util');

function random(seed) {
    return (m) => {
        seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
        return seed % m;
    };
}

async function work(n, seed) {
    const rnd = random(seed);
    const hash = crypto.createHash('sha256');
    let equal = true;
    const one = async () => {
        const size = 1 + rnd(200000);
        const source = Buffer.alloc(size);
        for (let i = 0; i < size; i += 3) source[i] = rnd(256);
        const packed = await promisify(zlib.deflate)(source);
        const back = await promisify(zlib.inflate)(packed);
        const key = await promisify(crypto.scrypt)(source.subarray(0, 64), 'salt', 32, { N: 256 });
        equal &&= back.equals(source);
        return [crypto.createHash('md5').update(source).digest('hex'), key.toString('hex')];
    };
    for (let i = 0; i < n; i += 8) {
        const results = await Promise.all(Array.from({ length: 8 }, one));
        hash.update(JSON.stringify(results));
    }
    return { digest: hash.digest('hex'), equal };
}

async function main() {
    const n = Number(process.argv[2]);
    const workers = [1, 2, 3].map((seed) => new Promise((resolve, reject) => {
        const w = new Worker(__filename, { workerData: { n: n / 2, seed } });
        w.on('message', resolve);
        w.on('error', reject);
    }));
    const results = [await work(n, 7), ...await Promise.all(workers)];
    for (const r of results) console.log(r.digest);
    const records = Array.from({ length: n * 200 }, (_, i) => ({ i, s: 'x'.repeat(i % 50), l: [i, i + 1] }));
    const text = JSON.stringify(records);
    console.log('json', text.length, JSON.parse(text).reduce((a, r) => a + r.s.length + r.l[1], 0));
    console.log(results.every((r) => r.equal) ? 'round trips all equal' : 'round trips differ');
    console.log(`summary ${n} buffers, 3 workers`);
}

if (isMainThread) main();
else work(workerData.n, workerData.seed).then((r) => parentPort.postMessage(r));
