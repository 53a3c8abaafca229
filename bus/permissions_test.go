package bus

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// The whole contract of who may publish what. JetStream subjects are listed
// because a permission too many there lets a viewer rewrite history.
func TestPublishPermissions(t *testing.T) {
	w := newWorld(t)
	w.bus()
	everybody := []Role{Viewer, Operator, Admin}
	cases := []struct {
		subject string
		roles   []Role
	}{
		{"brock.alpha.health", everybody},
		{"brock.alpha.list", everybody},
		{"brock.alpha.run", everybody},
		{"brock.alpha.backup", []Role{Operator, Admin}},
		{"brock.alpha.verify", []Role{Operator, Admin}},
		{"brock.alpha.drill", []Role{Operator, Admin}},
		{"brock.alpha.restore", []Role{Operator, Admin}},
		{"brock.alpha.compact", []Role{Operator, Admin}},
		{"brock.alpha.alert", []Role{Operator, Admin}},
		{"brock.alpha.records.get", []Role{Admin}},
		{"brock.alpha.records.put", []Role{Admin}},
		{"brock.alpha.nonsense", nil},
		{"brock.beta.health", nil},
		{"backups", nil},
		{"backups.progress", nil},
		{"backups.anything", nil},
		{"anything", nil},
		{"_INBOX.someone", nil},
		{"_INBOX_admin.someone", nil},
		{"$SRV.PING", everybody},
		{"$SRV.INFO.brock", everybody},
		{"$SYS.REQ.SERVER.PING", nil},
		{"$JS.API.STREAM.INFO.BACKUPS", everybody},
		{"$JS.API.STREAM.CREATE.OTHER", nil},
		{"$JS.API.STREAM.UPDATE.BACKUPS", nil},
		{"$JS.API.STREAM.DELETE.BACKUPS", nil},
		{"$JS.API.STREAM.PURGE.BACKUPS", nil},
		{"$JS.API.STREAM.MSG.DELETE.BACKUPS", nil},
		{"$JS.API.STREAM.SNAPSHOT.BACKUPS", nil},
		{"$JS.API.STREAM.RESTORE.BACKUPS", nil},
		{"$JS.API.CONSUMER.DURABLE.CREATE.BACKUPS.x", nil},
		{"$JS.API.CONSUMER.CREATE.OTHER.x", nil},
	}
	for _, role := range everybody {
		nc := w.raw(role)
		for _, tc := range cases {
			may := false
			for _, r := range tc.roles {
				may = may || r == role
			}
			what := fmt.Sprintf("%s publishes on %s", role, tc.subject)
			require.NoError(t, nc.Publish(tc.subject, []byte(`{}`)))
			if may {
				nc.allowed(what)
			} else {
				nc.denied(what)
			}
		}
	}
}

func TestSubscribePermissions(t *testing.T) {
	w := newWorld(t)
	w.bus()
	for _, role := range Roles() {
		nc := w.raw(role)
		own := role.inboxPrefix() + ".>"
		for _, subject := range []string{"backups", "backups.progress", "_INBOX.abc", "_INBOX.>", own} {
			sub, err := nc.SubscribeSync(subject)
			require.NoError(t, err)
			nc.allowed(fmt.Sprintf("%s subscribes to %s", role, subject))
			require.NoError(t, sub.Unsubscribe())
		}
		denied := []string{">", "backups.>", "brock.>", "brock.alpha.health", "$SRV.>", "$JS.>", "_INBOX*.>", "*.>", hubInbox + ".>"}
		for _, other := range Roles() {
			if other != role {
				denied = append(denied, other.inboxPrefix()+".>", other.inboxPrefix()+".abc.*")
			}
		}
		for _, subject := range denied {
			_, err := nc.SubscribeSync(subject)
			require.NoError(t, err)
			nc.denied(fmt.Sprintf("%s subscribes to %s", role, subject))
		}
	}
}

// The hub's own users cannot come in from outside, even with the password.
func TestInternalUsersAreInProcessOnly(t *testing.T) {
	w := newWorld(t)
	for _, user := range []string{userEvents, userRequests} {
		_, err := nats.Connect(w.server.URL(), nats.UserInfo(user, w.server.password))
		require.ErrorIs(t, err, nats.ErrAuthorization)
	}
	_, err := nats.Connect(w.server.URL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
}

// A reply subject is the asker's choice: it must not make the hub or the server
// publish an event, or give a command, that the asker may not.
func TestReplySubjectsGiveNoPower(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	asked := make(chan string, 16)
	serve(t, b, Endpoint{Name: "health", Handler: answer("healthy")}, Endpoint{Name: "backup", Handler: note(asked)})
	events, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	nc := w.raw(Viewer)
	for _, reply := range []string{"backups", "brock.alpha.backup"} {
		for _, subject := range []string{"brock.alpha.health", "$SRV.PING.brock", "$SRV.INFO", "$JS.API.STREAM.INFO.BACKUPS"} {
			require.NoError(t, nc.PublishRequest(subject, reply, nil))
		}
	}
	require.NoError(t, nc.Flush())
	require.NoError(t, w.client(Viewer).Request(w.ctx(), testHub, "health", nil, nil)) // the hub is through with the above
	publish(t, b, 1, 1)
	expect(t, events, 1, 1) // and no forged one before it
	require.Empty(t, asked)
}
