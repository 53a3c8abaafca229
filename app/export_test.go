package app

import "github.com/brockdb/brock/app/web"

// HTTPRoutes are the routes as the listener has them.
func (h *Hub) HTTPRoutes() []web.Route { return h.web.Routes() }
