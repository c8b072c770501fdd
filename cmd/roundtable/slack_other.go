//go:build !linux

package main

// setSlack does nothing: how long threads oversleep is Linux's to say.
func setSlack(bool) {}
