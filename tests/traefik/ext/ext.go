// Package ext has what others may add to Traefik's configuration: nothing.
package ext

// HTTP adds nothing to the configuration of HTTP.
type HTTP struct{}

// Router adds nothing to a router.
type Router struct{}
