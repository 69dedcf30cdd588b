# timeout: 240
command -v go >/dev/null || { echo no go; exit 0; }
cd /tmp && cat > m.go <<'X'
package main
import ("fmt"; "os/exec"; "sync")
func main() {
	var wg sync.WaitGroup; var mu sync.Mutex; n := 0
	for i := 0; i < 100; i++ { wg.Add(1); go func() { defer wg.Done(); mu.Lock(); n++; mu.Unlock() }() }
	wg.Wait(); out, err := exec.Command("echo", "from exec").Output(); fmt.Println(n, string(out), err)
}
X
HOME=/tmp CGO_ENABLED=0 go build -o m m.go && ./m
