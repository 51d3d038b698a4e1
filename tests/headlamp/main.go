// A stand-in for Headlamp, whose own image cannot be had in the lab: the same port, and a page that says what it is.
package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, "<title>Headlamp</title><p>This is a stand-in for Headlamp.")
	})
	panic(http.ListenAndServe(":4466", nil))
}
