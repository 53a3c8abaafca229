package alert

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	commandWithin = 30 * time.Second
	maxOutput     = 4 << 10 // bytes of a command's output that are logged
)

// secretVariables are settings that a command has no business with.
var secretVariables = []string{"BROCK_ALERT_WEBHOOK=", "BROCK_ALERT_SECRET=", "BROCK_HEARTBEAT_URL=", "BROCK_TOKEN="}

// exec runs the command for alarms, one at a time.
func (s *Sender) exec(command []string) func(context.Context, Alarm) error {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, a Alarm) error {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
		out, err := runCommand(ctx, cmp.Or(s.o.CommandWithin, commandWithin), command, a)
		if err != nil {
			s.o.Logger.Warn("the alert command failed", "type", a.Type, "id", a.ID, "output", out, "err", err)
			return rejected{err}
		}
		s.o.Logger.Debug("the alert command ran", "type", a.Type, "id", a.ID, "output", out)
		return nil
	}
}

// runCommand runs the command with the alarm, and kills it with all that it started
// when its time is over.
func runCommand(ctx context.Context, within time.Duration, command []string, a Alarm) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(commandEnv(os.Environ()), "BROCK_EVENT="+a.Type, "BROCK_TEXT="+a.Text)
	cmd.Stdin = bytes.NewReader(a.Body)
	var out head
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	killGroup(cmd)
	err = cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it succeeded, and left something running behind it
		err = nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s did not end within %v and was killed", commandName(command), within)
	case err != nil:
		err = fmt.Errorf("%s: %w", commandName(command), err)
	}
	return out.String(), err
}

func commandEnv(env []string) (out []string) {
next:
	for _, kv := range env {
		for _, secret := range secretVariables {
			if strings.HasPrefix(kv, secret) {
				continue next
			}
		}
		out = append(out, kv)
	}
	return out
}

// head keeps the beginning of what is written to it.
type head struct {
	mu sync.Mutex
	b  []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p[:min(len(p), maxOutput-len(h.b))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(h.b), "?"))
}
