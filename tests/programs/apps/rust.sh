# timeout: 300
# cargo builds a crate with a dependency in the same workspace, runs its tests and its program.
export HOME=/root CARGO_NET_OFFLINE=true; cd /root
mkdir -p w/lib/src w/app/src && cd w
printf '[workspace]\nmembers = ["lib", "app"]\n' > Cargo.toml
printf '[package]\nname = "lib"\nversion = "0.1.0"\nedition = "2021"\n' > lib/Cargo.toml
printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nlib = { path = "../lib" }\n' > app/Cargo.toml
cat > lib/src/lib.rs <<'X'
use std::{collections::HashMap, sync::{mpsc, Arc, Mutex}, thread};
pub fn count(words: &str) -> Vec<(String, usize)> {
    let mut m = HashMap::new();
    for w in words.split_whitespace() { *m.entry(w.to_string()).or_insert(0) += 1; }
    let mut v: Vec<_> = m.into_iter().collect(); v.sort(); v
}
pub fn parallel(n: u64) -> u64 {
    let sum = Arc::new(Mutex::new(0)); let (tx, rx) = mpsc::channel();
    let hs: Vec<_> = (0..n).map(|i| { let (s, tx) = (sum.clone(), tx.clone()); thread::spawn(move || { *s.lock().unwrap() += i; tx.send(i).unwrap(); }) }).collect();
    drop(tx); for h in hs { h.join().unwrap(); } let r: u64 = rx.iter().sum(); assert_eq!(r, *sum.lock().unwrap()); r
}
#[cfg(test)] mod tests {
    #[test] fn counts() { assert_eq!(super::count("a b a"), vec![("a".into(), 2), ("b".into(), 1)]); }
    #[test] fn threads() { assert_eq!(super::parallel(100), 4950); }
    #[test] #[should_panic] fn panics() { panic!("so"); }
}
X
cat > app/src/main.rs <<'X'
use std::{fs, io::Write, os::unix::net::UnixStream, process::Command};
fn main() {
    println!("{:?} {}", lib::count("x y x"), lib::parallel(50));
    let (mut a, mut b) = UnixStream::pair().unwrap(); a.write_all(b"hi").unwrap(); drop(a);
    let mut s = String::new(); std::io::Read::read_to_string(&mut b, &mut s).unwrap();
    let o = Command::new("sh").args(["-c", "exit 5"]).status().unwrap();
    fs::write("/root/f", &s).unwrap(); println!("{} {:?} {}", s, o.code(), fs::metadata("/root/f").unwrap().len());
    let r = std::panic::catch_unwind(|| { let v: Vec<i32> = vec![]; v[0] }); println!("{}", r.is_err());
}
X
cargo build --release 2>&1 | sed -E 's/ in ([0-9]+m )?[0-9.]+s//' | sort
cargo test 2>&1 | grep -E '^test ' | sed 's/; finished.*//' | sort
./target/release/app 2>/dev/null; cargo build 2>&1 | grep -c Finished; touch lib/src/lib.rs; cargo build 2>&1 | grep -cE 'Compiling'
