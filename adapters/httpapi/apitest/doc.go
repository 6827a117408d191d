// Package apitest is an API over stubs, for the tests of the API and its subpackages.
package apitest
