// Package openapitest checks the requests and answers of tests against the contract
// of the HTTP API, so that every test of the API is a test of the contract too.
//
// [Contract.Serve] and [Contract.Transport] watch what passes through them. An
// answer must have a status, headers, a content type and a body that the document
// has for the operation. A request that breaks the document must be answered with an
// error, and one that keeps to it must not be answered 400. Where the document says
// that it does not have all rules (its fields x-more-rules and x-loose-body), less is
// checked. A request that is no operation of the document may only get the answers of
// x-elsewhere.
//
// Bodies are judged by a JSON Schema 2020-12 validator, which is what OpenAPI 3.1
// asks for.
//
// What breaks the contract is gathered and fails the test run at its end: see
// [Checked].
package openapitest
