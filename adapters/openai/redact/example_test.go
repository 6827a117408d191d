package redact_test

import (
	"fmt"

	"logsift/adapters/openai/redact"
)

func Example() {
	// One session for each request: the same value has the same placeholder.
	session := redact.New(redact.Config{}).Session()
	fmt.Println(session.Redact("login of jane@example.com with password=hunter2 failed"))
	fmt.Println(session.Redact(`{"to":"jane%40example.com","dsn":"postgres://app:s3cret@db1/app"}`))
	fmt.Println(session.Counts())
	// Output:
	// login of <SECRET:email:1> with password=<SECRET:password:1> failed
	// {"to":"<SECRET:email:1>","dsn":"postgres://app:<SECRET:url_password:1>@db1/app"}
	// map[email:2 password:1 url_password:1]
}
