package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"logsift/bootstrap"
)

func (e *environment) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Long: `man writes a manual page for each command into the folder, and makes the folder if it
is missing. To read the pages with man, choose a folder of section 1:

  logsift man ~/.local/share/man/man1 && man logsift-serve`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // Manual pages are for everybody.
				return fmt.Errorf("make the folder of the manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			version := bootstrap.ReadVersion()
			header := &doc.GenManHeader{Section: "1", Source: "logsift " + version.Version, Manual: "logsift"}
			if !version.Time.IsZero() {
				header.Date = &version.Time // Pages that are made twice are the same.
			}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			return nil
		},
	}
}
