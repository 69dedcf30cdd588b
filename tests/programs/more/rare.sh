# timeout: 120
# SBCL, clisp, guile, Prolog, OCaml, Mono: collectors and JITs of their own kind.
exec 2> /dev/null; cd /root
sbcl --noinform --non-interactive --eval '(progn (print (loop for i below 200 sum (length (make-list 10000)))) (gc :full t) (print (mapcar (function sb-thread:join-thread) (loop for i below 4 collect (let ((i i)) (sb-thread:make-thread (lambda () (loop repeat 100000 sum i))))))) (handler-case (sb-ext:with-timeout 0.2 (loop)) (sb-ext:timeout () (print :timeout))) (print (sb-ext:process-exit-code (sb-ext:run-program "/bin/sh" (list "-c" "exit 3")))) (handler-case (car (sb-kernel:%make-lisp-obj 3)) (error () (print :error))) (defun f (n) (if (= n 0) 0 (+ 1 (f (- n 1))))) (handler-case (f 10000000) (sb-kernel::control-stack-exhausted () (print :exhausted))) (terpri))'; echo $?
clisp -q -x '(progn (print (loop for i below 100000 sum i)) (finish-output) (ext:run-program "echo" :arguments (list "x")))' | cat; guile -c '(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim)) (display (apply + (par-map (lambda (x) (* x x)) (iota 1000)))) (newline) (let ((p (open-input-pipe "echo pipe"))) (display (read-line p)) (newline)) (gc) (sigaction SIGUSR1 (lambda (s) (display "usr1\n"))) (kill (getpid) SIGUSR1) (usleep 10000) (display (catch (quote system-error) (lambda () (open-file "/none" "r")) (lambda e (system-error-errno e))))'; echo
swipl -g 'numlist(1,100000,L),sumlist(L,S),print(S),nl,thread_create(true,T,[]),thread_join(T,R),print(R),nl,catch(call_with_time_limit(0.2,(repeat,fail)),E,(print(E),nl)),process_create(path(sh),["-c","exit 4"],[process(P)]),process_wait(P,X),print(X),nl,halt' -g halt < /dev/null | sed 's/[0-9]*\.[0-9]*e.*//'
echo 'let () = Printf.printf "%d\n%!" (List.length (List.init 100000 (fun x -> x))); Sys.set_signal Sys.sigalrm (Signal_handle (fun _ -> print_endline "alarm"; exit 2)); ignore (Unix.alarm 1); while true do Unix.sleepf 0.1 done' > a.ml; ocaml unix.cma -I +unix a.ml; echo $?
cat > a.cs <<'X'
using System; using System.Threading; using System.Diagnostics; using System.Linq; using System.IO;
class A { static void Main() { int n = 0; var t = Enumerable.Range(0, 6).Select(i => new Thread(() => { for (int j = 0; j < 10000; j++) Interlocked.Increment(ref n); })).ToList(); t.ForEach(x => x.Start()); t.ForEach(x => x.Join()); Console.WriteLine(n);
 var p = Process.Start(new ProcessStartInfo("/bin/sh", "-c \"echo child; exit 5\"") { UseShellExecute = false, RedirectStandardOutput = true }); Console.Write(p.StandardOutput.ReadToEnd()); p.WaitForExit(); Console.WriteLine(p.ExitCode);
 try { string s = null; Console.WriteLine(s.Length); } catch (NullReferenceException) { Console.WriteLine("null"); }
 var d = new System.Collections.Generic.List<byte[]>(); for (int i = 0; i < 2000; i++) d.Add(new byte[10000]); GC.Collect(); Console.WriteLine(d.Count); File.WriteAllText("f", "x"); Console.WriteLine(File.Exists("f") + " " + Environment.ProcessorCount.Equals(int.Parse("0" + System.Environment.GetEnvironmentVariable("N")))); 
 ThreadPool.QueueUserWorkItem(_ => Console.WriteLine("pool")); Thread.Sleep(300); } }
X
mcs a.cs && N=$(nproc) mono a.exe; echo $?
