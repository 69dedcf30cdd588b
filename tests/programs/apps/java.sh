# timeout: 300
# memory: 268435456
# cgroup: ro
# Java 17 under 256 MB: sizes, threads, garbage, jstack and jcmd attach, processes, files, memory-mapped buffers.
export HOME=/root; cd /root
echo == sizes
java -XX:+PrintFlagsFinal -version 2>/dev/null | grep -E ' (MaxHeapSize|UseSerialGC|UseG1GC|MaxRAM) ' | awk '{print $2, $4}'
java -Xlog:os+container=info -version 2>&1 | grep -iE 'memory limit|not active|version' | head -3 | sed 's/^\[[^]]*\]//'
mkdir -p p && cat > p/T.java <<'X'
import java.io.*; import java.lang.management.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*; import java.net.*;
public class T {
	static volatile Object sink;
	public static void main(String[] a) throws Exception {
		System.out.println(Runtime.getRuntime().availableProcessors() + " " + (Runtime.getRuntime().maxMemory() < (200 << 20)));
		AtomicLong n = new AtomicLong(); List<Thread> ts = new ArrayList<>();
		for (int i = 0; i < 100; i++) { Thread t = new Thread(() -> { for (int j = 0; j < 1000; j++) { n.incrementAndGet(); if (j % 100 == 0) Thread.yield(); } }); ts.add(t); t.start(); }
		for (Thread t : ts) t.join(); System.out.println("count " + n);
		ExecutorService ex = Executors.newFixedThreadPool(8); List<Future<Integer>> fs = new ArrayList<>();
		for (int i = 0; i < 50; i++) { final int k = i; fs.add(ex.submit(() -> { Thread.sleep(5); return k * k; })); }
		int s = 0; for (Future<Integer> f : fs) s += f.get(); ex.shutdown(); System.out.println("sum " + s);
		Map<Integer, byte[]> m = new HashMap<>(); for (int i = 0; i < 200000; i++) m.put(i % 500, new byte[10000]);
		System.out.println("garbage " + m.size() + " " + ManagementFactory.getGarbageCollectorMXBeans().stream().anyMatch(g -> g.getCollectionCount() > 0));
		m = null;
		try { List<byte[]> l = new ArrayList<>(); for (;;) l.add(new byte[1 << 20]); } catch (OutOfMemoryError e) { System.out.println("out of memory"); }
		Object o = null; try { o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
		try { deep(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
		Process p = new ProcessBuilder("sh", "-c", "cat; exit 3").start(); p.getOutputStream().write("to child\n".getBytes()); p.getOutputStream().close();
		System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor() + " " + ProcessHandle.current().info().command().isPresent());
		Path f = Files.createTempFile(Path.of("/root"), "x", ".tmp");
		try (FileChannel c = FileChannel.open(f, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
			MappedByteBuffer b = c.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20); b.put(12345, (byte) 42); b.force(); ByteBuffer r = ByteBuffer.allocate(1); c.read(r, 12345);
			System.out.println("mapped " + r.get(0) + " " + c.lock().isValid() + " " + Files.size(f)); }
		Path dir = Files.createDirectory(Path.of("/root/wd"));
		try (WatchService w = FileSystems.getDefault().newWatchService()) { dir.register(w, StandardWatchEventKinds.ENTRY_CREATE); Files.write(dir.resolve("n"), new byte[1]);
			WatchKey k = w.poll(5, TimeUnit.SECONDS); System.out.println("watch " + k.pollEvents().get(0).context()); }
		try (ServerSocketChannel ss = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) { ss.bind(UnixDomainSocketAddress.of("/root/j.sock"));
			SocketChannel c = SocketChannel.open(UnixDomainSocketAddress.of("/root/j.sock")); SocketChannel d = ss.accept(); c.write(ByteBuffer.wrap("abc".getBytes())); ByteBuffer b = ByteBuffer.allocate(9); System.out.println("unix " + d.read(b)); }
		try (ServerSocket ss = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) { Socket c = new Socket(ss.getInetAddress(), ss.getLocalPort()); Socket d = ss.accept(); c.getOutputStream().write(7); System.out.println("tcp " + d.getInputStream().read()); }
		ScheduledExecutorService se = Executors.newScheduledThreadPool(1); CountDownLatch l = new CountDownLatch(3); se.scheduleAtFixedRate(l::countDown, 5, 5, TimeUnit.MILLISECONDS); System.out.println(l.await(5, TimeUnit.SECONDS)); se.shutdownNow();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
		if (a.length > 0) { System.out.println("ready"); System.out.flush(); Thread.sleep(60000); }
	}
	static int deep(int i) { return deep(i + 1) + 1; }
}
X
echo == javac and run
javac -J-Xmx96m -d p p/T.java && java -cp p T
echo == other collectors
for gc in Serial Parallel G1 Z Shenandoah; do java -XX:+Use${gc}GC -Xmx64m -cp p T 2>&1 | grep -cE '^(count 100000|garbage 500|out of memory)' | sed "s/^/$gc /"; rm -rf /root/wd /root/j.sock; done
echo == attach
java -Xmx64m -cp p T wait > out & pid=$!
for i in $(seq 100); do grep -q ready out && break; sleep 0.1; done
jps | grep -c ' T$'
jcmd $pid Thread.print | grep -cE '^"main"|T\.main'
jstack $pid | grep -E 'at T.main|java.lang.Thread.State: TIMED_WAITING \(sleeping\)' | head -2 | sed 's/:[0-9]*)/)/'
jcmd $pid GC.heap_info | grep -c 'heap '
jcmd $pid VM.flags | grep -c MaxHeapSize=67108864
jmap -histo $pid | grep -c java.lang.String
kill -QUIT $pid; sleep 0.5; grep -c 'Full thread dump' out
kill $pid; wait $pid; echo status $?; tail -1 out
echo == the limit
(java -Xmx1g -XX:+AlwaysPreTouch -Xms1g -version; echo beyond: $? >&3) 3>&1 >/dev/null 2>&1
