package mining_test

import (
	"fmt"

	"logsift/adapters/builtin/mining"
)

func Example() {
	m := mining.New(mining.Config{})
	for _, line := range []string{
		"Received block blk_-160 of size 91178 from 10.250.10.6",
		"Received block blk_161 of size 67108864 from 10.250.14.224",
		"session opened for user alice by (uid=0)",
		"session opened for user bob by (uid=501)",
		"link up",
		"link down",
	} {
		m.Learn(line)
	}
	for _, t := range m.Templates() {
		fmt.Println(t.Count(), t)
	}
	// Output:
	// 2 Received block <*> of size <*> from <*>
	// 2 session opened for user <*> by (uid=<*>)
	// 1 link up
	// 1 link down
}

func ExampleMiner_Merge() {
	base := mining.New(mining.Config{})
	base.Learn("lost contact with alpha again")
	one, other := mining.New(mining.Config{}), mining.New(mining.Config{})
	for _, m := range []*mining.Miner{one, other} {
		if err := m.Merge(base.Snapshot(1 << 20)); err != nil {
			fmt.Println(err)
		}
	}
	one.Learn("lost contact with beta again")
	one.Learn("lost contact with gamma again")
	other.Learn("lost contact with delta again")
	if err := one.Merge(other.Snapshot(1 << 20)); err != nil {
		fmt.Println(err)
	}
	fmt.Println(one.Templates())
	// Output: [lost contact with <*> again]
}
