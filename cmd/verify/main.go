// Command verify traces container images to their source and judges what of
// that can be proved.
package main

import (
	"os"

	"github.com/imageverify/verify/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Process()))
}
