package mining

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskByLook(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                             "",
		" \t ":                         "",
		"nothing here":                 "nothing here",
		"took 12 of 3.5, -7 and +1e9":  "took <*> of <*> and <*>",
		"0x1f ffffffff deadbeef cafe":  "<*> cafe",
		"from 10.1.2.3:8080 to /[::1]": "from <*>:<*> to /[::<*>]",
		"at 00:1b:44:11:3a:b7 or ff:ff:ff:ff:ff:ff or fe80::1ff:fe23:4567:890a": "at <*> or <*> or <*>",
		"id 550e8400-e29b-41d4-a716-446655440000.":                              "id <*>.",
		"open /var/log/x.log, ./a.out, ../b and ~/c":                            "open <*> and <*>",
		`cannot open "C:\Windows\x.dll"`:                                        `cannot open "<*>"`,
		"GET https://u@example.com:80/a?b=c&d#e done":                           "GET https:<*> done",
		"proxy.example.com:443 in Main.java:17 of org.example.Main":             "<*>:<*> in Main.java:<*> of org.example.Main",
		"ns.example.com answers":                                                "<*> answers",
		"on Wed Jul 27 10:59:53 2005 and Jul 4 and 27 Feb 2005":                 "on <*> and <*> and <*>",
		"may fail on Sunday":                                                    "may fail on Sunday",
		"at Thu Aug 04 15:31:25 PDT 2005":                                       "at <*>",
		"9.9 KB in 12 ms, lifetime <1 sec":                                      "<*> in <*>, lifetime <*>",
		"5 min ago and 5 minutes":                                               "<*> ago and <*> minutes",
		"user alice by user 'bob' for users":                                    "user <*> by user '<*>' for users",
		"user=alice uid=0":                                                      "user=alice uid=<*>",
		"ready=true err=null":                                                   "ready=<*> err=<*>",
		"r24=0x1 eth0 CPU12 ssh2 blk_-160 a1b2":                                 "r24=<*> eth<*> CPU<*> ssh<*> <*>",
		"size.........0 done...":                                                "size.........<*> done...",
		"delete blk_1 blk_2, blk_3; 4|5##6":                                     "delete <*>",
		"name dn228 dn229, dn230 cn1":                                           "name dn<*> cn<*>",
		"node[1-5,7] node-[40-63] x[1] sshd[12]:":                               "<*> x[<*>] sshd[<*>]:",
		"mail from alice@example.com to bob.b@mx.example.org by Foo@1a2b":       "mail from <*> to <*> by Foo@<*>",
		`"GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11; \"x) a"`:                 `"GET <*>" 2xx <*> "<*>" "<*>"`,
		`"GET / HTTP/1.1" 200 5 "-`:                                             `"GET <*>" 2xx <*> "-`,
		"java.lang.NPE: none\n\tat a.B.c(B.java:1)\n\tat d\nCaused by: x.E: y\n\tat e\n\t... 12 more": "java.lang.NPE: none Caused by: x.E: y",
		"Traceback (most recent call last):\n  File \"a.py\", line 1\n    f(x)\nValueError: 7":        "Traceback (most recent call last): ValueError: <*>",
		"{\n  \"a\": 1,\n  \"at\": 2\n}": "{ \"a\": <*>, \"at\": <*> }",
		"up\n at last ":                  "up",
		"[req-3e 11 22 - - -] and [req-3e - - - - -] a - b - 7 -x":      "[<*>] and [<*>] a - b - <*> -x",
		"release= [] () clear() x[]":                                    "release= [<*>] (<*>) clear() x[]",
		`1.2.3.4 - - "GET /x HTTP/1.1" 503 12`:                          `<*> "GET <*>" 5xx <*>`,
		"Trip(id=1, from=Shang Hai, to=Su Zhou, at=X) ok":               "Trip(id=<*>, from=Shang Hai, to=<*>, at=<*>) ok",
		`for "Carl von Ohm" and 'Mai 12 Ito', don't 'x' "y"`:            `for "Carl von Ohm" and '<*>', don't 'x' "y"`,
		`on "GET /a HTTP/1.0" of "/home/x y"`:                           `on "GET <*>" of "<*>"`,
		"audit(12.5:7): a.b:80 localhost:80 by n7:1 at 10:20 and 1:2:3": "audit(<*>): <*>:<*> localhost:<*> by <*>:<*> at <*> and <*>",
		"sent 2048 bytes (2.0 KB) in 7 (12 ms) or 7 of (8 KB) and (9)":  "sent <*> bytes in <*> or <*> of (<*>) and (<*>)",
		`key HKEY_USERS\A\B in D:\x.y`:                                  `key <*> in <*>`,
		"to=<a.b+c@d7.example.org>, x7@y and x@y":                       "to=<<*>>, <*> and <*>",
		"{\"a\":\"b\"}":                     "{\"a\":\"b\"}",
		"订单12345已创建":                        "订单<*>已创建",
		"\x1b[31mred\x1b[0m\x00 and \x1b":   "red and",
		"a\x01b\x02c":                       "a b c",
		"<*> <* *>":                         "<*> <* *>",
		strings.Repeat("x ", 200):           strings.Repeat("x ", maxWords) + "<*>",
		strings.Repeat("y", maxLineBytes+1): strings.Repeat("y", maxLineBytes) + " <*>",
	} {
		var sc scanner
		sc.scan(line)
		require.Equal(t, want, readable(string(sc.buf)), "%q", line)
	}
}
