# timeout: 120
cd /tmp && git config --global user.email a@b && git config --global user.name n && git config --global init.defaultBranch main
mkdir r && cd r && git init -q && for i in $(seq 100); do echo $i > f$i; done && git add . && git commit -qm one && git log --format=%s && echo x >> f1 && git commit -qam two
cd .. && git clone -q r c && cd c && git log --format=%s && git status --short | wc -l && git checkout -q HEAD~1 && git fsck 2>&1 | tail -1; ls | wc -l
