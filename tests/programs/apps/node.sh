# timeout: 300
# Node 20: npm install of a local tarball, worker threads, child processes, watching files.
export HOME=/root npm_config_offline=true npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
echo == npm
mkdir -p /root/lib/deep/er /root/app && cd /root/lib
cat > package.json <<'X'
{"name":"lib","version":"1.2.3","main":"i.js","bin":{"lib-say":"say.js"},"scripts":{"postinstall":"node -e \"require('fs').writeFileSync('made','by script')\""}}
X
echo 'module.exports = (a, b) => a + b' > i.js
printf '#!/usr/bin/env node\nconsole.log("said", require("./i.js")(2, 3))\n' > say.js; chmod 755 say.js
for i in $(seq 200); do echo "module.exports = $i" > deep/er/f$i.js; done
npm pack --silent
cd /root/app && npm init -y >/dev/null && npm install --foreground-scripts ../lib/lib-1.2.3.tgz 2>&1 | sed 's/ in .*//; s/[0-9T_Z-]*-debug/debug/'
ls node_modules node_modules/.bin; ls node_modules/lib/deep/er | wc -l; cat node_modules/lib/made; echo; npx lib-say
node -e 'console.log(require("lib")(1,2), require("./package.json").dependencies)'
npm uninstall lib 2>&1 | sed 's/ in .*//'; ls node_modules 2>&1
echo == workers
cat > w.js <<'X'
const { Worker, isMainThread, parentPort, workerData, MessageChannel } = require('worker_threads')
if (isMainThread) {
	const sab = new SharedArrayBuffer(16), a = new Int32Array(sab)
	const all = []
	for (let i = 0; i < 8; i++) all.push(new Promise((ok, no) => {
		const w = new Worker(__filename, { workerData: { i, sab } })
		let last; w.on('message', m => last = m); w.on('error', no); w.on('exit', c => ok([c, last]))
	}))
	Promise.all(all).then(r => { console.log(JSON.stringify(r), a[0]) }).then(() => {
		const w = new Worker('for(;;);', { eval: true })
		w.on('online', () => w.terminate().then(c => console.log('terminated', c)))
	})
} else {
	const a = new Int32Array(workerData.sab)
	for (let j = 0; j < 10000; j++) Atomics.add(a, 0, 1)
	Atomics.wait(a, 1, 0, 20)
	let s = 0; for (let j = 0; j < 1e6; j++) s += j % (workerData.i + 1)
	parentPort.postMessage(s)
}
X
node w.js
echo == children
cat > c.js <<'X'
const cp = require('child_process'), fs = require('fs')
console.log(cp.execSync('echo sync; exit 0').toString().trim(), cp.spawnSync('sh', ['-c', 'cat; exit 4'], { input: 'in' }).status)
const c = cp.fork(__dirname + '/child.js'); c.on('message', m => { console.log('parent got', m); c.send('end') })
c.on('exit', (code, sig) => {
	console.log('child', code, sig)
	const k = cp.spawn('sleep', ['100']); k.on('exit', (code, sig) => console.log('killed', code, sig)); setTimeout(() => k.kill('SIGTERM'), 50)
	const d = cp.spawn('nothing-here'); d.on('error', e => console.log(e.code))
	let big = 0; const y = cp.spawn('sh', ['-c', 'head -c 3000000 /dev/zero']); y.stdout.on('data', b => big += b.length); y.on('close', () => console.log('big', big))
})
X
echo "process.on('message', m => process.exit(7)); process.send({ hello: 1 })" > child.js
node c.js | sort
echo == watch
cat > watch.js <<'X'
const fs = require('fs'); fs.mkdirSync('d/sub', { recursive: true })
const seen = new Set(), w = fs.watch('d', (e, f) => seen.add(e + ' ' + f))
const wf = fs.watchFile('d/poll', { interval: 30 }, (a, b) => { seen.add('poll ' + a.size) })
const sleep = t => new Promise(ok => setTimeout(ok, t))
const until = async e => { for (let i = 0; i < 6000 && !seen.has(e); i++) await sleep(10) }
;(async () => {
	await sleep(50); fs.writeFileSync('d/a', '1'); await sleep(50); fs.appendFileSync('d/a', '2'); await sleep(50)
	fs.renameSync('d/a', 'd/b'); await sleep(50); fs.unlinkSync('d/b'); await until('poll 0'); fs.writeFileSync('d/poll', 'xyz'); fs.mkdirSync('d/n'); await until('poll 3'); await until('rename n')
	w.close(); fs.unwatchFile('d/poll'); console.log([...seen].sort().join('\n'))
	const ac = new AbortController(); setTimeout(() => ac.abort(), 300); setTimeout(() => fs.writeFileSync('d/later', ''), 50)
	try { for await (const e of fs.promises.watch('d', { signal: ac.signal })) console.log(e) } catch (e) { console.log(e.name) }
})()
X
node watch.js
echo == streams, sockets, signals
cat > s.js <<'X'
const net = require('net'), fs = require('fs'), { pipeline } = require('stream/promises'), zlib = require('zlib'), os = require('os'), crypto = require('crypto')
process.on('SIGUSR2', () => console.log('usr2')); process.kill(process.pid, 'SIGUSR2')
const srv = net.createServer(s => s.pipe(s)).listen('/tmp/n.sock', async () => {
	const c = net.connect('/tmp/n.sock'); c.end('x'.repeat(300000)); let n = 0; for await (const b of c) n += b.length
	console.log('echoed', n); srv.close()
	fs.writeFileSync('/root/in', crypto.createHash('sha256').update('a').digest('hex').repeat(10000))
	await pipeline(fs.createReadStream('/root/in'), zlib.createGzip(), fs.createWriteStream('/root/in.gz'))
	await pipeline(fs.createReadStream('/root/in.gz'), zlib.createGunzip(), fs.createWriteStream('/root/out'))
	console.log(fs.readFileSync('/root/in').equals(fs.readFileSync('/root/out')))
	await Promise.all([...Array(300).keys()].map(i => fs.promises.writeFile('/root/p' + i, 'p' + i)))
	console.log((await Promise.all([...Array(300).keys()].map(i => fs.promises.readFile('/root/p' + i, 'utf8')))).join('').length)
	console.log(os.cpus().length, os.totalmem() > 1e8, os.hostname(), process.memoryUsage().rss > 1e7, process.constrainedMemory() > 0)
	setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50); setInterval(() => {}, 1000)
})
X
node s.js; echo status $?
