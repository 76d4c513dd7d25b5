package streams

import (
	"errors"
	"fmt"

	"vonglau/metrics"
)

// Reason is the closed set of ways in which an attempt ends.
type Reason string

// The reasons.
const (
	ReasonUnauthorised Reason = "unauthorised"  // user or password refused
	ReasonNotFound     Reason = "not_found"     // the path does not exist on the camera
	ReasonNoVideo      Reason = "no_video"      // the session has no video of a codec that is taken
	ReasonNotRTSP      Reason = "not_rtsp"      // something else answers on the port
	ReasonRefused      Reason = "refused"       // nothing listens on the port
	ReasonUnreachable  Reason = "unreachable"   // no route, no such host
	ReasonTimeout      Reason = "timeout"       // no answer in time
	ReasonSilent       Reason = "silent"        // the session is up, video stopped
	ReasonBusy         Reason = "busy"          // too many sessions, the camera's limit or ours
	ReasonClosed       Reason = "closed"        // the camera closed the connection
	ReasonProtocol     Reason = "protocol"      // an answer that makes no sense
	ReasonOversize     Reason = "oversize"      // a picture larger than the bound
	ReasonCodec        Reason = "codec"         // the video is of another codec than the session says
	ReasonCertificate  Reason = "certificate"   // rtsps: the camera's certificate is not trusted
	ReasonConfig       Reason = "configuration" // the address or the transport is wrong
)

// Reasons are all reasons, for labels and tests.
var Reasons = []Reason{
	ReasonUnauthorised, ReasonNotFound, ReasonNoVideo, ReasonNotRTSP, ReasonRefused, ReasonUnreachable,
	ReasonTimeout, ReasonSilent, ReasonBusy, ReasonClosed, ReasonProtocol, ReasonOversize, ReasonCodec, ReasonCertificate,
	ReasonConfig,
}

var reasonTexts = map[Reason]metrics.Text{
	ReasonUnauthorised: {Vi: "Camera từ chối tên đăng nhập hoặc mật khẩu", En: "The camera refuses the user or the password"},
	ReasonNotFound:     {Vi: "Camera không có luồng hình ở đường dẫn này", En: "The camera has no stream under this path"},
	ReasonNoVideo:      {Vi: "Luồng không có hình H.264, H.265 hoặc MJPEG", En: "The stream has no H.264, H.265 or MJPEG video"},
	ReasonNotRTSP:      {Vi: "Cổng này không trả lời bằng RTSP", En: "The port does not answer with RTSP"},
	ReasonRefused:      {Vi: "Thiết bị từ chối kết nối", En: "The device refuses the connection"},
	ReasonUnreachable:  {Vi: "Không tới được địa chỉ của camera", En: "The camera's address cannot be reached"},
	ReasonTimeout:      {Vi: "Camera không trả lời trong thời gian cho phép", En: "The camera does not answer in time"},
	ReasonSilent:       {Vi: "Kết nối còn nhưng không có hình gửi về", En: "The connection is up, but no video comes"},
	ReasonBusy:         {Vi: "Thiết bị đã đủ số phiên xem", En: "The device has no free session"},
	ReasonClosed:       {Vi: "Camera đóng kết nối", En: "The camera closed the connection"},
	ReasonProtocol:     {Vi: "Camera trả lời sai giao thức", En: "The camera's answer breaks the protocol"},
	ReasonOversize:     {Vi: "Khung hình lớn quá mức cho phép", En: "A picture is larger than allowed"},
	ReasonCodec:        {Vi: "Luồng hình đổi sang chuẩn nén khác với khi kết nối", En: "The video changed to another codec than the session was set up for"},
	ReasonCertificate:  {Vi: "Chứng chỉ của camera không được tin cậy", En: "The camera's certificate is not trusted"},
	ReasonConfig:       {Vi: "Địa chỉ hoặc kiểu truyền của camera cấu hình sai", En: "The camera's address or transport is configured wrongly"},
}

// Text says the reason to people.
func (r Reason) Text() metrics.Text { return reasonTexts[r] }

// Failure is how an attempt ended. Its text never holds a user or a password:
// whoever makes one sees to that.
type Failure struct {
	Reason Reason
	Detail string // technical, English, safe to log; may be empty
}

func (f *Failure) Error() string {
	if f.Detail == "" {
		return string(f.Reason)
	}
	return fmt.Sprintf("%s: %s", f.Reason, f.Detail)
}

// FailureOf finds the Failure in an error's chain; any other error, and nil, is
// a closed connection: an attempt that ends has failed.
func FailureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Reason: ReasonClosed}
}
