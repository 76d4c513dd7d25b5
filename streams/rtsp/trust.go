package rtsp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Trust is the TLS configuration of rtsps cameras whose certificates one of the
// authorities (or the cameras themselves, where they sign their own) in a PEM file
// has signed. No file: the system's authorities.
func Trust(caFile string) (*tls.Config, error) {
	if caFile == "" {
		return nil, nil //nolint:nilnil // Config.TLS takes nil for the system's authorities
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates: %s holds no PEM certificate", caFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
