# timeout: 120
python3 - <<'X'
import os, sys, threading, subprocess, multiprocessing, asyncio, signal, tempfile, time, socket, select, mmap
print(sys.version_info[:2], os.getpid() > 0)
res = []
ts = [threading.Thread(target=lambda i=i: res.append(i * i)) for i in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]; print(sorted(res)[-1])
print(subprocess.run(["sh", "-c", "echo out; exit 3"], capture_output=True))
def sq(x): return x * x
with multiprocessing.Pool(4) as p: print(sum(p.map(sq, range(100))))
async def a():
    async def w(n): await asyncio.sleep(0.01 * n); return n
    print(await asyncio.gather(*[w(i) for i in range(5)]))
    pr = await asyncio.create_subprocess_exec("echo", "sub", stdout=subprocess.PIPE); print((await pr.communicate())[0])
asyncio.run(a())
signal.signal(signal.SIGALRM, lambda *x: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.2)
s1, s2 = socket.socketpair(); s1.send(b"hello"); print(s2.recv(10))
r, w = os.pipe(); print(select.select([r], [w], [], 0)); 
m = mmap.mmap(-1, 4096); m[:3] = b"abc"
if os.fork() == 0: m[:3] = b"xyz"; os._exit(0)
os.wait(); print(m[:3])
with tempfile.NamedTemporaryFile() as f: f.write(b"z" * 10000); f.flush(); print(os.stat(f.name).st_size); mm = mmap.mmap(f.fileno(), 0); print(mm[9999:])
print(os.uname().sysname, os.cpu_count() > 0, len(os.listdir("/proc/self/fd")))
X
