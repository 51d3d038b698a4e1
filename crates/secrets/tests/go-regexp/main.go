// Go's regular expressions for tests. Each line of standard input is a JSON list: a pattern, and texts. Each line of standard output is
// "error", or a digit for each text, 1 where it matches.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<28)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var line []string
		if err := json.Unmarshal(in.Bytes(), &line); err != nil || len(line) == 0 {
			fmt.Fprintln(os.Stderr, "a line is no list of texts")
			os.Exit(1)
		}
		re, err := regexp.Compile(line[0])
		if err != nil {
			fmt.Fprintln(out, "error")
			continue
		}
		for _, text := range line[1:] {
			if re.MatchString(text) {
				out.WriteByte('1')
			} else {
				out.WriteByte('0')
			}
		}
		out.WriteByte('\n')
	}
}
