# timeout: 90
# Node: a cluster on a Unix socket, a worker that dies, workers with shared memory, child processes, watchers.
cd /root; cat > c.js <<'X'
const cluster = require('cluster'), http = require('http'), fs = require('fs'), cp = require('child_process'), { Worker } = require('worker_threads');
if (cluster.isPrimary) {
  const N = 3; let up = 0, died = 0;
  for (let i = 0; i < N; i++) cluster.fork();
  cluster.on('exit', (w, c, s) => { if (++died == 1) { console.log('died', c, s); cluster.fork(); } });
  cluster.on('listening', () => { if (++up == N) go(); else if (up == N + 1) again(); });
  const get = () => new Promise((ok, bad) => http.get({ socketPath: '/root/s', agent: false }, r => { let b = ''; r.on('data', d => b += d); r.on('end', () => ok(b)); }).on('error', bad));
  async function go() { const r = await Promise.all(Array.from({ length: 60 }, get)); console.log(r.length, new Set(r).size > 1); Object.values(cluster.workers)[0].process.kill('SIGKILL'); }
  async function again() { const r = await Promise.all(Array.from({ length: 20 }, get)); console.log(r.length); for (const w of Object.values(cluster.workers)) w.disconnect(); setTimeout(rest, 500); }
  async function rest() {
    const sab = new SharedArrayBuffer(8), a = new Int32Array(sab);
    await Promise.all([0, 1, 2, 3].map(() => new Promise(ok => new Worker(`const a = new Int32Array(require('worker_threads').workerData); for (let i = 0; i < 20000; i++) Atomics.add(a, 0, 1); Atomics.notify(a, 1)`, { eval: true, workerData: sab }).on('exit', ok)));
    console.log(a[0]);
    const k = cp.spawn('sh', ['-c', 'trap "echo term; exit 9" TERM; echo ready; while :; do sleep 0.05; done']); k.stdout.on('data', d => { process.stdout.write(d); if (/ready/.test(d)) k.kill(); });
    await new Promise(ok => k.on('close', (c, s) => { console.log(c, s); ok(); }));
    console.log(cp.execSync('echo $((1+1)); cat', { input: 'stdin' }).toString());
    const f = cp.fork('/root/k.js', [], { serialization: 'advanced' }); f.send({ m: new Map([[1, 2]]) }); await new Promise(ok => f.on('message', m => { console.log(m); f.disconnect(); ok(); }));
    await new Promise(ok => { const w = fs.watch('/root/d', (e, n) => { console.log(e, n); w.close(); ok(); }); fs.writeFileSync('/root/d/new', ''); });
    const z = require('zlib'); console.log((await require('util').promisify(z.brotliCompress)(Buffer.alloc(1e6))).length < 100); const { pipeline } = require('stream/promises'); fs.writeFileSync('/root/big', Buffer.alloc(3e6, 'abc')); await pipeline(fs.createReadStream('/root/big'), z.createGzip(), z.createGunzip(), fs.createWriteStream('/root/big2')); console.log(fs.readFileSync('/root/big').equals(fs.readFileSync('/root/big2')));
    console.log(process.memoryUsage().rss > 1e7, process.cpuUsage().user > 0, require('os').cpus().length == +cp.execSync('nproc'), process.resourceUsage().maxRSS > 1000);
    process.on('SIGUSR2', () => { console.log('usr2'); process.exit(0); }); process.kill(process.pid, 'SIGUSR2');
  }
} else http.createServer((q, r) => r.end(String(process.pid))).listen('/root/s');
X
echo 'process.on("message", m => process.send({ size: m.m.size, got: m.m.get(1) }))' > k.js; mkdir d; node c.js; echo status $?
