# timeout: 120
cd /tmp && mkdir p && cd p
for i in 1 2 3 4 5 6 7 8; do echo "int f$i(int x) { return x * $i; }" > f$i.c; done
{ for i in 1 2 3 4 5 6 7 8; do echo "int f$i(int);"; done; echo '#include <stdio.h>'; echo 'int main(void) { printf("%d\n", f1(f2(f3(f4(f5(f6(f7(f8(1))))))))); return 0; }'; } > main.c
printf 'O=$(patsubst %%.c,%%.o,$(wildcard *.c))\nprog: $O\n\tgcc -o $@ $^\n' > Makefile
make -j4 -s && ./prog
