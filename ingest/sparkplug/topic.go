package sparkplug

import "strings"

// Namespace is the first level of every topic.
const Namespace = "spBv1.0"

// Filter is what a host subscribes to.
const Filter = Namespace + "/#"

// kind is a message type.
type kind string

const (
	nodeBirth   kind = "NBIRTH"
	nodeDeath   kind = "NDEATH"
	nodeData    kind = "NDATA"
	deviceBirth kind = "DBIRTH"
	deviceDeath kind = "DDEATH"
	deviceData  kind = "DDATA"
)

// address is a topic, read: spBv1.0/group/KIND/edge[/device].
type address struct {
	group  string
	kind   kind
	edge   string
	device string // empty: the node itself
}

// parseTopic reads a topic. Mine is false for messages that a host does not
// read: commands, and the STATE of other hosts.
func parseTopic(topic string) (a address, mine, ok bool) {
	parts := strings.Split(topic, "/")
	if len(parts) >= 2 && parts[0] == Namespace && parts[1] == "STATE" {
		return a, false, true
	}
	if len(parts) < 4 || len(parts) > 5 || parts[0] != Namespace {
		return a, false, false
	}
	a = address{group: parts[1], kind: kind(parts[2]), edge: parts[3]}
	if len(parts) == 5 {
		a.device = parts[4]
	}
	if a.group == "" || a.edge == "" || len(parts) == 5 && a.device == "" {
		return a, false, false
	}
	switch a.kind {
	case nodeBirth, nodeDeath, nodeData:
		return a, true, a.device == ""
	case deviceBirth, deviceDeath, deviceData:
		return a, true, a.device != ""
	case "NCMD", "DCMD":
		return a, false, true
	}
	return a, false, false
}

// command is the topic of a node's commands.
func (a address) command() string { return Namespace + "/" + a.group + "/NCMD/" + a.edge }

// node names the edge node among all.
func (a address) node() string { return a.group + "/" + a.edge }
