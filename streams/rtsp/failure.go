package rtsp

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"vonglau/metrics"
	"vonglau/streams"
)

// failure says what an error of the library means.
func (s *session) failure(err error) *streams.Failure {
	return s.reason(classify(err))
}

// reason prefers what the wire saw: that something else than RTSP answers
// explains any error that follows.
func (s *session) reason(f *streams.Failure) *streams.Failure {
	if w := s.wire.Load(); w != nil && w.foreign.Load() {
		return &streams.Failure{Reason: streams.ReasonNotRTSP}
	}
	return f
}

func classify(err error) *streams.Failure {
	if f, ok := errors.AsType[*streams.Failure](err); ok {
		return f
	}
	fail := func(r streams.Reason, detail string) *streams.Failure {
		return &streams.Failure{Reason: r, Detail: detail}
	}
	if status, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err); ok {
		// The number only: the words are the camera's.
		detail := fmt.Sprintf("status %d", status.Code)
		switch status.Code {
		case base.StatusUnauthorized, base.StatusForbidden, base.StatusConnectionCredentialsNotAccepted:
			return fail(streams.ReasonUnauthorised, detail)
		case base.StatusNotFound, base.StatusGone:
			return fail(streams.ReasonNotFound, detail)
		case base.StatusUnsupportedTransport:
			return fail(streams.ReasonConfig, detail+": the camera does not send over this transport")
		case base.StatusNotEnoughBandwidth, base.StatusServiceUnavailable:
			return fail(streams.ReasonBusy, detail)
		}
		return fail(streams.ReasonProtocol, detail)
	}
	if _, ok := errors.AsType[liberrors.ErrClientAuthSetup](err); ok {
		return fail(streams.ReasonUnauthorised, "no known method of authentication")
	}
	if invalid, ok := errors.AsType[liberrors.ErrClientSDPInvalid](err); ok {
		if strings.Contains(invalid.Error(), "no media streams") {
			return fail(streams.ReasonNoVideo, "")
		}
		return fail(streams.ReasonProtocol, invalid.Error())
	}
	if errors.As(err, new(liberrors.ErrClientTCPTimeout)) || errors.As(err, new(liberrors.ErrClientUDPTimeout)) {
		return fail(streams.ReasonSilent, "")
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fail(streams.ReasonCertificate, untrusted.Err.Error())
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fail(streams.ReasonUnreachable, "no such host")
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(streams.ReasonRefused, "")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fail(streams.ReasonUnreachable, "")
	case errors.As(err, new(liberrors.ErrClientRequestTimedOut)), errors.Is(err, os.ErrDeadlineExceeded), timedOut(err):
		return fail(streams.ReasonTimeout, "")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), errors.As(err, new(liberrors.ErrClientTerminated)):
		return fail(streams.ReasonClosed, "")
	}
	return fail(streams.ReasonProtocol, err.Error())
}

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// withhold drops a failure's detail if it repeats a credential, in clear or as
// it travels: what a camera answers is its choice.
func withhold(f *streams.Failure, camera metrics.Camera) *streams.Failure {
	if len(f.Detail) > 256 {
		f.Detail = f.Detail[:256]
	}
	pair := camera.Username + ":" + camera.Password
	for _, secret := range []string{
		camera.Password, url.QueryEscape(camera.Password), url.PathEscape(camera.Password),
		strings.ReplaceAll(url.QueryEscape(camera.Password), "+", "%20"),
		camera.Username, url.QueryEscape(camera.Username), url.PathEscape(camera.Username),
		base64.StdEncoding.EncodeToString([]byte(pair)),
	} {
		if secret != "" && camera.Username+camera.Password != "" && strings.Contains(f.Detail, secret) {
			return &streams.Failure{Reason: f.Reason, Detail: "detail withheld"}
		}
	}
	return f
}
