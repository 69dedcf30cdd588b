# timeout: 180
# gdb: breakpoints, steps, backtraces, threads, watchpoints in software, attaching, core-less crashes.
cd /tmp
export HOME=/tmp DEBUGINFOD_URLS=
cat > p.c <<'X'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int global = 1;
static int leaf(int n)
{
	global += n;
	return n * 2;
}
static int middle(int n)
{
	int r = leaf(n + 1);

	return r + 1;
}
static void *thread(void *arg)
{
	return (void *)(long)middle(*(int *)arg);
}
int main(int argc, char **argv)
{
	pthread_t th;
	void *r;
	int n = 5;

	if (argc > 1 && argv[1][0] == 'c')
		*(volatile int *)0 = 1;
	if (argc > 1 && argv[1][0] == 'l')
		for (;;)
			usleep(10000);
	printf("%d\n", middle(n));
	pthread_create(&th, NULL, thread, &n);
	pthread_join(th, &r);
	printf("%ld %d\n", (long)r, global);
	return 7;
}
X
gcc -g -O0 -pthread -o p p.c
clean() { grep -vE '^\[(New|Thread|Inferior|Attach)|Using host|debuginfod|warning|^$|^Download' | sed -E 's/0x[0-9a-f]+/ADDR/g; s/\(LWP [0-9]+\)/(LWP)/g; s/process [0-9]+/process N/' |
	sed -E 's/^( +1 +Thread ADDR \(LWP\) "p").*/\1/'; } # where main has got to meanwhile: anywhere from pthread_create to the wait in pthread_join
echo == breakpoints and steps
gdb -q -nx -batch -ex 'break leaf' -ex run -ex bt -ex 'print n' -ex 'info locals' -ex finish -ex next -ex 'print r' \
	-ex 'set var r = 100' -ex continue -ex 'info threads' -ex bt -ex 'delete' -ex continue ./p 2>&1 | clean
echo == instruction steps
# No calls of functions: on CPUs with large vector state gdb 13 fails at them, whatever the kernel.
gdb -q -nx -batch -ex 'break middle' -ex run -ex stepi -ex stepi -ex stepi -ex step -ex 'info line' -ex 'print $_siginfo.si_signo' \
	-ex 'print global' -ex kill ./p 2>&1 | clean
echo == a watchpoint
gdb -q -nx -batch -ex 'set can-use-hw-watchpoints 0' -ex 'break middle' -ex run -ex 'watch global' -ex continue -ex 'print global' -ex kill ./p 2>&1 | clean
echo == a crash
gdb -q -nx -batch -ex 'run c' -ex bt -ex 'print $_siginfo._sifields._sigfault.si_addr' ./p 2>&1 | clean
echo == attaching
./p l & p=$!
sleep 0.3
gdb -q -nx -batch -p $p -ex 'frame function main' -ex 'print argc' -ex detach 2>&1 | clean | grep -E '^\$|argc'
kill $p; wait $p; echo status $?
echo == catch points
gdb -q -nx -batch -ex 'catch syscall write' -ex run -ex 'print $rdi' -ex continue -ex 'print $rax' -ex 'delete' -ex continue ./p 2>&1 | clean | grep -E '^\$|Catch|exited|write'
