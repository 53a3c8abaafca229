package bus

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
)

func TestSubjectsStayApart(t *testing.T) {
	for _, name := range []string{"agents.>", "agents", "agents.*.task", "brocks.x", "A-1"} {
		require.NoError(t, Subject{Name: name}.Validate(), name)
	}
	for _, name := range []string{"", ">", "*", "*.x", "brock", "brock.>", "brock.alpha.health", "backups", "backups.progress", "backups.>", "backups2.x",
		"$JS.API.>", "$SRV.PING", "$SYS.>", "_INBOX.>", "_INBOX_viewer.x", "a..b", "a.", ".a", "a.>.b", "a.b*", "a b", "a\n", "a.\x7f"} {
		err := Subject{Name: name}.Validate()
		var wrong *SubjectError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, name, wrong.Subject)
		require.ErrorIs(t, err, ErrConfig)
	}
	require.ErrorIs(t, Subject{Name: "a", Publish: "root"}.Validate(), ErrConfig)
	_, err := StartServer(t.Context(), ServerConfig{Hub: testHub, Addr: "127.0.0.1:0", StoreDir: t.TempDir(),
		Credentials: NewCredentials(), Subjects: []Subject{{Name: "brock.>"}}})
	require.ErrorIs(t, err, ErrConfig)
}

// Each role may do with an embedder's subject what it says, and nothing else changes.
func TestSubjectsGiveRolesWhatTheySay(t *testing.T) {
	w := newWorld(t)
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), Subjects: []Subject{
		{Name: "agents.>", Publish: Operator, Subscribe: Viewer}, {Name: "inner"}}})
	w.bus()
	for _, role := range Roles() {
		nc := w.raw(role)
		require.NoError(t, nc.Publish("agents.a.b", nil))
		if role == Viewer {
			nc.denied("a viewer publishes")
		} else {
			nc.allowed("an operator publishes")
		}
		_, err := nc.SubscribeSync("agents.*")
		require.NoError(t, err)
		nc.allowed("a viewer subscribes")
		for _, subject := range []string{"inner", "agents", ">", "brock.>"} {
			require.NoError(t, nc.Publish(subject, nil))
			nc.denied("publish on " + subject)
			_, err := nc.SubscribeSync(subject)
			require.NoError(t, err)
			nc.denied("subscribe to " + subject)
		}
	}
}

// The embedder answers on its subjects, and can do nothing that is the hub's.
func TestTheEmbeddersConnection(t *testing.T) {
	w := newWorld(t)
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), Subjects: []Subject{{Name: "agents.>", Publish: Viewer}}})
	b := w.bus()
	own, err := b.Conn()
	require.NoError(t, err)
	again, err := b.Conn()
	require.NoError(t, err)
	require.Same(t, own, again)
	service, err := micro.AddService(own, micro.Config{Name: "agents", Version: "1.0.0"})
	require.NoError(t, err)
	require.NoError(t, service.AddEndpoint("echo", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(r.Data()) }),
		micro.WithEndpointSubject("agents.echo")))
	require.NoError(t, own.Flush())
	ask := func() {
		msg, err := w.raw(Viewer).RequestWithContext(w.ctx(), "agents.echo", []byte("hello"))
		require.NoError(t, err)
		require.Equal(t, "hello", string(msg.Data))
	}
	ask()
	msg, err := own.RequestWithContext(w.ctx(), "agents.echo", []byte("myself"))
	require.NoError(t, err)
	require.Equal(t, "myself", string(msg.Data))

	refused := make(chan error, 64)
	own.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	denied := func(what string) {
		t.Helper()
		select {
		case err := <-refused:
			require.ErrorIs(t, err, nats.ErrPermissionViolation, what)
		case <-w.ctx().Done():
			require.Fail(t, "was not refused", what)
		}
	}
	for _, subject := range []string{"backups", "backups.progress", "brock.alpha.backup", "$JS.API.STREAM.DELETE.BACKUPS", hubInbox + ".x", "other"} {
		require.NoError(t, own.Publish(subject, []byte(`{}`)))
		denied(subject)
	}
	for _, subject := range []string{"brock.>", hubInbox + ".>", Viewer.inboxPrefix() + ".>", ">"} {
		_, err := own.SubscribeSync(subject)
		require.NoError(t, err)
		denied(subject)
	}
	events, err := own.SubscribeSync(SubjectEvents)
	require.NoError(t, err)
	require.NoError(t, own.Flush())
	publish(t, b, 1, 1)
	_, err = events.NextMsgWithContext(w.ctx())
	require.NoError(t, err)
	require.Empty(t, refused)

	back := own.StatusChanged(nats.CONNECTED)
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.Restart(w.ctx()))
	<-back
	require.NoError(t, own.FlushWithContext(w.ctx()))
	ask()
	require.NoError(t, b.Close(w.ctx()))
	require.True(t, own.IsClosed())
	_, err = b.Conn()
	require.ErrorIs(t, err, ErrClosed)

	_, err = nats.Connect(w.server.URL(), nats.UserInfo(userOwn, w.server.password))
	require.ErrorIs(t, err, nats.ErrAuthorization, "not from outside")
}

func TestAConnectionThatWasBroughtIsTheEmbeddersOwn(t *testing.T) {
	w := newWorld(t)
	ns := w.raw(Admin)
	b := w.open(Config{Conn: ns.Conn, CoreOnly: true})
	own, err := b.Conn()
	require.NoError(t, err)
	require.Same(t, ns.Conn, own)
}
