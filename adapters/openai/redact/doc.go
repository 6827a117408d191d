// Package redact replaces secrets and personal data in log lines by placeholders,
// before the lines leave for a service of somebody else.
//
// # What is replaced
//
// The constants of [Class] list it:
//
//   - keys, tokens and hashes of passwords, by their forms (forms.tsv, with its source);
//   - what follows a name such as password or api_key, or the name of a vendor;
//   - what options of commands, SQL, verbs of protocols, columns of tables and parts of
//     forms say is a password;
//   - authorization headers, cookies, JSON web tokens, private keys, and passwords in
//     URLs and connection strings;
//   - e-mail addresses, payment cards and bank accounts with a valid checksum, and on
//     demand IP addresses.
//
// The package finds them in plain text, JSON, logfmt, YAML, XML, query strings and
// headers; also where they are escaped for JSON or HTML, percent-encoded, encoded once
// in base64, or written with invisible characters or look-alike letters and separators.
//
// # What stays
//
// Log lines must stay readable: ids such as UUIDs and hashes, times, numbers, paths
// and the names of classes stay, unless a name in front of them says that they are
// secret. A secret without a known form, name or surroundings is not found. In a
// sentence ("the password is …") a word is found if it has digits or signs; a plain
// word is not. A private key whose lines are entries of their own loses every line
// but a short last one.
//
// # What is measured
//
// The package redacttest plants secrets of each class, puts them into surroundings,
// some of them written after the rules, and has lines that only look as if they held
// a secret. TestRealLogsStay counts the lines of real logs that are changed.
//
// # Placeholders
//
// A placeholder reads <SECRET:class:number>. Within a session the same value has the
// same placeholder, however it was encoded. The placeholder reveals nothing of the
// value, not even its length.
package redact
