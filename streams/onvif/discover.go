package onvif

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Everyone is where devices listen for probes (WS-Discovery 1.1, 2.4).
var Everyone = netip.MustParseAddrPort("239.255.255.250:3702")

const (
	foundAtMost = 4096
	answerSize  = 64 << 10
)

// Found is a device that answered a probe.
type Found struct {
	Address  string // of its device service: http://host/onvif/device_service
	Name     string // as its maker named it; may be empty
	Hardware string
}

const probe = `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">` +
	`<s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action><a:MessageID>uuid:%x</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>` +
	`<s:Body><d:Probe xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>`

// Discover asks the devices of this network, to says where, and gathers answers
// until ctx ends: each device once, in the order of addresses, at most 4,096.
// Answers that make no sense are passed over. Devices behind a router do not hear it.
func Discover(ctx context.Context, to netip.AddrPort) ([]Found, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	for range 2 { // UDP may lose one
		if _, err := conn.WriteTo(fmt.Appendf(nil, probe, id), net.UDPAddrFromAddrPort(to)); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	found := map[Found]bool{}
	buffer := make([]byte, answerSize)
	for ctx.Err() == nil && len(found) < foundAtMost {
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			break // the time is over
		}
		for _, f := range matches(buffer[:n]) {
			found[f] = true
		}
	}
	list := make([]Found, 0, len(found))
	for f := range found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Found) int { return strings.Compare(a.Address, b.Address) })
	return list, nil
}

// matches are the devices of one answer.
func matches(answer []byte) (found []Found) {
	var envelope struct {
		Matches []struct {
			Scopes string `xml:"Scopes"`
			XAddrs string `xml:"XAddrs"`
		} `xml:"Body>ProbeMatches>ProbeMatch"`
	}
	if xml.NewDecoder(bytes.NewReader(answer)).Decode(&envelope) != nil {
		return nil
	}
	for _, m := range envelope.Matches {
		f := Found{}
		for address := range strings.FieldsSeq(m.XAddrs) {
			if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil {
				f.Address = printable(u.String())
				break
			}
		}
		if f.Address == "" {
			continue
		}
		for scope := range strings.FieldsSeq(m.Scopes) {
			if name, ok := strings.CutPrefix(scope, "onvif://www.onvif.org/name/"); ok {
				f.Name = printable(name)
			}
			if hardware, ok := strings.CutPrefix(scope, "onvif://www.onvif.org/hardware/"); ok {
				f.Hardware = printable(hardware)
			}
		}
		found = append(found, f)
	}
	return found
}

// printable is a device's word for a table: unescaped, short, and without what
// would move a terminal's cursor.
func printable(word string) string {
	if plain, err := url.PathUnescape(word); err == nil {
		word = plain
	}
	word = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(word, "?"))
	if len(word) > 100 {
		word = strings.ToValidUTF8(word[:100], "")
	}
	return word
}
