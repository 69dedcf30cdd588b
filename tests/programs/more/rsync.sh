# rsync: trees with hard links, sparse files, fifos; delete, in place, over a pipe, from a daemon's own process.
cd /root; mkdir -p src/a/b; for i in $(seq 40); do seq $((i * 50)) > src/a/f$i; done; ln src/a/f1 src/a/hard; ln -s ../a/f2 src/a/b/link; mkfifo src/fifo
truncate -s 10M src/sparse; printf x | dd of=src/sparse bs=1 seek=5000000 conv=notrunc 2>/dev/null; chmod 640 src/a/f3; touch -d 2001-02-03 src/a/f4; chown 12:34 src/a/f5; find src ! -name f4 -exec touch -hd 2020-01-01 {} +
sum() { (cd "$1" && find . -printf '%P %y %m %n %U:%G %s %T@ %l\n' | sort | md5sum; find . -type f -exec md5sum {} + | sort | md5sum); }
rsync -aHS src/ d1/; sum src; sum d1; [ "$(stat -c %b d1/sparse)" -lt 1000 ] && echo sparse
rm src/a/f9; echo more >> src/a/f10; touch -d 2021-01-01 src/a src/a/f10; rsync -aHS --delete --itemize-changes src/ d1/; sum d1
rsync -a --inplace --no-whole-file --stats src/ d1/ | grep -E 'Number of (files|regular|deleted)'
rsync -aH -e 'sh -c '\''shift; exec "$@"'\'' --' src/ host:/root/d2/ ; sum d2
rsync -a --partial-dir=.part --bwlimit=0 --compress -e 'sh -c '\''shift; exec "$@"'\'' --' host:/root/src/a/ d3/; ls d3 | wc -l
rsync -a /nonexistent d4; echo status $?
