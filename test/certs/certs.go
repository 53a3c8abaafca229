// Package certs makes certificates for tests.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates into files in a directory.
type Authority struct {
	CA   string // the file with its own certificate
	Pool *x509.CertPool

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

// New makes an authority, and the file ca.pem in dir.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, key: key, CA: filepath.Join(dir, "ca.pem"), Pool: x509.NewCertPool(), n: 1}
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.Pool.AddCert(a.cert)
	return a, write(a.CA, "CERTIFICATE", der)
}

// Sign writes a new certificate for the names and addresses, and its key, to cert.pem
// and key.pem in the authority's directory, and returns the serial number.
func (a *Authority) Sign(names ...string) (serial int64, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	a.n++
	shape := &x509.Certificate{SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: "test hub"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			shape.IPAddresses = append(shape.IPAddresses, ip)
		} else {
			shape.DNSNames = append(shape.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, shape, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return 0, err
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return 0, err
	}
	if err := write(a.Cert(), "CERTIFICATE", der); err != nil {
		return 0, err
	}
	return a.n, write(a.Key(), "EC PRIVATE KEY", raw)
}

// Cert is the file with the newest certificate.
func (a *Authority) Cert() string { return filepath.Join(a.dir, "cert.pem") }

// Key is the file with its key.
func (a *Authority) Key() string { return filepath.Join(a.dir, "key.pem") }

// Client trusts the authority.
func (a *Authority) Client() *tls.Config {
	return &tls.Config{RootCAs: a.Pool, MinVersion: tls.VersionTLS12}
}

func write(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
