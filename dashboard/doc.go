// Package dashboard is what people and programs see: the HTTP API under
// /api/v1, the live topics, and the pages. Everything that leaves goes through
// the caller's predicate; nothing here decides about scopes by itself.
//
// It composes its children: access says who asks, hub carries live state, web
// holds the built pages.
package dashboard
