package redact

import "strings"

// program says by which options of one letter a program takes secrets.
type program struct {
	// password are the options whose argument is a password, login those whose
	// argument is a user and a password, with between between them.
	password, login string
	between         string
	// verb is the argument without which the options mean something else.
	verb string
	// bare is whether an argument without option is user and password, or the last
	// one a password.
	bare bool
}

// programs are those whose manuals document such options. Programs without any are
// here too: their -p means something else.
var programs = map[string]program{
	"mysql": {password: "p"}, "mysqldump": {password: "p"}, "mysqladmin": {password: "p"}, "mysqlimport": {password: "p"}, "mysqlsh": {password: "p"}, "mycli": {password: "p"},
	"mysqlcheck": {password: "p"}, "mysqlshow": {password: "p"}, "mysqlbinlog": {password: "p"}, "mysqlslap": {password: "p"}, "mariadb": {password: "p"}, "xtrabackup": {password: "p"}, "percona": {password: "p"},
	"sshpass": {password: "p"}, "7z": {password: "p"}, "7za": {password: "p"}, "7zr": {password: "p"}, "7zz": {password: "p"}, "rar": {password: "ph"}, "unrar": {password: "p"},
	"zip": {password: "P"}, "unzip": {password: "P"}, "zipcloak": {password: "P"}, "redis": {password: "a"}, "valkey": {password: "a"}, "keydb": {password: "a"},
	"ldapsearch": {password: "w"}, "ldapadd": {password: "w"}, "ldapmodify": {password: "w"}, "ldapdelete": {password: "w"}, "ldapwhoami": {password: "w"}, "ldapcompare": {password: "w"}, "ldappasswd": {password: "was"}, "ldapmodrdn": {password: "w"},
	"mongo": {password: "p"}, "mongosh": {password: "p"}, "mongodump": {password: "p"}, "mongorestore": {password: "p"}, "mongoexport": {password: "p"}, "mongoimport": {password: "p"}, "mongostat": {password: "p"}, "mongotop": {password: "p"},
	"sqlcmd": {password: "P"}, "bcp": {password: "P"}, "isql": {password: "P"}, "osql": {password: "P"}, "tsql": {password: "P"}, "fisql": {password: "P"},
	"curl": {login: "uU"}, "http": {login: "a"}, "https": {login: "a"}, "xh": {login: "a"}, "ab": {login: "AP"}, "siege": {}, "wget": {}, "etcdctl": {login: "u"},
	"docker": {password: "p", verb: "login"}, "podman": {password: "p", verb: "login"}, "nerdctl": {password: "p", verb: "login"}, "buildah": {password: "p", verb: "login"}, "skopeo": {password: "p", verb: "login"},
	"helm": {password: "p", verb: "login"}, "oras": {password: "p", verb: "login"}, "crane": {password: "p", verb: "login"}, "oc": {password: "p", verb: "login"}, "az": {password: "p", verb: "login"}, "cf": {password: "p", verb: "login"}, "argocd": {},
	"psexec": {password: "p"}, "psexec64": {password: "p"}, "crackmapexec": {password: "pH"}, "netexec": {password: "pH"}, "nxc": {password: "pH"}, "hydra": {password: "p"}, "medusa": {password: "p"}, "winrm": {password: "p"},
	"smbclient": {login: "U", between: "%"}, "rpcclient": {login: "U", between: "%"}, "smbget": {login: "U", between: "%"}, "smbmap": {password: "p"}, "winexe": {login: "U", between: "%"}, "wmic": {login: "U", between: "%"}, "nmblookup": {login: "U", between: "%"},
	"lftp": {login: "u", between: ","}, "ncftp": {password: "p"}, "ncftpget": {password: "p"}, "ncftpput": {password: "p"},
	"ipmitool": {password: "P"}, "ipmipower": {password: "p"}, "mosquitto": {password: "P"}, "coap": {}, "kadmin": {password: "w"}, "p4": {password: "P"}, //nolint:misspell // It is named so.
	"snmpwalk": {password: "cAX"}, "snmpget": {password: "cAX"}, "snmpset": {password: "cAX"}, "snmpbulkwalk": {password: "cAX"}, "snmptrap": {password: "cAX"}, "snmpgetnext": {password: "cAX"},
	"rdesktop": {password: "p"}, "cqlsh": {password: "p"}, "influx": {password: "p"}, "rabbitmqadmin": {password: "p"}, "impala": {}, "beeline": {password: "p"}, "hdbsql": {password: "p"}, "nzsql": {password: "w"}, "vsql": {password: "w"}, "bteq": {},
	"openssl": {password: "kK"}, "useradd": {password: "p"}, "usermod": {password: "p"}, "ssh-keygen": {password: "NP"}, "pdftk": {}, "qpdf": {}, "steghide": {password: "p"}, "svn": {}, "wdctl": {},
	"htpasswd": {bare: true}, "sqlplus": {login: "-", between: "/", bare: true}, "expdp": {login: "-", between: "/", bare: true}, "impdp": {login: "-", between: "/", bare: true}, "rman": {login: "-", between: "/", bare: true}, "sqlldr": {login: "-", between: "/", bare: true},
	"journalctl": {}, "systemctl": {}, "ssh": {}, "scp": {}, "sftp": {}, "sudo": {}, "su": {}, "ps": {}, "git": {}, "make": {}, "mkdir": {}, "cp": {}, "tar": {}, "rsync": {}, "nmap": {}, "nc": {}, "kubectl": {}, "lsof": {}, "pip": {}, "psql": {}, "pg_dump": {},
}

// command is the command that the scanner is in.
type command struct {
	program
	// known is whether it is one of programs, and begin its end in the text.
	known bool
	begin int
	// user is the place behind an option -u with an argument, or 0.
	user int
}

// maxCommand bounds how far behind a program's name its options are looked for, and
// maxArguments how many arguments are looked at where all are.
const (
	maxCommand   = 1 << 10
	maxArguments = 16
)

// program notes the program whose name is from..to.
func (s *scanner) program(from, to int) {
	t := s.text
	if from > 0 && (t[from-1] == '-' || t[from-1] == '.' || t[from-1] == '_' || t[from-1] == '=' || t[from-1] == '@') || to == len(t) {
		return
	}
	end := setDotted.end(t, to) // redis-cli, psexec.exe, mariadb-dump
	if end == len(t) || t[end] != ' ' && !isQuote(t[end]) && t[end] != ',' {
		return
	}
	p, ok := programs[strings.ToLower(t[from:end])]
	if !ok {
		p = programs[strings.ToLower(t[from:to])]
	}
	s.command = command{program: p, known: true, begin: end}
	if s.command.bare {
		s.bareArguments(end)
	}
}

// inCommand returns the command that at is in.
func (s *scanner) inCommand(at int) command {
	c := s.command
	if at-c.begin > maxCommand || c.begin > at || strings.IndexByte(s.text[c.begin:at], '\n') >= 0 {
		return command{}
	}
	return c
}

// bareArguments looks at the arguments without options of a program that takes
// secrets there: user/password@database, or a password as the last.
func (s *scanner) bareArguments(at int) {
	t := s.text
	var last value
	n, bare := 0, 0
	for v := s.argument(at); v.from < v.to && n < maxArguments; v = s.argument(s.after(v)) {
		if n++; t[v.from] == '-' {
			continue
		}
		if s.command.login != "" {
			s.login(v, s.command.between)
			return
		}
		last = v
		bare++
	}
	if bare > 1 {
		s.add(last.from, last.to, Password)
	}
}

// login looks at the password of user and password in one argument.
func (s *scanner) login(v value, between string) {
	user, password, ok := strings.Cut(s.text[v.from:v.to], between)
	if !ok || user == "" && between == "/" || password == user || strings.HasPrefix(password, "//") || numeric(password) && len(password) < 6 {
		return
	}
	if at := strings.LastIndexByte(password, '@'); at > 0 && between == "/" {
		password = password[:at]
	}
	from := v.from + len(user) + len(between)
	if p := (value{from, from + len(password), v.quoted}); password != "" && !s.public(p, v.from) {
		s.add(p.from, p.to, Password)
	}
}

// dash looks at what begins with a dash.
func (s *scanner) dash(at int) {
	t := s.text
	if at+1 == len(t) {
		return
	}
	switch next := t[at+1]; {
	case next == '>':
		s.assignment(at, at+2)
	case at > 0 && t[at-1] == '<' && (next == ' ' || isQuote(next)):
		s.assignment(at-1, at+1)
	case strings.HasPrefix(t[at:], "-->"):
		s.assignment(at, at+len("-->"))
	case next == '-':
		s.dashes(at)
	case isLetter(next) && (at == 0 || t[at-1] <= ' ' || isQuote(t[at-1]) || t[at-1] == '-' || t[at-1] == '[' || t[at-1] == ','):
		s.option(at)
	}
}

// option looks at the argument of the option of a command at the given place, which is
// its last dash.
func (s *scanner) option(at int) {
	t := s.text
	if at < s.covered {
		return
	}
	c := s.inCommand(at)
	double := at > 0 && t[at-1] == '-'
	n := name{at + 1, setDotted.end(t, at+1)}
	if double || n.to-n.from > 1 && (!strings.Contains(c.password+c.login, t[n.from:n.from+1]) || strings.HasPrefix(t[n.from:n.to], "pass")) {
		if s.longOption(n) || double {
			return
		}
	}
	letter := t[n.from : n.from+1]
	end := n.from + 1
	if last := t[n.to-1 : n.to]; n.to-n.from > 1 && strings.Contains(c.login, last) && s.endsOption(n.to) {
		letter, end = last, n.to // switches in front, as in curl -su
	}
	if end < len(t) && t[end] == '=' {
		end++
	}
	v := s.value(at, end)
	if s.endsOption(end) {
		v = s.argument(end)
	}
	if v.from >= v.to || t[v.from] == '-' || s.public(v, at) {
		return
	}
	text := t[v.from:v.to]
	switch {
	case strings.Contains(c.password, letter):
		if c.verb == "" || strings.Contains(t[c.begin:at], c.verb) {
			s.add(v.from, v.to, Password)
		}
	case strings.Contains(c.login, letter):
		between := c.between
		if between == "" {
			between = ":"
		}
		s.login(v, between)
	case letter == "u" || letter == "U":
		s.command.user = at
		if user, _, ok := strings.Cut(text, ":"); ok && len(user) > 1 && !strings.Contains(text, "://") {
			s.login(v, ":")
		}
	case (letter == "p" || letter == "P") && !c.known && s.command.user > 0 && at-s.command.user < maxCommand/4:
		if len(text) >= 4 && strings.Trim(text, digits+".:") != "" && text[0] != '/' && text[0] != '.' {
			s.add(v.from, v.to, Password)
		}
	}
}

func (s *scanner) endsOption(at int) bool {
	t := s.text
	return at >= len(t) || t[at] <= ' ' || t[at] == ',' || isQuote(t[at]) && (at+1 == len(t) || t[at+1] <= ' ' || t[at+1] == ',' || t[at+1] == ']')
}

// loginOptions are long options whose argument may be a user and a password.
var loginOptions = set("user proxy-user userpwd auth credentials creds login basic http-auth basic-auth")

// longOption looks at the argument of an option with a name, behind a space, and
// reports whether the name says what it is.
func (s *scanner) longOption(n name) bool {
	t := s.text
	if !s.endsOption(n.to) || n.to >= len(t) {
		return false
	}
	v := s.argument(n.to)
	if v.from >= v.to || strings.HasPrefix(t[v.from:], "--") || v.from+2 < len(t) && t[v.from] == '-' && t[v.from+2] == ' ' {
		return s.ruleOf(n).secret() // the option is a switch, or its argument was replaced before
	}
	switch option := strings.ToLower(t[n.from:n.to]); {
	case loginOptions[option]:
		s.command.user = n.from
		s.login(v, ":")
		return true
	case option == "username", option == "uid":
		s.command.user = n.from
		return true
	}
	r := s.ruleOf(n)
	if !r.secret() {
		return false
	}
	s.judge(r, n, v, n.to)
	return true
}

// piped looks at what echo writes into a program that reads a password.
func (s *scanner) piped(_, to int) {
	v := s.argument(to)
	for v.from+1 < v.to && v.to-v.from == 2 && s.text[v.from] == '-' { // echo -n
		v = s.argument(v.to)
	}
	if v.from >= v.to || s.public(v, to) {
		return
	}
	rest, _, _ := strings.Cut(s.text[s.after(v):min(s.after(v)+4*maxName, len(s.text))], "\n")
	if strings.HasPrefix(strings.TrimLeft(rest, " "), "|") && readsPassword(rest) {
		if strings.Contains(rest, "chpasswd") {
			s.login(v, ":")
			return
		}
		s.add(v.from, v.to, Password)
	}
}

// readsPassword reports whether a command reads a password from its standard input.
func readsPassword(command string) bool {
	for _, part := range []string{"sudo -S", "chpasswd", "stdin", "passphrase-fd", "kinit", "cryptsetup", "smbpasswd", "-passin", "sudo --stdin", "su -", "base64"} {
		if strings.Contains(command, part) {
			return true
		}
	}
	return false
}

// netUser looks at the password in net user NAME PASSWORD and net use PLACE PASSWORD
// of Windows.
func (s *scanner) netUser(_, to int) {
	verb := s.argument(to)
	word := s.text[verb.from:verb.to]
	if !equalFold(word, "user") && !equalFold(word, "use") {
		return
	}
	v := s.argument(s.after(verb))
	login, names := false, 0
	for range maxArguments {
		if v.from >= v.to {
			return
		}
		text := s.text[v.from:v.to]
		switch {
		case text[0] == '/':
			login = login || strings.HasPrefix(text, "/user:")
		case text[0] == '\\' || text[len(text)-1] == ':' || text == "*":
		case equalFold(word, "user") && names == 0:
			names++
		default:
			rest := s.text[v.to:min(len(s.text), v.to+maxName)]
			if login || looksSecret(text) || strings.Contains(rest, " /") || strings.Contains(s.text[to:v.from], " /") {
				s.add(v.from, v.to, Password)
			}
			return
		}
		v = s.argument(s.after(v))
	}
}
