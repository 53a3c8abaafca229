package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/brockdb/brock/bus"
)

// Keys knows the roles' tokens. Its methods may be called from any goroutine.
type Keys struct {
	keys atomic.Pointer[[]key]

	mu      sync.Mutex
	changed chan struct{} // closed and replaced by Set
}

// key is a token's hash: of one length, so that comparing it tells nothing of the token's.
type key struct {
	role bus.Role
	sum  [sha256.Size]byte
}

// Set takes new tokens; the old ones are nobody's from then on. A role without a token
// cannot come in.
func (k *Keys) Set(creds bus.Credentials) {
	var keys []key
	for _, role := range bus.Roles() {
		if c, _ := creds.Role(role); c.Token != "" {
			keys = append(keys, key{role, sha256.Sum256([]byte(c.Token))})
		}
	}
	k.keys.Store(&keys)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changed != nil {
		close(k.changed)
		k.changed = nil
	}
}

// change is closed when the tokens change the next time.
func (k *Keys) change() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changed == nil {
		k.changed = make(chan struct{})
	}
	return k.changed
}

// has says whether a key still lets its role in.
func (k *Keys) has(one key) bool {
	keys := k.keys.Load()
	return keys != nil && slices.Contains(*keys, one)
}

// Role returns whose token it is. It takes the same time whether and where it matches:
// every key is compared, all of it. Of a token that several roles share it is the
// least of them.
func (k *Keys) Role(token string) (role bus.Role, ok bool) {
	one, ok := k.find(token)
	return one.role, ok
}

func (k *Keys) find(token string) (one key, ok bool) {
	keys := k.keys.Load()
	if keys == nil {
		return key{}, false
	}
	sum := sha256.Sum256([]byte(token))
	found := len(*keys)
	for i := len(*keys) - 1; i >= 0; i-- {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], (*keys)[i].sum[:]), i, found)
	}
	if found == len(*keys) {
		return key{}, false
	}
	return (*keys)[found], true
}

// bearer returns the request's token; given says whether it tried to bring one.
func bearer(r *http.Request) (token string, given bool) {
	head := r.Header.Values("Authorization")
	if len(head) != 1 { // two would leave open which one counts
		return "", len(head) > 0
	}
	scheme, token, _ := strings.Cut(head[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}
