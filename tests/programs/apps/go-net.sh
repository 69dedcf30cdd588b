# timeout: 1500
# with: gotest.py
# Go's network packages, with servers and clients over the sandbox's own loopback.
export HOME=/root GO111MODULE=off GOTOOLCHAIN=local GOCACHE=/root/gocache
python3 gotest.py net net/http net/http/httptest net/http/httputil net/rpc net/smtp net/textproto crypto/tls
