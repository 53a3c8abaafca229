package bus

import (
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
)

// Users that start with this prefix are the hub's own and can only connect
// from within the process.
const internalPrefix = "_hub_"

// The hub uses two connections with the least rights each. The one that
// replies to strangers may publish nowhere but to inboxes: the reply subject of
// a request is the asker's choice, and must not become an event or a command.
const (
	userEvents   = internalPrefix + "events"
	userRequests = internalPrefix + "requests"
	userOwn      = internalPrefix + "own" // the embedder's
)

const (
	hubInbox = "_INBOX" + internalPrefix + "private"
	ownInbox = "_INBOX" + internalPrefix + "own"
)

// endpointsOf says what each role may ask, beyond what the role before it may. It is
// the one list of who may what, on every road.
var endpointsOf = map[Role][]string{
	Viewer:   {"health", "list", "run"},
	Operator: {"backup", "verify", "drill", "restore", "compact", "alert"},
	Admin:    {"records.>", "credentials.rotate"},
}

// LeastRole returns the least role that may ask the endpoint, "" for one that nobody
// from outside may.
func LeastRole(endpoint string) Role {
	for _, role := range Roles() {
		for _, own := range endpointsOf[role] {
			family, many := strings.CutSuffix(own, ">")
			if own == endpoint || many && strings.HasPrefix(endpoint, family) {
				return role
			}
		}
	}
	return ""
}

// discovery is what `nats micro` sends.
var discovery = []string{
	"$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>",
}

// replay is what it takes to read the stream through an ordered consumer: look
// at it, make, read and remove a consumer. Nothing here changes the stream.
var replay = []string{
	"$JS.API.INFO",
	"$JS.API.STREAM.NAMES",
	"$JS.API.STREAM.LIST",
	"$JS.API.STREAM.INFO." + StreamName,
	"$JS.API.STREAM.MSG.GET." + StreamName,
	"$JS.API.DIRECT.GET." + StreamName,
	"$JS.API.DIRECT.GET." + StreamName + ".>",
	"$JS.API.CONSUMER.CREATE." + StreamName,
	"$JS.API.CONSUMER.CREATE." + StreamName + ".>",
	"$JS.API.CONSUMER.INFO." + StreamName + ".*",
	"$JS.API.CONSUMER.DELETE." + StreamName + ".*",
	"$JS.API.CONSUMER.MSG.NEXT." + StreamName + ".*",
	"$JS.ACK." + StreamName + ".>",
	"$JS.FC." + StreamName + ".>",
}

// roleUsers builds the NATS users of the three roles.
func roleUsers(cfg ServerConfig) []*natsserver.User {
	publish := append(append([]string{}, discovery...), replay...)
	var users []*natsserver.User
	for _, role := range Roles() {
		for _, endpoint := range endpointsOf[role] {
			publish = append(publish, requestSubject(cfg.Hub, endpoint))
		}
		cred, _ := cfg.Credentials.Role(role)
		pub, sub := subjectsFor(role, cfg.Subjects)
		users = append(users, &natsserver.User{
			Username: cred.User,
			Password: cred.Password,

			AllowedConnectionTypes: connectionsOf(role),
			Permissions: allow(slices.Concat(publish, pub), append(sub,
				append(liveFor(role), "_INBOX.>", role.inboxPrefix()+".>")...)),
		})
	}
	return users
}

// liveFor are the subjects of the hub that a role may listen to.
func liveFor(role Role) []string {
	live := []string{SubjectEvents, SubjectProgress}
	if role.May(Operator) {
		live = append(live, SubjectAudit)
	}
	return live
}

// internalUsers builds the hub's own users and the embedder's, usable only in this
// process. The embedder's answers strangers too, so that it may publish nowhere but to
// its subjects and to inboxes.
func internalUsers(cfg ServerConfig, password string) []*natsserver.User {
	inboxes := []string{"_INBOX.>"}
	for _, role := range Roles() {
		inboxes = append(inboxes, role.inboxPrefix()+".>")
	}
	var names []string
	for _, s := range cfg.Subjects {
		names = append(names, s.Name)
	}
	inProcess := map[string]struct{}{jwt.ConnectionTypeInProcess: {}}
	return []*natsserver.User{{
		Username: userEvents, Password: password, AllowedConnectionTypes: inProcess,
		Permissions: allow(
			[]string{SubjectEvents, SubjectProgress, SubjectAudit, "$JS.API.>"},
			[]string{SubjectEvents, SubjectProgress, hubInbox + ".>"}),
	}, {
		Username: userRequests, Password: password, AllowedConnectionTypes: inProcess,
		Permissions: allow(
			append(slices.Clone(inboxes), hubInbox+".>"),
			[]string{requestSubject(cfg.Hub, ">"), "$SRV.>", hubInbox + ".>"}),
	}, {
		Username: userOwn, Password: password, AllowedConnectionTypes: inProcess,
		Permissions: allow(
			slices.Concat(names, inboxes, []string{ownInbox + ".>"}),
			slices.Concat(names, []string{SubjectEvents, SubjectProgress, "$SRV.>", ownInbox + ".>"})),
	}}
}

func allow(publish, subscribe []string) *natsserver.Permissions {
	return &natsserver.Permissions{
		Publish:   &natsserver.SubjectPermission{Allow: publish},
		Subscribe: &natsserver.SubjectPermission{Allow: subscribe},
	}
}
