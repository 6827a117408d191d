package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"logsift/domain"
)

//go:embed migration/*.sql
var migrations embed.FS

// applicationID marks our files in the header of SQLite: "lgsf".
const applicationID = 0x6c677366

// migrate brings the file up to the newest version. The caller has begun a
// transaction, so that of several processes one does it.
func migrate(ctx context.Context, conn *sql.Conn) error {
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil {
		return err
	}
	var version, application, tables int
	for query, into := range map[string]*int{
		"PRAGMA user_version":                &version,
		"PRAGMA application_id":              &application,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(into); err != nil {
			return err
		}
	}
	switch {
	case application != applicationID && (tables > 0 || application != 0):
		return fmt.Errorf("%w: the file is a database of another program; name another file", domain.ErrStoreUnavailable)
	case version > len(names):
		return fmt.Errorf("%w: the file has version %d, this program knows versions up to %d; use a newer program", domain.ErrStoreUnavailable, version, len(names))
	case version == len(names):
		return nil
	}
	for _, name := range names[version:] {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("migrate by %s: %w", path.Base(name), err)
		}
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	_, versionErr := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(names)))
	return errors.Join(err, versionErr)
}
