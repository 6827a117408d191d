package chaostest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxies are TCP proxies before Redis that can be made to misbehave. They run in
// a process of their own, since the library leaves goroutines behind. Their
// methods are for one goroutine.
type Proxies struct {
	child *child
	in    *json.Encoder
	out   *bufio.Scanner
}

// proxyOrder is a line to the proxies' process, proxyAnswer one from it.
type proxyOrder struct {
	// Do is add, toxic, cut or mend.
	Do    string `json:"do"`
	Proxy string `json:"proxy"`
	// To is the address behind a new proxy, Toxic what to add to one.
	To    string `json:"to,omitempty"`
	Toxic *Toxic `json:"toxic,omitempty"`
}

type proxyAnswer struct {
	Addr  string `json:"addr,omitempty"`
	Error string `json:"error,omitempty"`
}

// Toxic is a fault of a connection, as toxiproxy describes it.
type Toxic struct {
	Type string `json:"type"`
	// Stream is upstream for what is sent to Redis, downstream for its replies.
	Stream     string         `json:"stream"`
	Toxicity   float32        `json:"toxicity"`
	Attributes map[string]int `json:"attributes"`
}

// NewProxies starts the process. Close it.
func NewProxies(dir string) (*Proxies, error) {
	c, stdout, err := spawn(ChildConfig{Role: RoleProxy, Name: "proxy", Dir: dir})
	if err != nil {
		return nil, err
	}
	return &Proxies{child: c, in: json.NewEncoder(c.stdin), out: bufio.NewScanner(stdout)}, nil
}

// Close ends the process.
func (p *Proxies) Close() {
	_ = p.child.stdin.Close() // It ends with its input.
	kill := time.AfterFunc(stopTimeout, func() { _ = p.child.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.child.cmd.Wait() // Nothing depends on how it ends.
}

// Add makes a proxy and returns its address.
func (p *Proxies) Add(name, to string) (string, error) {
	answer, err := p.order(proxyOrder{Do: "add", Proxy: name, To: to})
	return answer.Addr, err
}

// Poison adds a toxic to all connections of a proxy, old and new.
func (p *Proxies) Poison(name string, toxic Toxic) error {
	_, err := p.order(proxyOrder{Do: "toxic", Proxy: name, Toxic: &toxic})
	return err
}

// Cut ends the connections of a proxy and takes no new ones.
func (p *Proxies) Cut(name string) error {
	_, err := p.order(proxyOrder{Do: "cut", Proxy: name})
	return err
}

// Mend cuts the connections of a proxy, removes its toxics, and takes new ones.
func (p *Proxies) Mend(name string) error {
	_, err := p.order(proxyOrder{Do: "mend", Proxy: name})
	return err
}

func (p *Proxies) order(o proxyOrder) (proxyAnswer, error) {
	var answer proxyAnswer
	kill := time.AfterFunc(stopTimeout, func() { _ = p.child.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.in.Encode(o); err != nil {
		return answer, fmt.Errorf("proxy %s: %s: %w", o.Proxy, o.Do, err)
	}
	if !p.out.Scan() {
		return answer, fmt.Errorf("proxy %s: %s: the process gives no answer", o.Proxy, o.Do)
	}
	if err := json.Unmarshal(p.out.Bytes(), &answer); err != nil {
		return answer, err
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("proxy %s: %s: %s", o.Proxy, o.Do, answer.Error)
	}
	return answer, nil
}

// proxyMain is the proxies' process. It ends with its input.
func proxyMain(in io.Reader, out io.Writer) int {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxies := map[string]*toxiproxy.Proxy{}
	answers := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o proxyOrder
		err := json.Unmarshal(lines.Bytes(), &o)
		var answer proxyAnswer
		if err == nil {
			proxies[o.Proxy], err = obey(server, proxies[o.Proxy], o)
			answer.Addr = proxies[o.Proxy].Listen
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if answers.Encode(answer) != nil {
			return 1
		}
	}
	return 0
}

// obey carries an order out and returns the proxy that is there then.
func obey(server *toxiproxy.ApiServer, proxy *toxiproxy.Proxy, o proxyOrder) (*toxiproxy.Proxy, error) {
	switch o.Do {
	case "add":
		proxy = toxiproxy.NewProxy(server, o.Proxy, "127.0.0.1:0", o.To)
		return proxy, proxy.Start()
	case "cut":
		proxy.Stop()
		return proxy, nil
	case "mend":
		// To take a toxic away, the library waits for what is under way in it, now
		// and then for ever. So the proxy goes with its toxics.
		proxy.Stop()
		fresh := toxiproxy.NewProxy(server, proxy.Name, proxy.Listen, proxy.Upstream)
		return fresh, fresh.Start()
	case "toxic":
		raw, err := json.Marshal(o.Toxic)
		if err != nil {
			return proxy, err
		}
		_, err = proxy.Toxics.AddToxicJson(bytes.NewReader(raw))
		return proxy, err
	default:
		return proxy, fmt.Errorf("there is no order %q", o.Do)
	}
}
