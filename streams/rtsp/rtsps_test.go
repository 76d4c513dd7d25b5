package rtsp

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
	"strings"
	"testing"
	"time"

	"vonglau/streams"
)

// authority makes an authority's PEM file and a server certificate that it issued
// for an address of the loopback.
func authority(t *testing.T, address net.IP) (caFile string, server *tls.Config) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey, cameraKey := key(), key()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cameras"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	camera := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "camera"}, IPAddresses: []net.IP{address},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cameraDER, err := x509.CreateCertificate(rand.Reader, camera, ca, &cameraKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	return caFile, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cameraDER}, PrivateKey: cameraKey}}}
}

func TestRTSPS(t *testing.T) {
	t.Parallel()
	loopback := net.IPv4(127, 0, 0, 1)
	caFile, certificate := authority(t, loopback)
	s := newServer(t, encode(t, moving, "4"), func(s *server) {
		s.tls, s.user, s.password = certificate, "giamsat", "mật khẩu"
	})
	camera := s.camera()
	camera.URL = "rtsps://" + s.address + "/live"
	trust, err := Trust(caFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("live", func(t *testing.T) {
		w := watch(t, Config{TLS: trust}, camera)
		w.expect(streams.Live, 5*time.Second)
		w.stays(streams.Live, 3*time.Second)
		s.shut()
		w.expect(streams.Offline, 5*time.Second)
		s.start()
		camera.URL = "rtsps://" + s.address + "/live"
		w.expect(streams.Live, 5*time.Second)
	})
	t.Run("wrong password", func(t *testing.T) {
		wrong := camera
		wrong.Password = "sai"
		if f := attempt(t, Config{TLS: trust}, wrong); f.Reason != streams.ReasonUnauthorised {
			t.Errorf("%v", f)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		other, _ := authority(t, loopback)
		stranger, err := Trust(other)
		if err != nil {
			t.Fatal(err)
		}
		for name, cfg := range map[string]Config{"the system's authorities": {}, "another authority": {TLS: stranger}} {
			if f := attempt(t, cfg, camera); f.Reason != streams.ReasonCertificate || f.Detail == "" {
				t.Errorf("%s: %v", name, f)
			}
		}
		w := watch(t, Config{}, camera)
		w.because(streams.Offline, streams.ReasonCertificate.Text())
	})
	t.Run("another address's certificate", func(t *testing.T) {
		caFile, elsewhere := authority(t, net.IPv4(192, 0, 2, 1))
		s := newServer(t, encode(t, moving, "4"), func(s *server) { s.tls = elsewhere })
		trust, err := Trust(caFile)
		if err != nil {
			t.Fatal(err)
		}
		camera := s.camera()
		camera.URL = "rtsps://" + s.address + "/live"
		if f := attempt(t, Config{TLS: trust}, camera); f.Reason != streams.ReasonCertificate {
			t.Errorf("%v", f)
		}
	})
	t.Run("no TLS on the port", func(t *testing.T) {
		plain := newServer(t, encode(t, moving, "4"))
		camera := plain.camera()
		camera.URL = "rtsps://" + plain.address + "/live"
		began := time.Now()
		f := attempt(t, Config{TLS: trust, Timeout: time.Second, SetUp: 2 * time.Second}, camera)
		if took := time.Since(began); f.Reason == streams.ReasonCertificate || took > 6*time.Second {
			t.Errorf("%v after %v", f, took)
		}
	})
	t.Run("no certificates in the file", func(t *testing.T) {
		empty := filepath.Join(t.TempDir(), "empty.pem")
		if err := os.WriteFile(empty, []byte("none"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{empty, empty + ".gone"} {
			if _, err := Trust(file); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%v", err)
			}
		}
	})
}
