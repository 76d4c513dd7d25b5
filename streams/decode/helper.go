package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"vonglau/streams"
)

// The ways in which no picture comes out.
var (
	// ErrBusy: as many wait as may; come back in a moment.
	ErrBusy = errors.New("the picture helper is busy")
	// ErrNoPicture: no keyframe of the camera has come yet.
	ErrNoPicture = errors.New("no keyframe has come yet")
	errKilled    = errors.New("the picture helper took too long and was ended")
	errTooMuch   = errors.New("the picture helper wrote more than a picture")
)

// waitingAtMost bounds those who wait for the one helper.
const waitingAtMost = 8

// helper runs ffmpeg, once at a time.
type helper struct {
	program   string
	limit     time.Duration
	memory    uint64
	telemetry *telemetry
	waiting   chan struct{} // of size waitingAtMost
	running   chan struct{} // of size 1
}

func newHelper(o *Options, t *telemetry) *helper {
	return &helper{
		program: o.Program, limit: o.Limit, memory: o.Memory, telemetry: t,
		waiting: make(chan struct{}, waitingAtMost), running: make(chan struct{}, 1),
	}
}

// demuxers are ffmpeg's names of what is fed to it.
var demuxers = map[streams.Codec]string{streams.H264: "h264", streams.H265: "hevc", streams.MJPEG: "mjpeg"}

// decode feeds one keyframe to ffmpeg and returns what it writes for the given
// output options, at most most bytes. It waits for its turn, but not if many do.
func (h *helper) decode(ctx context.Context, codec streams.Codec, keyframe []byte, most int, output ...string) ([]byte, error) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, ErrBusy
	}
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	out, err := h.run(ctx, codec, keyframe, most, output)
	h.telemetry.seconds.Add(time.Since(began).Seconds())
	result := resultDecoded
	switch {
	case errors.Is(err, errKilled):
		result = resultKilled
	case err != nil:
		result = resultFailed
	}
	h.telemetry.runs.WithLabelValues(result).Inc()
	return out, err
}

func (h *helper) run(ctx context.Context, codec streams.Codec, keyframe []byte, most int, output []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.limit, errKilled)
	defer cancel()
	args := append([]string{
		"-hide_banner", "-loglevel", "error", "-nostdin", "-max_alloc", "268435456", "-protocol_whitelist", "pipe",
		"-threads", "1", "-filter_threads", "1", "-f", demuxers[codec], "-i", "pipe:0", "-an", "-frames:v", "1", "-threads", "1",
	}, output...)
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.WaitDelay = time.Second
	out, complaint := &bounded{most: most}, &bounded{most: 512, quiet: true}
	cmd.Stdout, cmd.Stderr = out, complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("picture helper: %w", err)
	}
	confine(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("picture helper: %w", err)
	}
	limitErr := limits(cmd.Process.Pid, h.memory, h.limit) // before it gets anything to read
	if limitErr == nil {
		_, _ = in.Write(keyframe) // what it did not read shows in what it wrote
	}
	_ = in.Close()
	err = cmd.Wait()
	switch {
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case limitErr != nil:
		return nil, fmt.Errorf("picture helper: limits: %w", limitErr)
	case out.over:
		return nil, errTooMuch
	case err != nil || out.buf.Len() == 0:
		return nil, fmt.Errorf("the keyframe cannot be decoded (%s)", complaint.line())
	}
	return out.buf.Bytes(), nil
}

// bounded is a buffer that refuses more than most bytes or, when quiet, drops them.
type bounded struct {
	buf   bytes.Buffer
	most  int
	quiet bool
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) <= b.most {
		return b.buf.Write(p)
	}
	if b.quiet {
		b.buf.Write(p[:b.most-b.buf.Len()])
		return len(p), nil
	}
	b.over = true
	return 0, errTooMuch
}

// line is the first line, for a message.
func (b *bounded) line() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b.buf.Bytes()), []byte{'\n'})
	if len(line) == 0 {
		return "no reason given"
	}
	return string(bytes.ToValidUTF8(line, []byte("?")))
}
