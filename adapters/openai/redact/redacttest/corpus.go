package redacttest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// Plant is a log entry with a secret in it.
type Plant struct {
	// Class is that of the secret, in the words of package redact.
	Class string
	// Form is how the secret is written, for messages.
	Form string
	// Text is the entry; it may have several lines.
	Text string
	// Secrets are what must not be seen: the secret, or the lines of a key.
	Secrets []string
}

// frame puts a value into a line.
type frame struct {
	form string
	put  func(value string) string
}

// percentAll encodes every byte that is no letter or digit.
func percentAll(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		if strings.IndexByte(alnums, b) >= 0 {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// frames are lines that hold a value by itself, without a name that gives it away.
var frames = []frame{
	{"text", func(v string) string {
		return "2026-05-01 12:00:00,123 ERROR [main] upload of " + v + " failed after 3 tries"
	}},
	{"json", func(v string) string {
		return `{"ts":"2026-05-01T12:00:00Z","level":"error","msg":` + quote("call with "+v+" was refused") + `,"n":17}`
	}},
	{"json in json", func(v string) string {
		return `{"log":` + quote(`{"msg":`+quote("got "+v)+`}`+"\n") + `,"stream":"stdout"}`
	}},
	{"logfmt", func(v string) string {
		return "time=2026-05-01T12:00:00Z level=warn msg=" + quote("using "+v) + " dur=3.2ms"
	}},
	{"query", func(v string) string {
		return `10.0.0.7 - - [01/May/2026:12:00:00 +0000] "GET /v1/items?page=2&arg=` + url.QueryEscape(v) + `&sort=up HTTP/1.1" 200 512`
	}},
	{"percent twice", func(v string) string { return "redirect to /login?next=" + percentAll(percentAll("/cb?x="+v+"&y=1")) }},
	{"header", func(v string) string { return "> X-Upstream-Note: " + v }},
	{"trace", func(v string) string {
		return "java.lang.IllegalStateException: cannot use " + v + "\n\tat com.example.store.Client.open(Client.java:42)\n\tat java.base/java.lang.Thread.run(Thread.java:840)"
	}},
	{"syslog", func(v string) string {
		return "<34>1 2026-05-01T12:00:00Z web1 app 812 ID47 - started with (" + v + ")"
	}},
	{"list", func(v string) string { return "args: [serve, " + v + ", --verbose]" }},
	{"colours", func(v string) string { return "\x1b[31mERROR\x1b[0m saw \x1b[1m" + v + "\x1b[0m twice" }},
	{"html", func(v string) string { return "body: &lt;b&gt;" + v + "&lt;/b&gt; &quot;ok&quot;" }},
	{"quotes", func(v string) string { return "Der Wert “" + v + "” ist ungültig – 値が無効です" }},
	{"newline", func(v string) string { return `msg="first\n` + v + `\nlast"` }},
	{"invisible", func(v string) string { return "saw " + v[:len(v)/2] + "\u200b" + v[len(v)/2:] + " again" }},
	{"unicode escapes", func(v string) string {
		return fmt.Sprintf(`{"msg":"saw \u%04x%s"}`, v[0], strings.Trim(quote(v[1:]), `"`))
	}},
}

// pair puts a name and a value into a line.
type pair struct {
	form string
	put  func(name, value string) string
}

var pairs = []pair{
	{"key=value", func(n, v string) string {
		return "2026-05-01 12:00:00 INFO connect user=app " + n + "=" + v + " host=db1"
	}},
	{"quoted", func(n, v string) string { return "level=info " + n + "=" + quote(v) + " host=db1" }},
	{"json", func(n, v string) string { return `{"level":"info","` + n + `":` + quote(v) + `,"host":"db1"}` }},
	{"json with spaces", func(n, v string) string { return `{"level": "info", "` + n + `" : ` + quote(v) + `}` }},
	{"json in json", func(n, v string) string { return `{"log":` + quote(`{"`+n+`":`+quote(v)+`,"a":1}`) + `}` }},
	{"yaml", func(n, v string) string { return "config loaded:\n  host: db1\n  " + n + ": " + v + "\n  port: 5432" }},
	{"query", func(n, v string) string {
		return "GET /login?user=app&" + n + "=" + url.QueryEscape(v) + "&next=%2F HTTP/1.1"
	}},
	{"query, percent", func(n, v string) string { return "goto=" + percentAll("https://x.example/?"+n+"="+v+"&a=1") }},
	{"python", func(n, v string) string { return "connect(**{'user': 'app', '" + n + "': '" + v + "', 'port': 5432})" }},
	{"ruby", func(n, v string) string {
		return `Parameters: {"user"=>"app", "` + n + `"=>"` + v + `", "commit"=>"Log in"}`
	}},
	{"java", func(n, v string) string { return "Config{user=app, " + n + "=" + v + ", url=jdbc:h2}" }},
	{"go", func(n, v string) string { return "config: {User:app " + n + ":" + v + " Port:5432}" }},
	{"xml", func(n, v string) string { return "<login><user>app</user><" + n + ">" + v + "</" + n + "></login>" }},
	{"attributes", func(n, v string) string { return `<add key="` + n + `" value="` + v + `" />` }},
	{"environment", func(n, v string) string {
		return `env: [{"name":"` + n + `","value":"` + v + `"},{"name":"PORT","value":"80"}]`
	}},
	{"shell", func(n, v string) string { return "+ export " + n + "='" + v + "'" }},
	{"flag", func(n, v string) string { return "exec: tool --" + n + " " + v + " --port 5432" }},
	{"flag=", func(n, v string) string { return "exec: tool --" + n + "=" + v + " --port 5432" }},
	{"connection string", func(n, v string) string { return "Server=db1;Database=app;User Id=sa;" + n + "=" + v + ";Encrypt=true" }},
	{"full width", func(n, v string) string { return "設定 " + n + "＝" + v + " 完了" }},
	{"look-alike colon", func(n, v string) string { return "настройки " + n + "꞉ " + v + " готово" }},
	{"typographic quotes", func(n, v string) string { return "réglage " + n + " = “" + v + "” fin" }},
	{"tuple", func(n, v string) string { return "headers: [('accept', '*/*'), ('" + n + "', '" + v + "')]" }},
	{"html", func(n, v string) string { return "form: " + n + "=&quot;" + v + "&quot; &amp; more" }},
}

// Corpus returns the plants of a seed: several hundred, of every class.
func Corpus(seed uint64) []Plant {
	b := &builder{r: rand.New(rand.NewPCG(seed, 0))}
	b.keys()
	b.headers()
	b.privateKeys()
	b.urls()
	b.named()
	b.people()
	return b.plants
}

type builder struct {
	r      *rand.Rand
	plants []Plant
}

func (b *builder) add(class, form, text string, secrets ...string) {
	b.plants = append(b.plants, Plant{Class: class, Form: form, Text: text, Secrets: secrets})
}

// framed adds a class in n frames, which go round.
func (b *builder) framed(class, form string, n int, secret func() string) {
	for i := range n {
		f := frames[(len(b.plants)+i)%len(frames)]
		v := secret()
		b.add(class, form+", "+f.form, f.put(v), v)
	}
}

func (b *builder) keys() {
	for _, k := range keyShapes {
		b.framed(k.class, k.vendor, 5, func() string {
			v := k.make(b.r)
			if k.vendor == "Slack hook" {
				v = "https://hooks.slack.com/" + "services/" + v
			}
			return v
		})
	}
	for i := range b.plants { // the address of a hook is no secret
		for j, s := range b.plants[i].Secrets {
			b.plants[i].Secrets[j] = strings.TrimPrefix(s, "https://hooks.slack.com/"+"services/")
		}
	}
	for _, p := range pairs {
		v := draw(b.r, std64, 40)
		b.add("aws_secret_key", p.form, p.put("aws_secret_access_key", v), v)
	}
	b.framed("jwt", "signed", 12, func() string { return token(b.r, 3) })
	b.framed("jwt", "encrypted", 4, func() string { return token(b.r, 5) })
	b.framed("encoded_secret", "base64", 8, func() string {
		return base64.StdEncoding.EncodeToString([]byte(`{"user":"app","password":"` + password(b.r, 1) + `"}`))
	})
}

func (b *builder) headers() {
	basic := func() string {
		return base64.StdEncoding.EncodeToString([]byte("app:" + draw(b.r, alnums, 10+b.r.IntN(3))))
	}
	bearer := func() string { return draw(b.r, url64, 32) }
	for _, h := range []struct {
		scheme string
		secret func() string
	}{{"Bearer", bearer}, {"bearer", bearer}, {"Basic", basic}, {"Token", bearer}, {"ApiKey", bearer}} {
		for _, put := range []frame{
			{"header", func(v string) string { return "> Authorization: " + h.scheme + " " + v }},
			{"header in lower case", func(v string) string { return "> authorization: " + h.scheme + " " + v + "\n> accept: */*" }},
			{"proxy", func(v string) string { return "Proxy-Authorization: " + h.scheme + " " + v }},
			{"json", func(v string) string {
				return `{"headers":{"Authorization":"` + h.scheme + " " + v + `","Accept":"*/*"}}`
			}},
			{"json in json", func(v string) string {
				return `{"log":` + quote(`{"authorization":"`+h.scheme+" "+v+`"}`) + `}`
			}},
			{"map of Go", func(v string) string { return "map[Accept:[*/*] Authorization:[" + h.scheme + " " + v + "]]" }},
			{"curl", func(v string) string {
				return "+ curl -sS -H 'Authorization: " + h.scheme + " " + v + "' https://x.example/"
			}},
			{"python", func(v string) string { return "{'Authorization': '" + h.scheme + " " + v + "', 'Accept': '*/*'}" }},
		} {
			v := h.secret()
			b.add("authorization", h.scheme+", "+put.form, put.put(v), v)
		}
	}
	for _, f := range frames {
		if f.form == "invisible" || f.form == "unicode escapes" {
			continue
		}
		v := draw(b.r, url64, 40)
		b.add("authorization", "Bearer alone, "+f.form, f.put("Bearer "+v), v)
	}
	response := draw(b.r, hexes, 32)
	b.add("authorization", "Digest", `Authorization: Digest username="app", realm="x", uri="/a", response="`+response+`"`, response)
	signature := draw(b.r, hexes, 64)
	b.add("authorization", "AWS", "Authorization: AWS4-HMAC-SHA256 Credential=AK"+"IA"+draw(b.r, base32, 16)+"/20260501/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature="+signature, signature)
	for range 4 {
		sid, csrf, name := draw(b.r, alnums, 26), draw(b.r, url64, 32), draw(b.r, lowers, 6)
		b.add("cookie", "header", "> Cookie: "+name+"="+sid+"; theme=dark; csrf="+csrf, sid, csrf)
		b.add("cookie", "response", "< Set-Cookie: "+name+"="+sid+"; Path=/; HttpOnly; SameSite=Lax", sid)
		b.add("cookie", "json", `{"cookie":"`+name+"="+sid+"; csrf="+csrf+`","path":"/"}`, sid, csrf)
		b.add("cookie", "session", "GET /a;JSESSIONID="+strings.ToUpper(sid)+" HTTP/1.1", strings.ToUpper(sid))
		b.add("cookie", "session id", "login ok session_id="+sid+" user=7", sid)
	}
}

func (b *builder) privateKeys() {
	for _, kind := range []string{"", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "} {
		text, lines := privateKey(b.r, kind)
		b.add("private_key", kind+"lines", "loading key\n"+text+"\ndone", lines...)
		text, lines = privateKey(b.r, kind)
		b.add("private_key", kind+"escaped", `{"private":`+quote(text)+`,"id":7}`, lines...)
		text, lines = privateKey(b.r, kind)
		b.add("private_key", kind+"escaped twice", `{"log":`+quote(`{"pem":`+quote(text+"\n")+`}`)+`}`, lines...)
		text, lines = privateKey(b.r, kind)
		b.add("private_key", kind+"percent", "POST pem="+percentAll(text)+"&id=7", lines...)
		text, lines = privateKey(b.r, kind)
		cut := len(text) / 2
		b.add("private_key", kind+"cut at its end", "key: "+text[:cut], lines[:3]...)
		b.add("private_key", kind+"cut at its begin", text[len(text)-150:], lines[len(lines)-1])
		_, lines = privateKey(b.r, kind)
		for _, line := range lines {
			b.add("private_key", kind+"line by line", line, line)
		}
	}
}

func (b *builder) urls() {
	schemes := []string{"postgres", "postgresql", "mysql", "redis", "rediss", "amqp", "mongodb+srv", "https", "http", "ftp", "smtp", "jdbc:postgresql", "kafka+sasl", "ldap"}
	for i, scheme := range schemes {
		plain := password(b.r, 3*i)
		b.add("url_password", scheme, "connecting to "+scheme+"://app:"+plain+"@db1.internal:5432/app?sslmode=require", plain)
		encoded := url.QueryEscape("p@" + draw(b.r, alnums, 8) + "/" + draw(b.r, alnums, 4) + " x")
		b.add("url_password", scheme+" encoded", "dial "+scheme+"://app:"+encoded+"@db1:5432: refused", encoded)
		raw := draw(b.r, alnums, 6) + "/" + draw(b.r, alnums, 6) + "#1"
		b.add("url_password", scheme+" with a slash", `{"url":"`+scheme+"://app:x"+raw+"@db1:5432/app\"}", raw)
		v := password(b.r, i)
		b.add("url_password", scheme+" in a query", "next="+percentAll(scheme+"://app:"+v+"@db1/x"), percentAll(v))
	}
	for range 4 {
		v := password(b.r, 0)
		b.add("url_password", "Redis without user", "redis://:"+v+"@cache:6379/0 connected", v)
		v = password(b.r, 2)
		b.add("url_password", "Go's MySQL driver", "open app:"+v+"@tcp(db1:3306)/app?parseTime=true", v)
		v = password(b.r, 2)
		b.add("url_password", "Oracle thin", "jdbc:oracle:thin:scott/"+v+"@//db1:1521/x", v)
		v = draw(b.r, alnums, 20)
		b.add("url_password", "token as user", "clone https://"+v+"7a9@git.example.com/x.git", v)
	}
}

func (b *builder) named() {
	passwords := []string{"password", "db_password", "DB_PASSWORD", "spring.datasource.password", "passwd", "userPassword", "pwd", "passphrase"}
	secrets := []string{"secret", "client_secret", "apiKey", "API_KEY", "x-api-key", "private_key_id", "webhookSecret", "encryption-key"}
	tokens := []string{"token", "access_token", "refreshToken", "X-Auth-Token", "csrf_token", "GITHUB_TOKEN", "id_token", "auth.token"}
	for i, p := range pairs {
		for j := range 2 {
			v := password(b.r, i+j)
			if strings.HasPrefix(p.form, "java") || p.form == "connection string" || p.form == "go" {
				v = draw(b.r, alnums, 12)
			}
			n := passwords[(i+j*3)%len(passwords)]
			b.add("password", n+", "+p.form, p.put(n, v), v)
			n, v = secrets[(i+j*3)%len(secrets)], draw(b.r, alnums, 12+8*j)
			b.add("secret", n+", "+p.form, p.put(n, v), v)
			n, v = tokens[(i+j*3)%len(tokens)], draw(b.r, url64, 16+8*j)
			b.add("token", n+", "+p.form, p.put(n, v), v)
		}
		n := []string{"ref", "next_page", "nonce", "data"}[i%4]
		if v := draw(b.r, alnums, 40); p.form != "flag" && p.form != "xml" && p.form != "tuple" {
			b.add("high_entropy", n+", "+p.form, p.put(n, v), v)
		}
	}
	for _, text := range []string{
		"mot_de_passe: %s", "contraseña=%s", "пароль: %s", "密码：%s", "パスワード=%s", "비밀번호: %s", "senha: '%s'", "kennwort=%s",
		"ALTER USER app WITH PASSWORD '%s'", "CREATE USER app IDENTIFIED BY '%s'", "password := \"%s\"", "password=b'%s'",
		"Password: Some(\"%s\")", "params[password]=%s", "curl -sS --user app:%s https://x.example/", "  password: %s and more words",
	} {
		v := password(b.r, 0)
		b.add("password", strings.ReplaceAll(text, "%s", "…"), fmt.Sprintf(text, v), v)
	}
	quoted := `pa"ss` + draw(b.r, alnums, 6)
	b.add("password", "a quote in JSON", `{"password":`+quote(quoted)+`,"a":1}`, quoted[3:])
	b.add("password", "a quote in JSON in JSON", `{"log":`+quote(`{"password":`+quote(quoted)+`}`)+`}`, quoted[3:])
	account := draw(b.r, std64, 86) + "=="
	b.add("secret", "Azure storage", "DefaultEndpointsProtocol=https;AccountName=x;AccountKey="+account+";EndpointSuffix=core.windows.net", account)
	sig := draw(b.r, std64, 43) + "="
	b.add("secret", "Azure SAS", "GET /c/b?sv=2024&sp=r&sig="+url.QueryEscape(sig), url.QueryEscape(sig), sig)
}

func (b *builder) people() {
	domains := []string{"example.com", "mail.example.co.uk", "firma.example", "münchen.example", "xn--mnchen-3ya.example"}
	for i := range 24 {
		local := draw(b.r, lowers, 5) + []string{".", "_", "+", "-"}[i%4] + draw(b.r, lowers, 6)
		v := local + "@" + domains[i%len(domains)]
		f := frames[i%len(frames)]
		b.add("email", f.form, f.put(v), local) // the domain is in other lines, too
	}
	b.add("email", "look-alike", "from jane.roe＠example.com to us", "jane.roe")
	for i := range 5 {
		for _, c := range []struct {
			prefix string
			length int
		}{{"4", 16}, {"51", 16}, {"2221", 16}, {"34", 15}, {"6011", 16}, {"3530", 16}} {
			v := card(b.r, c.prefix, c.length, []string{"", " ", "-"}[i%3])
			f := frames[len(b.plants)%14]
			b.add("card_number", f.form, f.put(v), v)
		}
	}
	for i := range 4 {
		for _, c := range []struct {
			country string
			length  int
		}{{"DE", 22}, {"GB", 22}, {"FR", 27}, {"NL", 18}} {
			if c.country == "GB" || c.country == "NL" {
				c.country, c.length = "ES", 24 // theirs have letters, which the checksum's test needs not
			}
			v := account(b.r, c.country, c.length, i%2 == 1)
			f := frames[len(b.plants)%14]
			b.add("iban", f.form, f.put(v), v)
		}
	}
	for range 6 {
		v := fmt.Sprintf("%03d-%02d-%04d", 100+b.r.IntN(500), 10+b.r.IntN(89), 1000+b.r.IntN(8999))
		b.add("us_ssn", "text", "applicant ssn "+v+" verified", v)
	}
}
