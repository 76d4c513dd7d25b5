package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The parameters of RFC 9106's second recommended option: 64 MiB, 3 passes.
const (
	hashTime   = 3
	hashMemory = 64 << 10 // KiB
	hashLanes  = 4
	hashBytes  = 32
)

// Hash makes the string for password_hash.
func Hash(password string) string {
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	sum := argon2.IDKey([]byte(password), salt[:], hashTime, hashMemory, hashLanes, hashBytes)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashLanes, enc.EncodeToString(salt[:]), enc.EncodeToString(sum))
}

var errHash = errors.New(`password_hash: is not what "ioc user hash" prints`)

func checkHash(hash string) error {
	_, _, _, err := parse(hash)
	return err
}

func verify(hash, password string) bool {
	params, salt, want, err := parse(hash)
	if err != nil {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, params.time, params.memory, params.lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

type hashParams struct {
	memory, time uint32
	lanes        uint8
}

func parse(hash string) (p hashParams, salt, sum []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil || p.memory > 1<<20 || p.time < 1 || p.time > 20 || p.lanes < 1 {
		return p, nil, nil, errHash
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	sum, errSum := base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(sum) < 16 {
		return p, nil, nil, errHash
	}
	return p, salt, sum, nil
}
