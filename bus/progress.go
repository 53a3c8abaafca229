package bus

// Progress is a hint about work under way. Done and Total are bytes.
type Progress struct {
	Run   string `json:"run"`
	Table string `json:"table"`
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}
