package domain_test

import (
	"errors"
	"fmt"
	"time"

	"logsift/domain"
)

// A processor tells by its error what is to become of the task.
func ExampleRetryAfter() {
	outcome := func(status int, wait time.Duration) error {
		switch {
		case status == 429:
			return domain.RetryAfter(wait, errors.New("the service asks to wait"))
		case status >= 400 && status < 500:
			return domain.Permanent(fmt.Errorf("the service refuses: status %d", status))
		case status >= 500:
			return fmt.Errorf("the service fails: status %d", status)
		}
		return nil
	}

	for _, status := range []int{200, 400, 429, 503} {
		err := outcome(status, 30*time.Second)
		delay, named := domain.RetryDelay(err)
		fmt.Println(status, domain.IsPermanent(err), named, delay)
	}
	// Output:
	// 200 false false 0s
	// 400 true false 0s
	// 429 false true 30s
	// 503 false false 0s
}
