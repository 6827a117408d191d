package openapitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// kin is the document as kin-openapi reads it.
type kin struct{ doc *openapi3.T }

// newKin has kin-openapi read and validate the document.
func newKin(document []byte) (*kin, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("kin-openapi: read the document: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil { //nolint:forbidigo // nothing waits
		return nil, fmt.Errorf("kin-openapi: validate the document: %w", err)
	}
	return &kin{doc}, nil
}

// check returns how kin-openapi finds that an exchange breaks the contract. valid is
// whether the request is to keep to it.
func (k *kin) check(x *exchange, r *route, valid bool) []string {
	method := x.request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	item := k.doc.Paths.Value(r.path)
	ctx := x.request.Context()
	req := x.request.Clone(ctx)
	req.Body = io.NopCloser(bytes.NewReader(x.sent))
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: map[string]string{}, QueryParams: req.URL.Query(),
		Route:   &routers.Route{Spec: k.doc, Path: r.path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: !x.whole || req.Header.Get("Content-Type") == ""},
	}
	if match := r.pattern.FindStringSubmatch(x.request.URL.Path); !r.prefix {
		for i, name := range r.pattern.SubexpNames() {
			in.PathParams[name] = match[i]
		}
	}
	var out []string
	if json := req.Header.Get("Content-Type") == "application/json"; valid && !r.prefix && json && x.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			out = append(out, "kin-openapi: "+err.Error())
		}
	}
	if x.header.Get("Content-Type") == "application/json" || x.header.Get("Content-Type") == "application/problem+json" {
		err := openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: x.status, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.body)), Options: in.Options,
		})
		if err != nil {
			out = append(out, "kin-openapi: "+err.Error())
		}
	}
	return out
}
