package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/cache"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show where the cache is, or make it smaller",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&a.flags.cacheDir, "cache-dir", "", "the cache in `DIR` (default: $VERIFY_CACHE_DIR, else the user's cache)")
	cmd.AddCommand(a.cachePathCommand(), a.cachePruneCommand())
	return cmd
}

func (a *app) cachePathCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "path",
		Short: "Print the cache's directory",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := a.cacheDir()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, dir)
			return err
		},
	}
}

func (a *app) cachePruneCommand() *cobra.Command {
	var maxSize int64
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Remove what was not used for long, or all of it",
		Example: "  verify cache prune\n  verify cache prune --older-than 720h\n  verify cache prune --max-size 1000000000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Without a bound everything goes; an age alone bounds no size.
			if olderThan > 0 && !cmd.Flags().Changed("max-size") {
				maxSize = -1
			}
			return a.prune(maxSize, olderThan)
		},
	}
	cmd.Flags().Int64Var(&maxSize, "max-size", 0, "leave at most `BYTES`, the latest used")
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "remove what was not used for this `DURATION`")
	return cmd
}

func (a *app) prune(maxSize int64, olderThan time.Duration) error {
	dir, err := a.cacheDir()
	if err != nil {
		return err
	}
	c, err := cache.Open(dir)
	if err != nil {
		return &verify.RunError{Code: "cache", Message: err.Error(), Input: dir}
	}
	defer c.Close()
	removed, err := c.Prune(maxSize, olderThan)
	if err != nil {
		return &verify.RunError{Code: "cache", Message: err.Error(), Input: dir}
	}
	_, err = fmt.Fprintf(a.env.Stdout, "removed %s from %s\n", verify.FormatBytes(removed), dir)
	return err
}
