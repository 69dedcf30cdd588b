# timeout: 60
# Ruby: threads, fork, signals, select, sockets, PTY, Ractors, locks, tempfiles.
cd /root; cat > t.rb <<'X'
require 'socket'; require 'pty'; require 'tempfile'; require 'open3'; require 'timeout'; require 'etc'; require 'fileutils'; require 'io/console'
$stdout.sync = true
q = Queue.new; ts = 8.times.map { |i| Thread.new { 500.times { |j| q << i * j } } }; ts.each(&:join); puts q.size
r, w = IO.pipe; pid = fork { r.close; w.write "child #{Process.ppid == Process.pid}"; exit! 5 }; w.close; puts r.read; Process.wait pid; puts $?.exitstatus
got = []; trap(:USR1) { got << :usr1 }; trap(:CHLD) { got << :chld }; Process.kill :USR1, $$; sleep 0.05; system 'true'; sleep 0.05; p got
trap(:CHLD, 'DEFAULT')
s = UNIXServer.new '/root/s'; t = Thread.new { 20.times { c = s.accept; c.puts c.gets.upcase; c.close } }
puts 20.times.map { |i| UNIXSocket.open('/root/s') { |c| c.puts "hi#{i}"; c.gets.chomp } }.join(' '); t.join
PTY.spawn('cat') { |rd, wr, pid2| wr.puts 'pty'; puts rd.gets.chomp; puts rd.gets.chomp; p rd.winsize; Process.kill :TERM, pid2 }
o, e, st = Open3.capture3('cat; echo err >&2; exit 4', stdin_data: 'in'); p o, e, st.exitstatus
begin; Timeout.timeout(0.2) { sleep }; rescue Timeout::Error; puts 'timeout'; end
p IO.select([r = IO.pipe[0]], nil, nil, 0.05)
p Ractor.new(20) { |n| (1..n).inject(:*) }.take rescue p $!
f = Tempfile.new; f.flock(File::LOCK_EX); p fork { exit!(File.open(f.path) { |g| g.flock(File::LOCK_EX | File::LOCK_NB) } ? 1 : 0) }.then { |x| Process.wait2(x)[1].exitstatus }
p Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) > 0, Etc.nprocessors == `nproc`.to_i, Dir.glob('/proc/self/fd/*').size > 3
begin; Process.spawn('/nonexistent'); rescue => x; p x.class; end
p Process.getrlimit(:NOFILE), File.stat('/dev/null').chardev?, Process.getpgrp == Process.getpgid(0)
a, b = UNIXSocket.pair; a.send_io $stdout; b.recv_io.puts 'descriptor'
x = 30000.times.map { |i| i.to_s * 10 }; GC.start; GC.compact rescue 0; p x.size
10.times.map { fork { exit! 0 } }.each { |y| Process.wait y }; puts Process.wait2(fork { Process.kill :KILL, $$ })[1].inspect.sub(/\d+/, 'N')
X
ruby -W0 t.rb; echo status $?
