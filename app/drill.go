package app

import (
	"context"
	"math/rand/v2"

	"github.com/brockdb/brock/storage/vault"
)

// drillMoment drills the table at a moment chosen at random.
func (h *Hub) drillMoment(ctx context.Context, table string, out *DrillReport) error {
	m, ok, err := h.vault.DrillMoment(ctx, table, rand.Float64(), h.path(scratchDir))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !ok && err == nil {
		return nil
	}
	out.Bytes += m.Bytes
	out.DurationMS += m.DurationMS
	if err != nil {
		out.Status = StatusFailed
		out.Problems = append(out.Problems, Problem{Table: table, Problem: err.Error(), Cause: err})
		return nil
	}
	out.Moments = append(out.Moments, Moment{Table: table, Version: m.At, At: vault.At(m.At.Time()), Records: m.Records, DurationMS: m.DurationMS})
	return nil
}
