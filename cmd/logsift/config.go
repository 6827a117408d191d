package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"logsift/bootstrap"
)

func (e *environment) configCommand() *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Check the settings"}, e.configCheckCommand())
}

func (e *environment) configCheckCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check whether serve and worker could start with the settings",
		Long: `check reads the settings as serve and worker do: flags over LOGSIFT_* variables over
the file over defaults. It prints every fault and exits with status 2, or prints the
settings that differ from the defaults; -o json has all of them. Passwords are not shown.

With --connect it also opens the store and the files of keys and certificates, and exits
with status 1 if serve could not. It changes nothing, but makes an embedded store that
is missing.`,
		Example: `  logsift config check --config /etc/logsift/logsift.yaml --connect`,
		Args:    cobra.NoArgs,
	}
	config.Flags(cmd.Flags(), bootstrap.GroupAll)
	connect := cmd.Flags().Bool("connect", false, "open the store and all files too")
	e.outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		if err := config.ValidateOpen(); err != nil {
			return err
		}
		if *connect {
			app, err := bootstrap.New(cmd.Context(), config)
			if err != nil {
				return err
			}
			if err := app.Stop(cmd.Context()); err != nil {
				return err
			}
		}
		return e.printSettings(config, *connect)
	}
	return cmd
}

func (e *environment) printSettings(config bootstrap.Config, connected bool) error {
	settings := config.Settings()
	if e.output == formatJSON {
		return e.printJSON(settings)
	}
	rows := [][]string{{"SETTING", "VALUE", "DEFAULT"}}
	for _, s := range settings.Settings {
		if s.Value != s.Default {
			rows = append(rows, []string{s.Name, s.Value, s.Default})
		}
	}
	if len(rows) > 1 {
		if err := columns(e.stdout, rows); err != nil {
			return err
		}
	}
	told := "the settings are valid"
	if connected {
		told += ", and the store is there"
	}
	_, err := fmt.Fprintln(e.stdout, told)
	return err
}
