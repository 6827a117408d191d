package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"logsift/domain"
)

// serve sends requests of lines to logsift serve on an embedded store of its own, one
// after the other, waits until all tasks are done, and returns every anomaly that the
// API lists.
func (p *product) serve(ctx context.Context, source string, requests [][]string) (r *domain.AnalysisResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(p.dir, "store-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the store: %w", err)
	}
	cmd := exec.CommandContext(ctx, p.binary, "serve", "--addr", "127.0.0.1:0", "--store", "sqlite:"+filepath.Join(dir, "logsift.db")) //nolint:gosec // The user names the program.
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start logsift serve: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start logsift serve: %w", err)
	}
	said := bufio.NewScanner(stderr)
	s := &server{}
	var all strings.Builder
	for s.base == "" && said.Scan() {
		all.WriteString(said.Text() + "\n")
		if _, address, ok := strings.Cut(said.Text(), "listening on "); ok {
			s.base = strings.TrimSpace(address)
		}
	}
	drained := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stderr) // It ends with the process.
		close(drained)
	}()
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt) // Wait tells how it ended.
		<-drained
		if ended := cmd.Wait(); err == nil && ended != nil {
			err = fmt.Errorf("logsift serve: %w", ended)
		}
	}()
	if s.base == "" {
		return nil, fmt.Errorf("logsift serve did not start: %s", all.String())
	}
	for _, lines := range requests {
		if err := s.call(ctx, http.MethodPost, "/api/v1/logs?source="+url.QueryEscape(source), strings.Join(lines, "\n")+"\n", nil); err != nil {
			return nil, err
		}
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.anomalies(ctx)
}

// server is the API of a running logsift serve.
type server struct{ base string }

// call sends a request, with lines of text if there are any, and reads the JSON of the
// answer.
func (s *server) call(ctx context.Context, method, path, text string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if text != "" {
		req.Header.Set("Content-Type", "text/plain")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(body))
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// wait returns when no task is left to do.
func (s *server) wait(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var q struct {
			Pending    int `json:"pending_tasks"`
			Scheduled  int `json:"scheduled_tasks"`
			Processing int `json:"processing_tasks"`
			Retrying   int `json:"retrying_tasks"`
			Completed  int `json:"completed_tasks"`
			Failed     int `json:"failed_tasks"`
		}
		if err := s.call(ctx, http.MethodGet, "/api/v1/queue/stats", "", &q); err != nil {
			return err
		}
		if q.Failed > 0 || q.Retrying > 0 {
			return fmt.Errorf("logsift serve: %d tasks failed", q.Failed+q.Retrying)
		}
		if q.Pending+q.Scheduled+q.Processing == 0 && q.Completed > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the tasks: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// anomalies reads every page of the list.
func (s *server) anomalies(ctx context.Context) (*domain.AnalysisResult, error) {
	r := &domain.AnalysisResult{}
	query := url.Values{"limit": {"100"}}
	for {
		var page struct {
			Anomalies []domain.Anomaly `json:"anomalies"`
			Next      *string          `json:"next_cursor"`
		}
		if err := s.call(ctx, http.MethodGet, "/api/v1/anomalies?"+query.Encode(), "", &page); err != nil {
			return nil, err
		}
		r.Anomalies = append(r.Anomalies, page.Anomalies...)
		if page.Next == nil {
			return r, nil
		}
		query.Set("cursor", *page.Next)
	}
}
