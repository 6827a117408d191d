package proc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxies are TCP proxies before Redis that can be made to misbehave. They run in
// a process of their own, since the library leaves goroutines behind. Their
// methods are for one goroutine.
type Proxies struct {
	process *Process
	answers chan proxyAnswer
}

// proxyConfig is the configuration of the child that holds the proxies.
const proxyConfig = `"proxy"`

// orderTimeout is for an order, such as a new proxy, to be carried out.
const orderTimeout = 20 * time.Second

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
func NewProxies() (*Proxies, error) {
	cmd, err := Self("proxy")
	if err != nil {
		return nil, err
	}
	p := &Proxies{answers: make(chan proxyAnswer, 1)}
	p.process, err = Start(cmd, func(line []byte) {
		var answer proxyAnswer
		if err := json.Unmarshal(line, &answer); err != nil {
			answer.Error = string(line)
		}
		p.answers <- answer
	}, func([]byte) {})
	return p, err
}

// Close ends the process.
func (p *Proxies) Close() { p.process.Kill() }

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
	err := json.NewEncoder(p.process.Stdin).Encode(o)
	timeout := time.NewTimer(orderTimeout)
	defer timeout.Stop()
	if err == nil {
		select {
		case answer = <-p.answers:
		case <-p.process.Exited:
			answer.Error = "the process has ended"
		case <-timeout.C:
			p.process.Signal(os.Kill) // A late answer must not be taken for that of the next order.
			answer.Error = "the process gives no answer"
		}
		if answer.Error != "" {
			err = errors.New(answer.Error)
		}
	}
	if err != nil {
		return answer, fmt.Errorf("proxy %s: %s: %w", o.Proxy, o.Do, err)
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
