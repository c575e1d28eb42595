package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// StartTLS starts a Redis that asks for TLS and a user's password, as managed ones do. The user may do what the ACL
// rules say. It returns what REDIS_URL would be set to, and the file with the certificate to trust.
func StartTLS(tb testing.TB, rules ...string) (url, ca string) {
	tb.Helper()
	cert, key := certificate(tb)
	port := strconv.Itoa(mustPort(tb))
	args := []string{"--save", "", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-auth-clients", "no", "--user", "app", "on", ">secret"}
	start(tb, append(args, rules...)...)
	return "rediss://app:secret@127.0.0.1:" + port, cert
}

// certificate makes a certificate for 127.0.0.1 that vouches for itself.
func certificate(tb testing.TB) (certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	file := func(name, kind string, der []byte) string {
		name = filepath.Join(tb.TempDir(), name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			tb.Fatal(err)
		}
		return name
	}
	return file("cert.pem", "CERTIFICATE", cert), file("key.pem", "PRIVATE KEY", der)
}
