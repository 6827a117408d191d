// Package redact replaces secrets and personal data in log lines by placeholders,
// before the lines leave for a service of somebody else.
//
// # What is replaced
//
// The constants of [Class] list it: keys and tokens by the shapes that their
// vendors gave them, what stands behind a name such as password or api_key,
// authorization headers, cookies, JSON web tokens, private keys, passwords in URLs
// and connection strings, e-mail addresses, payment cards and bank accounts with a
// valid checksum, and on demand IP addresses. They are found in plain text, JSON,
// logfmt, YAML, XML, query strings and headers; also where they are escaped for
// JSON or HTML, percent-encoded, encoded once in base64, or written with invisible
// characters or look-alikes of the separators in between.
//
// # What stays
//
// Log lines must stay readable: ids such as UUIDs and hashes, times, numbers, paths
// and the names of classes stay, unless a name in front of them says that they are
// secret. What has no shape and no name, such as a password in the middle of a
// sentence, is not found. A private key whose lines are entries of their own loses
// every line but a short last one.
//
// # Placeholders
//
// A placeholder reads <SECRET:class:number>. Within a session the same value has
// the same placeholder, however it was encoded; it tells nothing of the value, not
// even its length.
package redact
