package vault

import (
	"fmt"
)

func (f *FileInfo) problem(i int) string {
	if !safeName.MatchString(f.Name) || f.Size < 0 || f.Size > 1<<50 || !isHash(f.SHA256) {
		return fmt.Sprintf("manifest's file %d makes no sense", i+1)
	}
	return ""
}

func (m *Manifest) framesProblem() string {
	left := m.Ledger.Records
	for i, f := range m.Files {
		if problem := f.problem(i); problem != "" {
			return problem
		}
		switch {
		case f.Kind != KindFrames:
			return fmt.Sprintf("file %s is of kind %.40q, which this brock does not know", f.Name, f.Kind)
		case f.Name != partName(i+1):
			return fmt.Sprintf("manifest's file %d is %s, expected %s", i+1, f.Name, partName(i+1))
		case f.Records > left:
			return "manifest's files have more records than its ledger"
		}
		left -= f.Records
	}
	if left > 0 || len(m.Files) == 0 {
		return "manifest's files have fewer records than its ledger"
	}
	return ""
}

// imageProblem: tables in their order, then value logs, then the tail.
func (m *Manifest) imageProblem() string {
	rank := map[string]int{KindTable: 1, KindValueLog: 2, KindTail: 3}
	last, logs := 1, map[uint32]bool{}
	for i, f := range m.Files {
		if problem := f.problem(i); problem != "" {
			return problem
		}
		r := rank[f.Kind]
		switch {
		case r < last || r == 3 && i != len(m.Files)-1:
			return fmt.Sprintf("file %s of kind %.40q stands where it should not", f.Name, f.Kind)
		case f.pooled() && f.Name != poolFile(f.SHA256, f.Kind), f.Kind == KindTail && f.Name != tailName:
			return fmt.Sprintf("file %s does not have the name that its kind and hash give", f.Name)
		case f.Kind == KindTable && (f.Level < 0 || f.Level > 63):
			return fmt.Sprintf("table file %s has level %d", f.Name, f.Level)
		case f.Kind == KindValueLog && (f.ID == 0 || logs[f.ID]):
			return fmt.Sprintf("value log %s has id %d, which makes no sense", f.Name, f.ID)
		}
		logs[f.ID] = f.Kind == KindValueLog
		last = r
	}
	return ""
}

func (m *Manifest) baseProblem() string {
	s, ok := parseStamp(m.Base.Snapshot)
	switch {
	case len(m.Files) > 0:
		return "manifest has files and a base, too"
	case !ok || !isHash(m.Base.ManifestSHA256) || m.Base.Cut >= m.Cut || !s.at.Equal(m.Base.Cut.Time()):
		return "manifest's base is no earlier snapshot"
	case m.Base.Bytes < 0 || m.Base.LogBytes < 0:
		return "manifest's base makes no sense"
	}
	return ""
}
