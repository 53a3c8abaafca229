package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// sample makes an agent hub's records; the seed makes them the same every time.
type sample struct {
	*rand.Rand
	now   time.Time
	lines [][]byte
}

var (
	sampleVerbs    = []string{"Review", "Fix", "Measure", "Document", "Refactor", "Deploy", "Investigate", "Translate"}
	sampleThings   = []string{"the login form", "slow queries", "the release notes", "flaky tests", "the billing export", "memory use", "the search index", "the onboarding mail"}
	sampleAgents   = []string{"ada", "bela", "chen", "dora", "emil", "fatou", "goran", "hana"}
	sampleChannels = []string{"general", "builds", "incidents", "research", "releases"}
	sampleStates   = []string{"queued", "assigned", "completed", "completed", "completed"}
	sampleLevels   = []string{"low", "normal", "normal", "high"}
)

func (s *sample) one(of []string) string { return of[s.IntN(len(of))] }

func (s *sample) task() string { return s.one(sampleVerbs) + " " + s.one(sampleThings) }

// at is a moment in the order of i, in milliseconds.
func (s *sample) at(i int) int64 {
	return s.now.Add(time.Duration(i) * 37 * time.Second).UnixMilli()
}

func (s *sample) add(table, key string, value map[string]any) {
	b, err := json.Marshal(map[string]any{"table": table, "key": key, "value": value})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	s.lines = append(s.lines, b)
}

// demoBatches are a few thousand records over the nine tables, as import takes them.
func demoBatches() [][]byte {
	s := &sample{Rand: rand.New(rand.NewPCG(8, 20)), now: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)}
	s.config()
	for i := range 1200 {
		s.addTask(i)
	}
	for i := range 1600 {
		s.addMessage(i)
	}
	var out [][]byte
	for len(s.lines) > 0 {
		n := min(batchLines, len(s.lines))
		out = append(out, bytes.Join(s.lines[:n], []byte("\n")))
		s.lines = s.lines[n:]
	}
	return out
}

func (s *sample) config() {
	for i, name := range sampleChannels {
		s.add("agent_channels", name, map[string]any{"name": name, "members": sampleAgents[:3+i], "created_at": s.at(i)})
	}
	s.add("agentcom_config", "limits", map[string]any{"max_retries": 3, "lease_seconds": 300})
	s.add("agentcom_config", "default_channel", map[string]any{"channel": sampleChannels[0]})
}

func (s *sample) addTask(i int) {
	key := fmt.Sprintf("task-%05d", i)
	task := map[string]any{"id": key, "description": s.task(), "status": s.one(sampleStates), "priority": s.one(sampleLevels),
		"assigned_to": s.one(sampleAgents), "generation": 1 + s.IntN(3), "created_at": s.at(i)}
	s.add("task_queue", key, task)
	if i%40 == 39 {
		s.add("task_dead_letter", key, map[string]any{"id": key, "reason": "gave up after 3 retries", "at": s.at(i + 5)})
	}
}

func (s *sample) addMessage(i int) {
	key, from, to := fmt.Sprintf("msg-%06d", i), s.one(sampleAgents), s.one(sampleAgents)
	message := map[string]any{"id": key, "from": from, "to": to, "text": s.task() + ", please", "sent_at": s.at(i)}
	s.add("message_history", key, message)
	switch i % 4 {
	case 0:
		channel := s.one(sampleChannels)
		s.add("channel_history", fmt.Sprintf("%s/%06d", channel, i), map[string]any{"channel": channel, "message": key, "from": from})
	case 1:
		s.add("agent_mailbox", to+"/"+key, map[string]any{"message": key, "read": s.IntN(2) == 0})
	case 2:
		s.add("thread_messages", key, map[string]any{"thread": key, "root": key, "text": message["text"]})
	case 3:
		s.add("thread_replies", fmt.Sprintf("msg-%06d/%s", i-1, key), map[string]any{"thread": fmt.Sprintf("msg-%06d", i-1), "reply": key})
	}
}
