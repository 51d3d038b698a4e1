module kubestead.local/traefik

go 1.26.4

require github.com/traefik/traefik/v3 v3.7.13

// The forks that Traefik's own go.mod names; of go-http-auth, the one that the module proxy has.
replace (
	github.com/abbot/go-http-auth => github.com/containous/go-http-auth v0.4.1-0.20200324110947-a37a7636d23e
	github.com/gorilla/mux => github.com/containous/mux v0.0.0-20250523120546-41b6ec3aed59
)

// Modules within Traefik's repository are in no archive of it. Of lego, scripts/traefik.sh puts what Traefik needs into ./lego:
// lego v5.4.1
replace (
	github.com/go-acme/lego/v5 => ./lego
	github.com/traefik/traefik/dynamic/ext => ./ext
)
