package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"logsift/bootstrap"
)

// keyCommand groups the commands about the keys of the API. They change the file
// that the servers read.
func (e *environment) keyCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke the keys of the API",
		Long: `key makes, lists and revokes the keys of the API. The file that --keys names, here
and for serve, holds them as hashes. Servers see a change within a second.

A key is ls_ID_SECRET, with ten and 52 characters. Clients send it in the header
"Authorization: Bearer KEY"; shippers that know only user and password send it as
the password; the commands of logsift take it from LOGSIFT_API_KEY.`,
		Example: `  logsift key create --keys keys.yaml --role admin --name anna
  logsift key create --keys keys.yaml --role ingest --name fluent-bit --expires 90d
  logsift serve --addr 0.0.0.0:8080 --keys keys.yaml`,
	}, e.keyCreateCommand(), e.keyListCommand(), e.keyRevokeCommand())
}

// keyFileCommand makes a command that works on the file of keys.
func (e *environment) keyFileCommand(cmd *cobra.Command, run func(args []string, file string) error) *cobra.Command {
	config := bootstrap.DefaultConfig()
	config.Flags(cmd.Flags(), bootstrap.GroupKeys)
	e.outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		if config.Keys == "" {
			return usageError("no file of keys is named: use --keys FILE, or set LOGSIFT_KEYS")
		}
		return run(args, config.Keys)
	}
	return cmd
}

func (e *environment) keyCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key and print it, once",
		Long: `create makes a key, prints it to standard output, and adds its hash to the file. It
makes the file if there is none. The key itself is not stored.

Roles: ingest sends logs and sees nothing; worker claims tasks and reports on them, and
sees no others; read sees everything but the settings; write also does what these do,
creates tasks, and retries, cancels and runs single ones; admin does everything.`,
		Args: cobra.NoArgs,
	}
	role := cmd.Flags().String("role", "", "what the key may do: ingest, worker, read, write or admin (required)")
	name := cmd.Flags().String("name", "", "whom or what the key is for, as the audit log shows it (required)")
	var expires lifetime
	cmd.Flags().Var(&expires, "expires", "how long the key is good for, such as 12h or 90d (default for ever)")
	return e.keyFileCommand(cmd, func(_ []string, file string) error {
		if *role == "" || *name == "" {
			return usageError("a key needs --role ingest, worker, read, write or admin, and --name")
		}
		key, text, err := bootstrap.CreateAPIKey(file, *name, *role, time.Duration(expires))
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(struct {
				bootstrap.APIKey

				Key string `json:"key"`
			}{key, text})
		}
		e.note("key %s for %s with the role %s is in %s as a hash; this is the only time it is shown:", key.ID, key.Name, key.Role, file)
		_, err = fmt.Fprintln(e.stdout, text)
		return err
	})
}

func (e *environment) keyListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the keys", Args: cobra.NoArgs}
	return e.keyFileCommand(cmd, func(_ []string, file string) error {
		keys, err := bootstrap.ListAPIKeys(file)
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(struct {
				Keys []bootstrap.APIKey `json:"keys"`
			}{keys})
		}
		rows := [][]string{{"ID", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES"}}
		now := time.Now()
		for i := range keys {
			k := &keys[i]
			expires := "never"
			if !k.Expires.IsZero() {
				expires = k.Expires.Format(time.RFC3339)
			}
			rows = append(rows, []string{k.ID, k.Name, k.Role, k.State(now), k.Created.Format(time.RFC3339), expires})
		}
		return columns(e.stdout, rows)
	})
}

func (e *environment) keyRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke a key for good",
		Long: `revoke ends a key, and the sessions that browsers began with it. Running servers
refuse it within a second. It stays in the list; you may remove its line from the
file.`,
		Args: cobra.ExactArgs(1),
	}
	return e.keyFileCommand(cmd, func(args []string, file string) error {
		key, err := bootstrap.RevokeAPIKey(file, args[0])
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(key)
		}
		_, err = fmt.Fprintf(e.stdout, "key %s of %s is revoked\n", key.ID, key.Name)
		return err
	})
}

// lifetime is a duration that may be given in days.
type lifetime time.Duration

func (l *lifetime) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

func (l *lifetime) Type() string { return "duration" }

func (l *lifetime) Set(text string) error {
	const day = 24 * time.Hour
	value, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		value = time.Duration(n) * day
	}
	if err != nil || value <= 0 {
		return errors.New("must be positive, such as 12h or 90d")
	}
	*l = lifetime(value)
	return nil
}
