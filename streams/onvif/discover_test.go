package onvif

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func probeMatch(scopes, addresses string) string {
	return `<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">` +
		`<SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>` + scopes + `</d:Scopes><d:XAddrs>` + addresses +
		`</d:XAddrs></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// TestDiscover: a network of devices on the loopback, some of them strange.
func TestDiscover(t *testing.T) {
	devices, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	asked := make(chan string, 16)
	go func() {
		defer close(done)
		buffer := make([]byte, 64<<10)
		for {
			n, from, err := devices.ReadFrom(buffer)
			if err != nil {
				return
			}
			select {
			case asked <- string(buffer[:n]):
			default:
			}
			for _, answer := range []string{
				probeMatch("onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/C%E1%BB%95ng%20A onvif://www.onvif.org/hardware/X-1", "http://192.0.2.7/onvif/device_service http://[fe80::1]/onvif/device_service"),
				probeMatch("onvif://www.onvif.org/name/%1b%5b2J"+strings.Repeat("x", 500), "http://192.0.2.8/onvif/device_service"),
				probeMatch("", "ftp://192.0.2.9/ nonsense http://user:secret@192.0.2.10/"),
				"not XML", "<a>", "",
			} {
				_, _ = devices.WriteTo([]byte(answer), from)
			}
		}
	}()
	t.Cleanup(func() { devices.Close(); <-done })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	found, err := Discover(ctx, netip.MustParseAddrPort(devices.LocalAddr().String()))
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	if found[0] != (Found{"http://192.0.2.7/onvif/device_service", "Cổng A", "X-1"}) {
		t.Errorf("%+v", found[0])
	}
	if f := found[1]; !strings.HasPrefix(f.Name, "[2Jx") || len(f.Name) > 100 {
		t.Errorf("%q", f.Name)
	}
	if text := <-asked; !strings.Contains(text, "NetworkVideoTransmitter") || !strings.Contains(text, "MessageID>uuid:") {
		t.Errorf("asked %s", text)
	}
}

func FuzzMatches(f *testing.F) {
	f.Add([]byte(probeMatch("onvif://www.onvif.org/name/a", "http://192.0.2.7/x")))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, m := range matches(answer) {
			if m.Address == "" || strings.ContainsAny(fmt.Sprint(m), "\x1b\n\r") {
				t.Errorf("%q", m)
			}
		}
	})
}
