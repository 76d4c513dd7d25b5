//go:build !unix

package rtsp

func (w *wire) fill() error { return w.fillPlain() }
