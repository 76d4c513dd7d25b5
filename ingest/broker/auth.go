package broker

import "crypto/subtle"

// equal compares in constant time, so that a password cannot be guessed byte by
// byte from how long a refusal takes.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
