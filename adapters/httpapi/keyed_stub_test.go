package httpapi_test

import (
	"context"
	"sync"

	"logsift/domain"
)

// keyedStub keeps the answers of keyed calls in a map.
type keyedStub struct {
	mu    sync.Mutex
	calls map[string]*keyedStubCall
}

type keyedStubCall struct {
	request, answer string
	done            bool
}

func (k *keyedStub) Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) ([]byte, bool, error)) ([]byte, bool, error) {
	name := scope + "\x00" + key
	k.mu.Lock()
	first, ok := k.calls[name]
	if !ok {
		k.calls[name] = &keyedStubCall{request: string(request)}
	}
	k.mu.Unlock()
	switch {
	case ok && first.request != string(request):
		return nil, false, domain.ErrKeyReused
	case ok && !first.done:
		return nil, false, domain.ErrKeyInUse
	case ok:
		return []byte(first.answer), true, nil
	}
	answer, keep, err := run(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || !keep {
		delete(k.calls, name)
		return answer, false, err
	}
	k.calls[name] = &keyedStubCall{request: string(request), answer: string(answer), done: true}
	return answer, false, nil
}
