set -u
f() { local x=$1; echo "f $x"; return 4; }
f a || echo "rc $?"
while read -r l; do echo "<$l>"; done < <(printf 'a\nb\nc\n')
coproc cat; echo hi >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"; echo "$x"; kill $COPROC_PID; wait $COPROC_PID 2>/dev/null
trap 'echo bye' EXIT
(trap 'echo sub; exit 5' USR1; kill -USR1 $BASHPID; sleep 1); echo $?
sleep 0.2 & sleep 0.1 & wait; jobs; echo done
diff <(seq 5) <(seq 6); echo $?
cat <<< "here string" | tee /tmp/t | wc -c
exec 3>/tmp/fd3; echo x >&3; exec 3>&-; cat /tmp/fd3
a=(1 2 3); echo "${#a[@]} ${a[*]:1}"
printf '%s\n' {1..5} | xargs -n2 echo
