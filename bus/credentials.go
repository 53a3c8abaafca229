package bus

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
)

// Role is what a credential may do. Each role may do all that the one before
// it may: viewer, operator, admin.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // sees: health, runs, snapshots, events
	Operator Role = "operator" // acts: backup, verify, drill, restore, compact
	Admin    Role = "admin"    // reads and writes records
)

// Roles lists the roles, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// inboxPrefix is the role's own inbox, which no other role may listen to.
func (r Role) inboxPrefix() string { return "_INBOX_" + string(r) }

// Credential lets somebody in: User and Password over NATS, Token over HTTP.
// Printing or logging one shows only the user.
type Credential struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token"`
}

// String hides the secrets.
func (c Credential) String() string { return "credential of " + c.User }

// GoString hides the secrets from %#v.
func (c Credential) GoString() string { return c.String() }

// LogValue hides the secrets from slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Credentials holds one credential a role, as in credentials.json.
type Credentials struct {
	Admin    Credential `json:"admin"`
	Operator Credential `json:"operator"`
	Viewer   Credential `json:"viewer"`
}

// NewCredentials makes a fresh set: users named as the roles, passwords and
// tokens of 256 random bits each.
func NewCredentials() Credentials {
	return Credentials{
		Admin:    newCredential(string(Admin)),
		Operator: newCredential(string(Operator)),
		Viewer:   newCredential(string(Viewer)),
	}
}

// Role returns the credential of r; false for a role that does not exist.
func (c Credentials) Role(r Role) (Credential, bool) {
	switch r {
	case Admin:
		return c.Admin, true
	case Operator:
		return c.Operator, true
	case Viewer:
		return c.Viewer, true
	}
	return Credential{}, false
}

// String hides the secrets.
func (c Credentials) String() string { return "credentials of admin, operator and viewer" }

// GoString hides the secrets from %#v.
func (c Credentials) GoString() string { return c.String() }

// LogValue hides the secrets from slog.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Rotate returns the credentials with new passwords and tokens for the roles.
func (c Credentials) Rotate(roles ...Role) Credentials {
	for _, role := range roles {
		switch role {
		case Admin:
			c.Admin = newCredential(c.Admin.User)
		case Operator:
			c.Operator = newCredential(c.Operator.User)
		case Viewer:
			c.Viewer = newCredential(c.Viewer.User)
		}
	}
	return c
}

// Validate says which role lacks what, never the value. The error matches ErrConfig.
func (c Credentials) Validate() error {
	users, tokens := map[string]Role{}, map[string]Role{}
	for _, role := range Roles() {
		cred, _ := c.Role(role)
		switch other, taken := users[cred.User]; {
		case cred.User == "" || cred.Password == "":
			return configError("the credential of role %s needs a user and a password", role)
		case strings.HasPrefix(cred.User, internalPrefix):
			return configError("the user name of role %s starts with %q, which is the hub's own", role, internalPrefix)
		case taken:
			return configError("the roles %s and %s share a user name", other, role)
		}
		if other, taken := tokens[cred.Token]; taken && cred.Token != "" {
			return configError("the roles %s and %s share a token", other, role)
		}
		users[cred.User], tokens[cred.Token] = role, role
	}
	return nil
}

func newCredential(user string) Credential {
	return Credential{User: user, Password: newSecret(), Token: newSecret()}
}

// newSecret returns 256 random bits. crypto/rand.Read never fails.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

var (
	_ fmt.GoStringer = Credential{}
	_ slog.LogValuer = Credentials{}
)
