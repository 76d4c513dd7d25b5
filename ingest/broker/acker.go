package broker

import (
	"context"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxUnsettled bounds the messages of one client that wait for the door; then
// the client is not read any further.
const maxUnsettled = 1024

// acker acknowledges one client's messages in a goroutine of its own, so that
// a client that does not read never holds up the door.
type acker struct {
	client *mochi.Client
	places chan struct{} // one for each unsettled message
	ready  chan answer   // what to acknowledge; as wide as places, so a send never waits
	gone   chan struct{} // closed when the client has left
}

// answer to a message: PUBACK, or PUBREC at QoS 2. mochi completes the latter
// (PUBREL, PUBCOMP) by itself; a message that comes again has its identity.
type answer struct {
	kind byte
	id   uint16
}

func newAcker(cl *mochi.Client) *acker {
	return &acker{client: cl, places: make(chan struct{}, maxUnsettled), ready: make(chan answer, maxUnsettled), gone: make(chan struct{})}
}

// expect makes place for a message and returns how to settle it; ok is false
// when the client or the broker went away while waiting.
func (a *acker) expect(ctx context.Context, pk packets.Packet) (settle func(), ok bool) {
	if pk.FixedHeader.Qos == 0 {
		return nil, true
	}
	select {
	case a.places <- struct{}{}:
	case <-a.gone:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
	ack := answer{packets.Puback, pk.PacketID}
	if pk.FixedHeader.Qos == 2 {
		ack.kind = packets.Pubrec
	}
	return func() { a.ready <- ack }, true
}

func (a *acker) run() {
	for {
		select {
		case <-a.gone:
			return
		case next := <-a.ready:
			<-a.places
			ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: next.kind}, PacketID: next.id}
			if a.client.WritePacket(ack) != nil {
				a.client.Stop(nil)
			}
		}
	}
}
